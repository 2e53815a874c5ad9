"""The kit's end of a client's connection: checks the client's frames, and plays the server, correct or broken."""

from __future__ import annotations

import contextlib
import itertools
import socket
import time
from collections.abc import Iterator
from typing import Any

from conformance.core.trace import Trace
from conformance.core.verdicts import Late, Violation
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
    answers_pings = True
    """Whether to answer the pings that a case does not take; a client may send one at any time (SYS-006)."""
    answers_ends = True
    """Whether to end this side as soon as the client has ended its own."""

    def __init__(
        self, label: str, connected: socket.socket, trace: Trace, patience: float, segmenter: Segmenter | None = None
    ) -> None:
        super().__init__(label, connected, trace, ClientFrameChecks(), patience, segmenter)
        self._numbers = itertools.count(1)
        self._is_open = False
        self._has_ended = False
        self._until: float | None = None
        self.left: set[str] = set()
        """Channels that the client was told to leave: an unsubscribe may come at any time from then on, or never."""

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
        """Return the acknowledgement of the accepted connect message.

        Args:
            payload: members to add or to replace; ``...`` leaves one out.
        """
        usual = {"status": "connected", "connection_id": self.connection_id, "protocol": "1.0", "profiles": []}
        members = {name: value for name, value in (usual | payload).items() if value is not ...}
        return self.message("response", "system", members)

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

    def end_sending(self) -> None:
        """End the sending side of the connection (FIN) and keep reading."""
        self._has_ended = True
        super().end_sending()

    def answer_end(self) -> None:
        """End this side if the client has ended its own, as every server does; a client may wait for it."""
        if self.answers_ends and self.is_over and not self._has_ended and not self.was_reset:
            self.end_sending()

    # -- receiving -------------------------------------------------------------------------------------------------

    def receive(self, wanted: str = "a frame") -> Message:
        """Return the next message that is not the client's own ping, and answer those pings, as every server does.

        A ping ahead of the end of the client's stream gets no answer: it may take no more octets.

        Raises:
            Violation: as :meth:`FramedConnection.receive`.
        """
        usual, until = self.patience, self._until or time.monotonic() + self.patience
        try:
            message = super().receive(wanted)
            while self.answers_pings and self._is_open and _is_ping(message):
                if not (self.is_over or self._has_ended):
                    self.pong(message)
                self._wait_until(until)
                message = super().receive(wanted)
            return message
        finally:
            self.patience = usual

    def _wait_until(self, until: float) -> None:
        """Have the next message wait only for what is left of the time in all, whatever pings come."""
        self.patience = until - time.monotonic()
        if self.patience <= 0:
            raise Late(f"{self.checks.side} did not {self.VERB} in time", received="nothing but pings")

    def wait_for_octets(self) -> None:
        """Wait until anything has arrived, without receiving it.

        Raises:
            Violation: nothing arrived in time.
        """
        self._need(1, time.monotonic() + self.patience)

    def expect_own_id(self, message: Message) -> None:
        """Show that a subscribe or unsubscribe names the client by the id of this connection.

        Raises:
            Violation: it has another one (SUB-001).
        """
        kind = message["message_type"]
        if kind in ("subscribe", "unsubscribe") and message["payload"]["connection_id"] != self.connection_id:
            raise Violation(
                f"a message of type {kind} does not have the client's own connection_id (SUB-001)",
                expected=self.connection_id,
                received=codec.shorten(message),
            )

    def take(self, message_type: str, channel: str | None = None) -> Message:
        """Receive the next message, which must have that type and, if one is given, that channel.

        An unsubscribe from a channel in :attr:`left` may come before it.

        Raises:
            Violation: it is something else, or does not arrive.
        """
        wanted = f"a {message_type}" + (f" on {channel}" if channel else "")
        message = self.receive(wanted)
        while message["message_type"] == "unsubscribe" and message["channel_id"] in self.left:
            self.expect_own_id(message)
            message = self.receive(wanted)
        if message["message_type"] != message_type or channel not in (None, message["channel_id"]):
            raise Violation(
                f"the client sent something else than the {message_type} it was told to send",
                expected=f"a {message_type} on {channel or 'any channel'}",
                received=codec.shorten(message),
            )
        return message

    def take_within(self, seconds: float, message_type: str, channel: str) -> Message | None:
        """Return what :meth:`take` does, or None if nothing but pings comes within ``seconds``.

        Raises:
            Violation: it is something else.
        """
        with self._patient(seconds):
            return self.take(message_type, channel)
        return None

    def receive_within(self, seconds: float) -> Message | None:
        """Return what :meth:`receive` does, or None if nothing but pings comes within ``seconds``.

        Raises:
            Violation: as :meth:`receive`.
        """
        with self._patient(seconds):
            return self.receive()
        return None

    @contextlib.contextmanager
    def _patient(self, seconds: float) -> Iterator[None]:
        """Wait no longer than ``seconds`` in all, whatever pings come, and go on if nothing else does."""
        usual, self.patience, self._until = self.patience, seconds, time.monotonic() + seconds
        try:
            with contextlib.suppress(Late):
                yield
        finally:
            self.patience, self._until = usual, None

    def take_ping(self) -> Message:
        """Receive a ping (SYS-003).

        Raises:
            Violation: something else arrived, or nothing.
        """
        before, self.answers_pings = self.answers_pings, False
        try:
            request = self.take("request", "system")
        finally:
            self.answers_pings = before
        if not _is_ping(request):
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
            if isinstance(violation, Late):
                raise Late(
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


def _is_ping(message: Message) -> bool:
    payload = message["payload"]
    is_on_system = (message["message_type"], message["channel_id"]) == ("request", "system")
    return is_on_system and isinstance(payload, dict) and payload.get("action") == "ping"
