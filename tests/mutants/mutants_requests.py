"""Mistakes about the answers to requests (chapter REQ)."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
from mutation import around, instead_of_entry, mutant
from patches import holder

from reference_server import broker as broker_module
from reference_server.network import session as session_module
from reference_server.network.session import Session
from reference_server.protocol import connection
from reference_server.protocol.connection import Connection
from reference_server.protocol.errors import ErrorCode, WireError
from reference_server.protocol.events import Message, RequestReceived
from reference_server.protocol.messages import MessageIds


@mutant("REQ-001")
def null_is_no_answer() -> None:
    """A handler that returns null gives no answer."""

    @around(Connection, "answer")
    def answer(original: Any, self: Connection, request: RequestReceived, payload: Any) -> None:
        if payload is None:
            self._settle()
        else:
            original(self, request, payload)


@mutant("REQ-001/twice")
def answered_twice() -> None:
    """What a handler returns is sent twice."""

    @around(Connection, "answer")
    def answer(original: Any, self: Connection, request: RequestReceived, payload: Any) -> None:
        self._respond(payload, request.channel_id, request.message_id)
        original(self, request, payload)


@mutant("REQ-001/long")
def long_answer_lost() -> None:
    """An answer of more than 65535 characters is lost."""

    @around(Connection, "answer")
    def answer(original: Any, self: Connection, request: RequestReceived, payload: Any) -> None:
        if len(str(payload)) <= 65_535:
            original(self, request, payload)


@mutant("REQ-002")
def answered_on_system() -> None:
    """Every response is on the channel `system`."""

    @around(Connection, "answer")
    def answer(original: Any, self: Connection, request: RequestReceived, payload: Any) -> None:
        original(self, msgspec.structs.replace(request, channel_id="system"), payload)


@mutant("REQ-003")
def reply_to_nothing() -> None:
    """What a handler returns is sent with reply_to null."""

    @around(Connection, "answer")
    def answer(_original: Any, self: Connection, request: RequestReceived, payload: Any) -> None:
        self._respond(payload, request.channel_id, None)
        self._settle()


@mutant("REQ-004")
def ids_come_again() -> None:
    """The numbers in the server's message ids begin again after 32."""

    @around(MessageIds, "__init__")
    def init(original: Any, self: MessageIds) -> None:
        original(self)
        self._numbers = itertools.cycle(range(32))  # type: ignore[assignment]  # which is endless too


@mutant("REQ-004/same", harms=("requests/no-handler-for-an-object",), because="every error about a request shows it")
def id_of_the_request() -> None:
    """An error answer has the message_id of the message it is about."""

    @around(Connection, "_queue_error")
    def queue_error(original: Any, self: Connection, code: ErrorCode, detail: str, about: Any) -> None:
        self._ids.next = lambda unlike=None: unlike or "none"  # type: ignore[method-assign]  # for this one answer
        original(self, code, detail, about)
        del self._ids.next


@mutant("REQ-004/emitted")
def ids_of_handlers() -> None:
    """Everything that handlers publish has the same message_id."""

    @around(broker_module, "encode_message")
    def encode(original: Any, message: Any, limit: int) -> Any:
        return original(msgspec.structs.replace(message, message_id="server"), limit)


@mutant("REQ-005")
def routed_by_payload() -> None:
    """The response goes to the connection that the payload names."""

    @around(Connection, "answer")
    def answer(original: Any, self: Connection, request: RequestReceived, payload: Any) -> None:
        named = request.payload.get("connection_id", "") if isinstance(request.payload, dict) else ""
        original(holder(self, named) or self, request, payload)


@mutant("REQ-005/nobody")
def payload_must_name_somebody() -> None:
    """A request gets no answer when its payload names no connection."""

    @around(Connection, "answer")
    def answer(original: Any, self: Connection, request: RequestReceived, payload: Any) -> None:
        named = request.payload.get("connection_id", "") if isinstance(request.payload, dict) else ""
        if named == "" or holder(self, named):
            original(self, request, payload)


@mutant("REQ-005/missing", harms=("requests/echo-of-an-object",), because="its payload names no connection")
def payload_must_name_the_sender() -> None:
    """A request whose payload is an object without connection_id gets no answer."""

    @around(Connection, "answer")
    def answer(original: Any, self: Connection, request: RequestReceived, payload: Any) -> None:
        if not isinstance(request.payload, dict) or "connection_id" in request.payload:
            original(self, request, payload)


@mutant("REQ-005/ids")
def routed_by_message_id() -> None:
    """Answers are routed by message_id, which is taken to be unique in the whole server."""
    asked: dict[str, Connection] = {}

    @instead_of_entry(session_module._ACTIONS, RequestReceived)
    def request(original: Any, self: Session, event: RequestReceived) -> None:
        asked[event.message_id] = self._connection
        original(self, event)

    @around(Connection, "answer")
    def answer(original: Any, self: Connection, request: RequestReceived, payload: Any) -> None:
        original(asked.get(request.message_id, self), request, payload)


@mutant("REQ-007")
def twins_collide() -> None:
    """Of two requests in flight with one message_id only the first is handled."""
    in_flight: set[tuple[Connection, str]] = set()

    @instead_of_entry(session_module._ACTIONS, RequestReceived)
    def request(original: Any, self: Session, event: RequestReceived) -> None:
        if (self._connection, event.message_id) not in in_flight:
            in_flight.add((self._connection, event.message_id))
            original(self, event)

    @around(Connection, "_settle")
    def settle(original: Any, self: Connection) -> None:
        original(self)
        in_flight.clear()


@mutant("REQ-008")
def reply_to_of_the_request() -> None:
    """The response to a request with a reply_to answers what that names."""

    @around(connection, "read_message")
    def read(original: Any, message: Message, *context: Any) -> Any:
        return original(message | {"message_id": message.get("reply_to") or message.get("message_id")}, *context)


@mutant("REQ-012")
def nobody_answers() -> None:
    """A request on a channel without a handler gets no answer."""

    @around(Connection, "refuse")
    def refuse(original: Any, self: Connection, request: RequestReceived, code: ErrorCode, detail: str) -> None:
        if code is not ErrorCode.NO_HANDLER:
            original(self, request, code, detail)


def _refuse_with_another_code(right: ErrorCode, wrong: ErrorCode) -> None:
    @around(Connection, "refuse")
    def refuse(original: Any, self: Connection, request: RequestReceived, code: ErrorCode, detail: str) -> None:
        original(self, request, wrong if code is right else code, detail)


@mutant("REQ-012/code")
def another_code_without_a_handler() -> None:
    """A request on a channel without a handler gets the error handler_failed."""
    _refuse_with_another_code(ErrorCode.NO_HANDLER, ErrorCode.HANDLER_FAILED)


@mutant("REQ-013/code")
def another_code_of_failures() -> None:
    """A request whose handler fails gets the error unknown_action."""
    _refuse_with_another_code(ErrorCode.HANDLER_FAILED, ErrorCode.UNKNOWN_ACTION)


@mutant("REQ-015")
def response_refused() -> None:
    """A response is answered with an error."""

    @around(connection, "read_message")
    def read(original: Any, message: Message, *context: Any) -> Any:
        event = original(message, *context)
        if event is None:
            raise WireError(ErrorCode.INVALID_MESSAGE, "nobody asked", message)
        return event
