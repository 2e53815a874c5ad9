"""A kit connection to a server, with the actions and checks that cases use."""

from __future__ import annotations

import itertools
import time
from typing import Any

from conformance.core.trace import Trace
from conformance.core.verdicts import Violation
from conformance.peers.base import Ended, FramedConnection
from conformance.peers.frame_checks import ServerFrameChecks
from conformance.protocol import codec, schemas
from conformance.protocol.codec import Message
from conformance.transport.address import Address
from conformance.transport.credentials import OPEN, Credentials
from conformance.transport.dial import connect
from conformance.transport.segmentation import Segmenter

FATAL = frozenset(schemas.document("error-code")["oneOf"][0]["enum"])
"""The codes of errors that end the connection (spec, chapter ERR)."""


class ClientPeer(FramedConnection):
    """A connection of the kit to the server under test; it checks every frame of the server.

    Its messages use ``app_id`` and ``connection_id``; both are set before :meth:`handshake`.

    Args:
        label: the letter of the connection in the trace.
        address: where the target listens.
        trace: records everything.
        patience: seconds to wait for any action of the server.
        segmenter: splits the writes of the case; None leaves them unchanged.
        credentials: token and TLS settings.

    Raises:
        TargetError: no server accepts connections at ``address``, or the TLS handshake failed.
    """

    app_id: str
    connection_id: str
    acknowledgement: Message | None = None

    def __init__(  # noqa: PLR0917 - what every connection needs
        self,
        label: str,
        address: Address,
        trace: Trace,
        patience: float,
        segmenter: Segmenter | None = None,
        credentials: Credentials = OPEN,
    ) -> None:
        super().__init__(
            label, connect(address, patience, credentials), trace, ServerFrameChecks(), patience, segmenter
        )
        self.credentials = credentials
        self._has_answered = False
        self._numbers = itertools.count(1)
        self._sends_frames = True

    @property
    def has_answered(self) -> bool:
        """True if a frame with a JSON object has arrived: this may be a server of the protocol."""
        return self._has_answered

    # -- making messages -------------------------------------------------------------------------------------------

    def message(self, message_type: str, channel: str, payload: Any = None, **members: Any) -> Message:
        """Return an envelope with a fresh id; ``members`` replace or add members unchanged."""
        return {
            "message_id": f"{self.label}-{next(self._numbers)}",
            "app_id": self.app_id,
            "channel_id": channel,
            "message_type": message_type,
            "payload": payload,
            "timestamp": time.time(),
            "reply_to": None,
        } | members

    def connect_message(self, **payload: Any) -> Message:
        """Return a valid connect message (HSK-001), with the token if there is one (SEC-002).

        ``payload`` replaces or adds members of its payload.
        """
        usual = {"action": "connect", "connection_id": self.connection_id, "protocol": "1.0"}
        shown = {} if self.credentials.token is None else {"token": self.credentials.token}
        return self.message("request", "system", usual | shown | payload)

    def ping_message(self) -> Message:
        """Return a ping request (SYS-003)."""
        return self.request_message("system", {"action": "ping"})

    def request_message(self, channel: str, payload: Any) -> Message:
        """Return a request; an object payload gets the ``connection_id``, as in clients (REQ-006)."""
        if isinstance(payload, dict):
            payload = {"connection_id": self.connection_id} | payload
        return self.message("request", channel, payload)

    # -- doing things ----------------------------------------------------------------------------------------------

    def handshake(self, **payload: Any) -> Message:
        """Connect and return the acknowledgement (HSK-004, HSK-005).

        Raises:
            Violation: the server answered something else.
        """
        self.send(self.connect_message(**payload))
        answer = self.receive("the acknowledgement")
        self.acknowledge(answer)
        return answer

    def acknowledge(self, answer: Message) -> None:
        """Check that ``answer`` is this connection's acknowledgement, and adopt its limits."""
        wrong = schemas.problem("acknowledgement-message", answer)
        expected = {"app_id": self.app_id, "payload.connection_id": self.connection_id}
        if wrong or answer["app_id"] != self.app_id or answer["payload"]["connection_id"] != self.connection_id:
            raise Violation(
                "the answer to a valid connect message is not its acknowledgement (HSK-004, HSK-005)",
                expected=f"an acknowledgement with {codec.shorten(expected)}",
                received=f"{codec.shorten(answer)} {wrong or ''}",
            )
        self.acknowledgement = answer
        self.checks.max_frame_bytes = self.limit("max_frame_bytes") or self.checks.max_frame_bytes

    def limit(self, name: str) -> int | None:
        """Return a limit that the acknowledgement announces, or None."""
        payload = self.acknowledgement["payload"] if self.acknowledgement else {}
        value: int | None = payload.get("limits", {}).get(name)
        return value

    def request(self, channel: str, payload: Any) -> Message:
        """Send a request and return the next frame, which must be its response (REQ-001 to REQ-003)."""
        request = self.request_message(channel, payload)
        self.send(request)
        return self.expect_response(request)

    def subscribe(self, channel: str) -> None:
        """Subscribe and wait until the subscription is in force (SUB-004, SUB-015)."""
        self.send(self.message("subscribe", channel, {"connection_id": self.connection_id}))
        self.expect_silence()

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribe and wait until it is in force (SUB-006, SUB-015)."""
        self.send(self.message("unsubscribe", channel, {"connection_id": self.connection_id}))
        self.expect_silence()

    def publish(self, channel: str, payload: Any, **members: Any) -> Message:
        """Publish, wait until the server has queued it to every subscriber (SUB-016), and return the message."""
        message = self.message("publish", channel, payload, **members)
        self.send(message)
        self.expect_silence()
        return message

    def publish_and_get(self, channel: str, payload: Any) -> Message:
        """Publish on a channel that this connection is subscribed to, and return the message as it came back.

        Raises:
            Violation: not exactly that message arrived (SUB-010, SUB-012).
        """
        message = self.message("publish", channel, payload)
        self.send(message)
        self.expect_deliveries([message])
        return message

    # -- expecting things ------------------------------------------------------------------------------------------

    def barrier(self) -> list[Message]:
        """Ping, and return everything that arrived before the pong (SUB-016).

        Raises:
            Violation: no pong came, or the answer to the ping is not one.
        """
        ping = self.ping_message()
        self.send(ping)
        return self.receive_through_pong(ping)

    def receive_through_pong(self, ping: Message) -> list[Message]:
        """Return the messages that arrive before the pong to ``ping``, which was already sent."""
        before = []
        while (answer := self.receive(f"the pong to {ping['message_id']}")).get("reply_to") != ping["message_id"]:
            before.append(answer)
        self._check_response(ping, answer)
        if schemas.problem("pong", answer["payload"]):
            raise Violation("a ping got something else than a pong (SYS-003)", received=codec.shorten(answer))
        return before

    def expect_silence(self, why: str = "") -> None:
        """Show with a ping barrier that the server had nothing to send.

        Raises:
            Violation: something arrived.
        """
        arrived = self.barrier()
        if arrived:
            raise Violation(
                why or "the server sent something where nothing is to be sent",
                expected="nothing ahead of the pong",
                received=f"{len(arrived)} message(s), first {codec.shorten(arrived[0])}",
            )

    def expect_deliveries(self, messages: list[Message]) -> None:
        """Show with a ping barrier that exactly ``messages`` arrived, unchanged and in order (SUB-010 to SUB-014).

        Raises:
            Violation: a message is missing, additional, changed or out of order.
        """
        arrived = [{"reply_to": None} | each for each in self.barrier()]
        wanted = [{"reply_to": None} | each for each in messages]
        if not codec.same(arrived, wanted):
            raise Violation(
                "the subscriber did not get exactly what was published",
                expected=f"{len(wanted)} message(s): {codec.shorten(wanted)}",
                received=f"{len(arrived)} message(s): {codec.shorten(arrived)}",
            )

    def expect_response(self, request: Message) -> Message:
        """Return the next frame, which must be the response to ``request`` (REQ-002, REQ-003)."""
        answer = self.receive(f"the response to {request['message_id']}")
        self._check_response(request, answer)
        return answer

    def expect_payload(self, request: Message, payload: Any, why: str) -> None:
        """Receive the response to ``request`` and compare its payload."""
        answer = self.expect_response(request)
        if not codec.same(answer["payload"], payload):
            raise Violation(why, expected=codec.shorten(payload), received=codec.shorten(answer["payload"]))

    def expect_profile_error(self, schema: str, code: str, about: Message) -> None:
        """Receive the answer to ``about``, an error with a code that a profile adds.

        Args:
            schema: the schema of the profile's errors.
            code: the expected error code.
            about: the request.
        """
        payload = self.expect_response(about)["payload"]
        if schemas.problem(schema, payload) or payload["error"]["code"] != code:
            raise Violation(
                f"expected the error {code} and got something else",
                expected=f"the error {code}",
                received=codec.shorten(payload),
            )

    def expect_error(self, code: str, about: Message | None) -> Message:
        """Receive an error answer with ``code`` and the required address (ERR-001 to ERR-004).

        Args:
            code: the expected error code. If it is fatal, the end of the stream must follow (ERR-006).
            about: the offending message; None if it could not be read or there is none.
        """
        return self.expect_error_at(code, self._error_address(about))

    def expect_error_at(self, code: str, address: Message) -> Message:
        """Receive an error answer with ``code`` and exactly this ``reply_to``, ``channel_id`` and ``app_id``."""
        try:
            answer = self.receive(f"the error {code}")
        except Ended as end:
            raise Violation(
                f"the server ended the connection without the error {code}",
                expected=f"the error {code}",
                received=str(end),
            ) from None
        self._check_error_at(answer, code, address)
        if code in FATAL:
            self.expect_end()
        return answer

    def check_error(self, answer: Message, code: str, about: Message | None) -> None:
        """Check a message that must be the error ``code`` about the message ``about``."""
        self._check_error_at(answer, code, self._error_address(about))

    def _check_error_at(self, answer: Message, code: str, address: Message) -> None:
        wrong = schemas.problem("error-message", answer)
        if wrong or answer["payload"]["error"]["code"] != code:
            got = "something else" if wrong else answer["payload"]["error"]["code"]
            raise Violation(
                f"expected the error {code} and got {got}",
                expected=f"the error {code}",
                received=f"{codec.shorten(answer)} {wrong or ''}",
            )
        found = {name: answer.get(name) for name in address}
        if found != address:
            raise Violation(
                f"the error {code} is addressed wrongly (ERR-002 to ERR-004)",
                expected=codec.shorten(address),
                received=codec.shorten(found),
            )

    # -- inside ----------------------------------------------------------------------------------------------------

    def _note_message(self) -> None:
        self._has_answered = True

    def _accompanied(self, held: bytes) -> bytes:
        """Add a notification without a handler (NTF-001) before and after whole frames.

        So no frame is alone in its segment when writes are merged.
        """
        self._sends_frames = self._sends_frames and codec.are_frames(held)
        if not self._sends_frames or not self.acknowledgement:
            return held
        company = [codec.frame(codec.encode(self.message("notification", "in-company", None))) for _ in range(2)]
        return company[0] + held + company[1]

    def _error_address(self, about: Message | None) -> dict[str, Any]:
        readable = about is not None and _valid("message_id", about.get("message_id"))
        channel = about.get("channel_id") if about is not None and readable else None
        return {
            "reply_to": about["message_id"] if about is not None and readable else None,
            "channel_id": channel if _valid("channel_id", channel) else "system",
            "app_id": self.app_id if self.acknowledgement else "system",
        }

    def _check_response(self, request: Message, answer: Message) -> None:
        expected = {
            "message_type": "response",
            "reply_to": request["message_id"],
            "app_id": request["app_id"],
            "channel_id": request["channel_id"],
        }
        if any(answer.get(name) != value for name, value in expected.items()):
            raise Violation(
                "the next frame is not the response to the request (REQ-001 to REQ-003)",
                expected=codec.shorten(expected),
                received=codec.shorten(answer),
            )


def _valid(name: str, value: Any) -> bool:
    return schemas.problem(f"common#/$defs/{name}", value) is None
