"""Mistakes about errors (chapter ERR)."""

from __future__ import annotations

import functools
from typing import Any

from mutation import around, mutant
from patches import session_of

from reference_server.network.session import Session
from reference_server.protocol import connection
from reference_server.protocol.connection import Connection
from reference_server.protocol.errors import ErrorCode, WireError
from reference_server.protocol.events import Message
from reference_server.protocol.states import State


def _change_about(change: Any) -> None:
    """Change the message that error answers to invalid messages are about."""

    @around(Connection, "_queue_error")
    def queue_error(original: Any, self: Connection, code: ErrorCode, detail: str, about: Any) -> None:
        original(self, code, detail, change(about) if code is ErrorCode.INVALID_MESSAGE else about)


@mutant("ERR-001")
def code_of_its_own() -> None:
    """A publish on `system` is refused with a code that the list does not have."""

    @around(Connection, "_respond")
    def respond(original: Any, self: Connection, payload: Any, *address: Any, **named: Any) -> None:
        if isinstance(payload, dict) and payload.get("error", {}).get("code") == ErrorCode.RESERVED_CHANNEL:
            payload = payload | {"error": payload["error"] | {"code": "channel_reserved"}}
        original(self, payload, *address, **named)


@mutant("ERR-001/text")
def error_is_a_text() -> None:
    """The error about a foreign app_id is a string."""

    @around(Connection, "_respond")
    def respond(original: Any, self: Connection, payload: Any, *address: Any, **named: Any) -> None:
        if isinstance(payload, dict) and payload.get("error", {}).get("code") == ErrorCode.APP_MISMATCH:
            payload = payload | {"error": "app_mismatch"}
        original(self, payload, *address, **named)


@mutant("ERR-002")
def about_nothing() -> None:
    """An error about an invalid message has reply_to null, whatever the message_id."""
    _change_about(lambda about: {name: value for name, value in about.items() if name != "message_id"})


@mutant("ERR-002/invalid")
def about_an_invalid_id() -> None:
    """An error about a message whose message_id is too long names the first 128 characters of it."""
    _change_about(lambda about: about | {"message_id": about["message_id"][:128]} if _is_text(about) else about)


def _is_text(about: Any) -> bool:
    return isinstance(about.get("message_id"), str)


@mutant("ERR-003")
def channel_lost() -> None:
    """An error about an invalid message is on the channel `system`, whatever the message's."""
    _change_about(lambda about: {name: value for name, value in about.items() if name != "channel_id"})


@mutant("ERR-003/null")
def channel_without_reply() -> None:
    """An error about a message without a valid message_id is on that message's channel."""

    @around(Connection, "_respond")
    def respond(original: Any, self: Connection, payload: Any, channel_id: str, reply_to: str | None) -> None:
        original(self, payload, latest[0] if reply_to is None and latest else channel_id, reply_to)

    latest: list[str] = []

    @around(Connection, "_queue_error")
    def queue_error(original: Any, self: Connection, code: ErrorCode, detail: str, about: Any) -> None:
        channel_id = about.get("channel_id")
        latest[:] = [channel_id] if connection._CHANNEL_ID.is_valid(channel_id) else []
        original(self, code, detail, about)
        latest.clear()


@mutant("ERR-004")
def application_of_the_message() -> None:
    """An error answer has the app_id of the message it is about."""

    @around(Connection, "_queue_error")
    def queue_error(original: Any, self: Connection, code: ErrorCode, detail: str, about: Any) -> None:
        own, self.app_id = self.app_id, about["app_id"] if isinstance(about.get("app_id"), str) else self.app_id
        original(self, code, detail, about)
        self.app_id = own


def _make_fatal(code: ErrorCode) -> None:
    code.fatal = True

    @around(Connection, "refuse")
    def refuse(original: Any, self: Connection, request: Any, wanted: ErrorCode, detail: str) -> None:
        original(self, request, wanted, detail)
        if wanted is code and self.state is State.OPEN:
            self.drop()


for _code in ErrorCode:
    if not _code.fatal:
        _patch = functools.partial(_make_fatal, _code)
        _patch.__doc__ = f"The error {_code} ends the connection."
        mutant(
            f"ERR-005/{_code}",
            harms=("requests/no-handler-for-an-object",) if _code is ErrorCode.NO_HANDLER else (),
            because="that case is about this error" if _code is ErrorCode.NO_HANDLER else "",
        )(_patch)


@mutant("ERR-005/subscriptions")
def error_ends_subscriptions() -> None:
    """An unknown action ends the subscriptions of the connection."""

    @around(Connection, "_report")
    def report(original: Any, self: Connection, error: WireError) -> None:
        original(self, error)
        if error.code is ErrorCode.UNKNOWN_ACTION:
            session_of(self)._server.broker._end_subscriptions(self)


@mutant("ERR-006")
def last_word() -> None:
    """A fatal error is followed by another message."""

    @around(Connection, "fail")
    def fail(original: Any, self: Connection, *arguments: Any) -> None:
        before = self.state
        original(self, *arguments)
        if self.state is not before:
            self._respond({"status": "disconnected"}, "system", None)


@mutant("ERR-006/deliveries")
def deliveries_go_on() -> None:
    """A connection with a fatal error still gets what it is subscribed to, until its client closes."""

    @around(Connection, "_report")
    def report(original: Any, self: Connection, error: WireError) -> None:
        if error.code is ErrorCode.MALFORMED_FRAME:
            self._queue_error(error.code, str(error), error.about)
        else:
            original(self, error)


@mutant("ERR-012")
def waits_for_the_client() -> None:
    """After a fatal error the server waits for the client to close first."""

    @around(Session, "_end_sending")
    def end_sending(_original: Any, self: Session) -> None:
        self._ending = True
        self._transport.resume_reading()
        self._set_timer(self._limits.flush_timeout, self._transport.abort)


@mutant("ERR-007")
def goes_on_behind() -> None:
    """What stands behind a malformed frame in the same segment is still processed."""

    @around(Connection, "_report")
    def report(original: Any, self: Connection, error: WireError) -> None:
        is_meant = error.code is ErrorCode.MALFORMED_FRAME and self.app_id != "system"
        behind = list(_events_behind(self)) if is_meant else []
        original(self, error)
        for event in behind:
            session_of(self)._publish(event)


def _events_behind(self: Connection) -> Any:
    while frame := self._frames.next_frame():
        event = self._read(frame)
        if type(event).__name__ == "PublishReceived":
            yield event


@mutant("ERR-008")
def segment_refused_whole() -> None:
    """A malformed frame makes the server drop what arrived ahead of it in the same segment."""

    @around(Session, "data_received")
    def data_received(original: Any, self: Session, data: bytes) -> None:
        if self._connection.state is not State.OPEN:
            original(self, data)
            return
        self._connection.receive_data(data)
        for event in _unless_it_fails(self._connection):
            getattr(self, _METHODS[type(event).__name__])(event)


def _unless_it_fails(of: Connection) -> list[Any]:
    events = list(of.events())
    return events if of.state is State.OPEN else []


_METHODS = {f"{name.title()}Received": f"_{name}" for name in ("request", "notification", "subscribe", "unsubscribe")}
_METHODS["PublishReceived"] = "_publish"


@mutant("ERR-013")
def answers_dropped() -> None:
    """A fatal error takes the place of what waits to be sent."""

    @around(Connection, "fail")
    def fail(original: Any, self: Connection, *arguments: Any) -> None:
        self._outbox.clear()
        original(self, *arguments)


@mutant("ERR-009")
def closed_at_once() -> None:
    """After a fatal error the socket is closed without regard to what the client is sending."""

    @around(Session, "_end_sending")
    def end_sending(_original: Any, self: Session) -> None:
        self._ending = True
        self._transport.close()


@mutant("ERR-011")
def application_first() -> None:
    """The application is checked before the envelope."""

    @around(connection, "read_message")
    def read(original: Any, message: Message, frame: bytes, app_id: str, *context: Any) -> Any:
        if message.get("app_id") != app_id and message.get("message_type") != "response":
            raise WireError(ErrorCode.APP_MISMATCH, "", message)
        return original(message, frame, app_id, *context)


@mutant("ERR-011/response")
def response_checked() -> None:
    """The application of a response is checked before it is discarded."""

    @around(connection, "read_message")
    def read(original: Any, message: Message, frame: bytes, app_id: str, *context: Any) -> Any:
        event = original(message, frame, app_id, *context)
        if event is None and message["app_id"] != app_id:
            raise WireError(ErrorCode.APP_MISMATCH, "", message)
        return event
