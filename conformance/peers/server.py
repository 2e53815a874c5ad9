"""The kit's end of a client's connection: checks the client's frames, and plays the server, correct or broken."""

from __future__ import annotations

import itertools
import socket
import time
from typing import Any

from conformance.core.trace import Trace
from conformance.core.verdicts import Violation
from conformance.peers.base import FramedConnection
from conformance.peers.frame_checks import ClientFrameChecks
from conformance.protocol import codec
from conformance.protocol.codec import Message
from conformance.transport.segmentation import Segmenter


class ServerPeer(FramedConnection):
    """A connection that the client under test opened.

    ``app_id`` and ``connection_id`` are those of its connect message, after that was accepted.
    """

    VERB = "send anything"
    checks: ClientFrameChecks
    app_id = ""
    connection_id = ""

    def __init__(
        self, label: str, connected: socket.socket, trace: Trace, patience: float, segmenter: Segmenter | None = None
    ) -> None:
        super().__init__(label, connected, trace, ClientFrameChecks(), patience, segmenter)
        self._numbers = itertools.count(1)
        self._is_open = False

    # -- the handshake ---------------------------------------------------------------------------------------------

    def take_connect(self) -> Message:
        """Receive the first message, which must be a valid connect message (HSK-001), and return it.

        Raises:
            Violation: it is something else, or does not arrive.
        """
        message = self.receive("a connect message")
        problem = self.checks.connect_problem(message)
        if problem:
            raise problem
        self.checks.app_id = self.app_id = message["app_id"]
        self.connection_id = message["payload"]["connection_id"]
        return message

    def acknowledgement(self, **payload: Any) -> Message:
        """Return the acknowledgement of the accepted connect message; ``payload`` adds or replaces members."""
        usual = {"status": "connected", "connection_id": self.connection_id, "protocol": "1.0", "profiles": []}
        return self.message("response", "system", usual | payload)

    def acknowledge(self, **payload: Any) -> None:
        """Send the acknowledgement."""
        self.send(self.acknowledgement(**payload))
        self._is_open = True

    def shake_hands(self, **payload: Any) -> Message:
        """Receive the connect message, acknowledge it, and return it."""
        connect = self.take_connect()
        self.acknowledge(**payload)
        return connect

    # -- making and sending messages -------------------------------------------------------------------------------

    def message(self, message_type: str, channel: str, payload: Any = None, **members: Any) -> Message:
        """Return a message of the server; ``members`` replace or add members unchanged."""
        return {
            "message_id": f"kit-{self.label}-{next(self._numbers)}",
            "app_id": self.app_id or "system",
            "channel_id": channel,
            "message_type": message_type,
            "payload": payload,
            "timestamp": time.time(),
            "reply_to": None,
        } | members

    def response(self, request: Message, payload: Any, **members: Any) -> Message:
        """Return the response to a request (REQ-002, REQ-003)."""
        return self.message("response", request["channel_id"], payload, reply_to=request["message_id"], **members)

    def error(self, code: str, about: Message | None = None, **members: Any) -> Message:
        """Return an error answer, about a message or without one (ERR-001 to ERR-003)."""
        payload = {"status": "error", "error": {"code": code, "message": "as the kit was told to"}}
        channel, reply_to = ("system", None) if about is None else (about["channel_id"], about["message_id"])
        return self.message("response", channel, payload, **{"reply_to": reply_to} | members)

    def respond(self, request: Message, payload: Any, **members: Any) -> None:
        """Send the response to a request."""
        self.send(self.response(request, payload, **members))

    def pong(self, ping: Message) -> None:
        """Answer a ping (SYS-003)."""
        self.respond(ping, {"status": "pong"})

    # -- receiving -------------------------------------------------------------------------------------------------

    def wait_for_octets(self) -> None:
        """Wait until anything has arrived, without receiving it.

        Raises:
            Violation: nothing arrived in time.
        """
        self._need(1, time.monotonic() + self.patience)

    def take(self, message_type: str, channel: str | None = None) -> Message:
        """Receive the next message, which must have that type and, if one is given, that channel.

        Raises:
            Violation: it is something else, or does not arrive.
        """
        message = self.receive(f"a {message_type}" + (f" on {channel}" if channel else ""))
        if message["message_type"] != message_type or channel not in (None, message["channel_id"]):
            raise Violation(
                f"the client sent something else than the {message_type} it was told to send",
                expected=f"a {message_type} on {channel or 'any channel'}",
                received=codec.shorten(message),
            )
        return message

    def take_ping(self) -> Message:
        """Receive a ping (SYS-003).

        Raises:
            Violation: something else arrived, or nothing.
        """
        request = self.take("request", "system")
        if request["payload"].get("action") != "ping":
            raise Violation("the client sent something else than a ping", received=codec.shorten(request))
        return request

    def expect_gone(self) -> list[Message]:
        """Wait for the client to end the connection, and return the messages that it sent until then.

        Raises:
            Violation: it did not end it in time.
        """
        try:
            return self.receive_until_end()
        except Violation as violation:
            if violation.message.endswith("in time"):
                raise Violation(
                    "the client did not end the connection", expected="the end of the stream", received="nothing"
                ) from None
            raise

    # -- inside ----------------------------------------------------------------------------------------------------

    def _accompanied(self, held: bytes) -> bytes:
        """Add a response without a request (REQ-017) before and after whole frames; see ``Segmenter``."""
        if not self._is_open or not codec.are_frames(held):
            self._is_open = self._is_open and codec.are_frames(held)
            return held
        company = [
            codec.frame(codec.encode(self.message("response", "in-company", None, reply_to="nobody"))) for _ in range(2)
        ]
        return company[0] + held + company[1]
