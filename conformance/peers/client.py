"""A kit connection to a server, with the actions and checks that cases use."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from conformance.core.trace import Trace
from conformance.core.verdicts import Late, Violation
from conformance.peers.base import Ended, FramedConnection
from conformance.peers.expectations import Expectations
from conformance.peers.frame_checks import ServerFrameChecks
from conformance.peers.markers import ABILITIES, AWAITED, MARK, Marker, is_answer, payload_of, problem
from conformance.protocol import codec, schemas
from conformance.protocol.codec import Message
from conformance.protocol.error_answers import error_code
from conformance.protocol.responder import RESPONDER_PREFIX
from conformance.results.survey import ERROR, SEVERAL
from conformance.transport.address import Address
from conformance.transport.credentials import OPEN, Credentials
from conformance.transport.dial import connect
from conformance.transport.segmentation import Segmenter

EVERYTHING = Expectations()
"""What a connection expects of a server that was not surveyed."""
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
        expectations: what to expect of the server.

    Raises:
        TargetError: no server accepts connections at ``address``, or the TLS handshake failed.
    """

    app_id: str
    connection_id: str
    is_beside = False
    """Whether it was opened while another connection of the case was open."""
    has_watched = False
    """Whether only silence showed that nothing came."""
    greeting: Message | None = None
    """The answer to the connect message of :meth:`handshake`, right or wrong."""
    acknowledgement: Message | None = None

    def __init__(  # noqa: PLR0917 - what every connection needs
        self,
        label: str,
        address: Address,
        trace: Trace,
        patience: float,
        segmenter: Segmenter | None = None,
        credentials: Credentials = OPEN,
        expectations: Expectations = EVERYTHING,
    ) -> None:
        super().__init__(
            label, connect(address, patience, credentials), trace, ServerFrameChecks(), patience, segmenter
        )
        self.credentials = credentials
        self.expectations = expectations
        self._has_answered = False
        self._numbers = itertools.count(1)
        self._sends_frames = True
        self._asked: dict[str, str] = {}
        self._mark_channel = f"mark-{random.getrandbits(64):x}"

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

    def marker_message(self, **members: Any) -> Message:
        """Return the message whose answer shows that the server has processed everything before: a ping, usually.

        ``members`` are added to its payload; they change nothing (SYS-005).
        """
        marker = self.expectations.marker
        if marker is Marker.PUBLISH:
            return self.message("publish", self._mark_channel, MARK | members)
        if marker is Marker.SILENCE:  # a notification never has an answer (NTF-001)
            return self.message("notification", self._mark_channel, MARK | members)
        channel = "conformance.echo" if marker is Marker.ECHO else "system"
        return self.request_message(channel, payload_of(marker) | members)

    def request_message(self, channel: str, payload: Any) -> Message:
        """Return a request; an object payload gets the ``connection_id``, as in clients (REQ-006)."""
        if isinstance(payload, dict):
            payload = {"connection_id": self.connection_id} | payload
        return self.message("request", channel, payload)

    # -- doing things ----------------------------------------------------------------------------------------------

    def send(self, *messages: Message) -> None:
        """Send messages in one write, and remember what those answers need that the server was seen not to give."""
        for each in messages:
            if self.expectations.survey.excludes(_ability_of(each)):
                self._asked[str(each.get("message_id"))] = _ability_of(each)
        super().send(*messages)

    def handshake(self, **payload: Any) -> Message:
        """Connect and return the acknowledgement (HSK-004, HSK-005).

        Raises:
            Violation: the server answered something else.
        """
        self.send(self.connect_message(**payload))
        with self.needing("acknowledgement"):
            self.greeting = answer = self.receive("the acknowledgement")
            self.acknowledge(answer)
        return answer

    def acknowledge(self, answer: Message) -> None:
        """Check that ``answer`` is this connection's acknowledgement, and adopt its limits.

        If the server never sends a valid one, any answer will do, so that everything else is tested all the same.
        """
        if self.expectations.survey.lacks("acknowledgement") and error_code(answer) is None:
            self._begin(answer)
            return
        wrong = schemas.problem("acknowledgement-message", answer)
        expected = {"app_id": self.app_id, "payload.connection_id": self.connection_id}
        if wrong or answer["app_id"] != self.app_id or answer["payload"]["connection_id"] != self.connection_id:
            # After that error the kit itself was late, as far as one try can tell.
            raise (Late if error_code(answer) == "handshake_timeout" else Violation)(
                "the answer to a valid connect message is not its acknowledgement (HSK-004, HSK-005)",
                expected=f"an acknowledgement with {codec.shorten(expected)}",
                received=f"{codec.shorten(answer)} {wrong or ''}",
            )
        self._begin(answer)
        self.checks.max_frame_bytes = self.limit("max_frame_bytes") or self.checks.max_frame_bytes

    def _begin(self, answer: Message) -> None:
        self.acknowledgement = answer
        if self.expectations.marker is Marker.PUBLISH:
            self.send(self.message("subscribe", self._mark_channel, {"connection_id": self.connection_id}))

    def limit(self, name: str) -> int | None:
        """Return a limit that the acknowledgement announces, or None; 4.194304e6 is an integer too."""
        payload = self.acknowledgement["payload"] if self.acknowledgement else {}
        value: float | None = payload.get("limits", {}).get(name)
        return None if value is None else int(value)

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

    def receive(self, wanted: str = "a frame") -> Message:
        """Return the next message; like :meth:`FramedConnection.receive`.

        If the server serves one connection at a time, it may not be the turn of this one.
        """
        survey = self.expectations.survey
        awaits_turn = self.is_beside and not self._has_answered and survey.lacks(SEVERAL)
        try:
            with self.needing(SEVERAL) if awaits_turn else nullcontext():
                message = super().receive(wanted)
        except Late as late:  # a case may wait for any frame, and have asked for what the server does not answer
            if wanted.startswith(("a frame", "the response")):
                late.ability = late.ability or next(iter(self._asked.values()), "")
            raise
        self._asked.pop(str(message.get("reply_to")), None)
        return message

    # -- expecting things ------------------------------------------------------------------------------------------

    def barrier(self) -> list[Message]:
        """Send a marker, and return everything that arrived before its answer (SUB-016).

        Raises:
            Violation: no answer came, or a wrong one.
        """
        marker = self.marker_message()
        self.send(marker)
        arrived = self.receive_through(marker)
        is_done = self.expectations.marker in (Marker.PING, Marker.SILENCE)
        return arrived if is_done else arrived + self._watch()

    def receive_through(self, marker: Message) -> list[Message]:
        """Return the messages that arrive before the answer to ``marker``, which was already sent.

        If the server answers no marker, return what arrives within a short time.
        """
        if self.expectations.marker is Marker.SILENCE:
            self.has_watched = True
            return self._watch()
        return self._receive_through(self.expectations.marker, marker)

    def receive_through_pong(self, ping: Message) -> list[Message]:
        """Return the messages that arrive before the pong to ``ping``, which was already sent."""
        return self._receive_through(Marker.PING, ping)

    def _receive_through(self, kind: Marker, marker: Message) -> list[Message]:
        before = []
        with self.needing(ABILITIES[kind]):
            while not is_answer(kind, answer := self.receive(f"{AWAITED[kind]} to {marker['message_id']}"), marker):
                before.append(answer)
            if kind is not Marker.PUBLISH:
                self._check_response(marker, answer)
                if wrong := problem(kind, marker, answer):
                    raise Violation(wrong, received=codec.shorten(answer))
        return before

    def expect_taken(self, marker: Message, why: str) -> None:
        """Receive the answer to ``marker``, which was already sent, as the next message.

        Raises:
            Violation: something else came, or nothing.
        """
        if self.expectations.marker is Marker.SILENCE:
            arrived = self.receive_through(marker)
        else:
            with self.needing(self.expectations.ability):
                answer = self.receive(f"{AWAITED[self.expectations.marker]} to {marker['message_id']}")
            arrived = [] if self.answers(answer, marker) else [answer]
        if arrived:
            raise Violation(why, expected="that it is taken", received=codec.shorten(arrived[0]))

    def answers(self, message: Message, marker: Message) -> bool:
        """Return true if ``message`` is the server's answer to ``marker``."""
        return is_answer(self.expectations.marker, message, marker)

    def _watch(self) -> list[Message]:
        """Return what arrives until nothing has come for :attr:`Expectations.watch_seconds`, or the stream ends."""
        arrived = []
        usual, self.patience = self.patience, self.expectations.watch_seconds
        try:
            while True:
                arrived.append(self.receive())
        except (Ended, Late):
            return arrived
        finally:
            self.patience = usual

    @contextmanager
    def needing(self, ability: str) -> Iterator[None]:
        """Wait inside for something that needs an ability: briefly if the server lacks it, and say so in a failure."""
        usual = self.patience
        self.patience = self.expectations.patience(usual, ability)
        try:
            with self.blaming(ability):
                yield
        finally:
            self.patience = usual

    @contextmanager
    def blaming(self, *abilities: str) -> Iterator[None]:
        """Wait inside as long as usual for what may come in several ways, for instance as an error.

        A failure then says that it needs the first of these abilities that the server lacks; or the last, without one.
        """
        try:
            yield
        except Violation as violation:
            lacking = (each for each in abilities if self.expectations.survey.excludes(each))
            violation.ability = violation.ability or next(lacking, abilities[-1])
            raise

    def expect_silence(self, why: str = "") -> None:
        """Show with a barrier that the server had nothing to send.

        Raises:
            Violation: something arrived.
        """
        arrived = self.barrier()
        if arrived:
            raise Violation(
                why or "the server sent something where nothing is to be sent",
                expected="nothing",
                received=f"{len(arrived)} message(s), first {codec.shorten(arrived[0])}",
            )

    def expect_deliveries(
        self, messages: list[Message], why: str = "the subscriber did not get exactly what was published"
    ) -> None:
        """Show with a barrier that exactly ``messages`` arrived, unchanged and in order (SUB-010 to SUB-014).

        Raises:
            Violation: a message is missing, additional, changed or out of order.
        """
        with self.needing(self._delivery_of(messages)):
            self.check_deliveries(self._arriving(messages), messages, why)

    def _delivery_of(self, messages: list[Message]) -> str:
        """Return the ability of the survey that the delivery of messages to this connection needs."""
        is_own = any(str(each.get("message_id")).startswith(f"{self.label}-") for each in messages)
        return "own_delivery" if is_own else "delivery"

    def _arriving(self, messages: list[Message]) -> list[Message]:
        """Return what arrives ahead of a marker; without one that has a place in the order, wait for the messages."""
        arrived = self.barrier()
        if not self.expectations.watch_seconds or self.expectations.survey.lacks(self._delivery_of(messages)):
            return arrived
        try:
            while len(arrived) < len(messages):
                arrived.append(self.receive("a publish"))
        except (Ended, Late):
            return arrived
        return arrived

    def check_deliveries(self, arrived: list[Message], messages: list[Message], why: str) -> None:
        """Show that what arrived at this connection is exactly ``messages``, in order.

        Raises:
            Violation: it is not.
        """
        with self.blaming(self._delivery_of(messages)):
            self.compare_deliveries(arrived, messages, why)

    @staticmethod
    def compare_deliveries(arrived: list[Message], messages: list[Message], why: str) -> None:
        """Compare what arrived with ``messages``, in order; an absent ``reply_to`` equals null (ENV-008).

        Raises:
            Violation: it is something else.
        """
        found, wanted = ([{"reply_to": None} | each for each in some] for some in (arrived, messages))
        if not codec.same(found, wanted):
            expected, received = codec.contrast(codec.shorten(wanted), codec.shorten(found))
            raise Violation(
                why,
                expected=f"{len(wanted)} message(s): {expected}",
                received=f"{len(found)} message(s): {received}",
            )

    def expect_response(self, request: Message) -> Message:
        """Return the next frame, which must be the response to ``request`` (REQ-002, REQ-003)."""
        with self.needing(_ability_of(request)):
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
                f"expected the error {code} and got {_named({'message_type': 'response', 'payload': payload}, code)}",
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
        answer = self.receive_error(code)
        with self.needing(f"{ERROR}{code}"):
            self._check_error_at(answer, code, address)
        if code in FATAL:
            self.expect_end()
        return answer

    def expect_end(self) -> None:
        """Wait for the server to close the connection; briefly if it was seen never to do so after an error."""
        with self.needing("end"):
            super().expect_end()

    def receive_error(self, code: str) -> Message:
        """Return the next message, which should be the error ``code``; :meth:`check_error` checks it.

        Raises:
            Violation: the stream ended instead, or nothing came.
        """
        with self.needing(f"{ERROR}{code}"):
            try:
                return self.receive(f"the error {code}")
            except Ended as end:
                raise Violation(
                    f"the server ended the connection without the error {code}",
                    expected=f"the error {code}",
                    received=str(end),
                ) from None

    def check_error(self, answer: Message, code: str, about: Message | None) -> None:
        """Check a message that must be the error ``code`` about the message ``about``."""
        with self.needing(f"{ERROR}{code}"):
            self._check_error_at(answer, code, self._error_address(about))

    def _check_error_at(self, answer: Message, code: str, address: Message) -> None:
        wrong = schemas.problem("error-message", answer)
        if wrong or answer["payload"]["error"]["code"] != code:
            raise Violation(
                f"expected the error {code} and got {_named(answer, code)}",
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


def _ability_of(request: Message) -> str:
    """Return the ability of the survey that an answer to a request needs; nothing if it has no name."""
    channel: Any = request.get("channel_id")
    payload: Any = request.get("payload")
    if request.get("message_type") != "request" or not isinstance(channel, str):
        return ""
    has_members = isinstance(payload, dict)
    if channel == "system":
        return {"ping": "ping", "get_time": "time"}.get(str(payload.get("action")), "") if has_members else ""
    if not channel.startswith(RESPONDER_PREFIX):
        return ""
    if not has_members or "connection_id" not in payload:
        return "no_connection_id"
    return {"conformance.echo": "echo", "conformance.fail": f"{ERROR}handler_failed"}.get(channel, "handlers")


def _named(answer: Message, code: str) -> str:
    """Name what came in place of the error ``code``; the same name each time."""
    found = error_code(answer)
    if found == code:
        wrong = schemas.problem("error-message", answer) or ""
        place = wrong.rpartition(" (at ")[2].partition(",")[0]
        return f"it in a wrong form, at {place or 'the code of a profile'}"
    if isinstance(found, str) and schemas.problem("error-code", found) is None:
        return f"the error {found}"
    payload = answer.get("payload")
    if isinstance(payload, dict) and payload.get("error") is not None:
        return "an error without a known code"
    kind = answer.get("message_type")
    return f"a {kind if kind in ('response', 'publish', 'notification') else 'message'} without an error"


def _valid(name: str, value: Any) -> bool:
    return schemas.problem(f"common#/$defs/{name}", value) is None
