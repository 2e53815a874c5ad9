"""Mistakes about what ended, and something of it stays (LIM-017)."""

from __future__ import annotations

import os
from typing import Any

from mutation import around, mutant
from patches import session_of

from reference_server.broker import Broker
from reference_server.network.handler_runner import HandlerRunner
from reference_server.network.session import Session
from reference_server.protocol.connection import Connection
from reference_server.protocol.errors import ErrorCode
from reference_server.protocol.events import ConnectReceived, NotificationReceived
from reference_server.protocol.states import State


@mutant("LIM-017/channels")
def channels_stay() -> None:
    """The entry of a channel stays when its last subscriber has gone."""

    @around(Broker, "unsubscribe")
    def unsubscribe(_original: Any, self: Broker, connection: Connection, channel_id: str) -> None:
        application = self._applications[connection.app_id]
        application.subscriptions.get(connection, set()).discard(channel_id)
        application.channels.get(channel_id, {}).pop(connection, None)


@mutant("LIM-017/applications")
def applications_stay() -> None:
    """An application keeps the names of its channels when its last connection has gone."""
    kept: dict[str, set[str]] = {}

    @around(Broker, "subscribe")
    def subscribe(original: Any, self: Broker, connection: Connection, channel_id: str) -> None:
        original(self, connection, channel_id)
        if connection.app_id != "conformance":
            kept.setdefault(connection.app_id, set()).add(channel_id)


@mutant("LIM-017/subscriptions")
def subscriptions_stay() -> None:
    """A connection's own list of what it subscribed to stays."""
    kept: dict[int, set[str]] = {}

    @around(Broker, "_end_subscriptions")
    def end(original: Any, self: Broker, connection: Connection) -> None:
        names = self._applications[connection.app_id].subscriptions.get(connection)
        if names:
            kept[session_of(connection)._number] = set(names)
        original(self, connection)


def _keep_events(where: str, *, of: type | None = None) -> None:
    kept: list[Any] = []

    @around(HandlerRunner, where)
    def call(original: Any, self: HandlerRunner, *arguments: Any, **options: Any) -> Any:
        kept.extend(each for each in arguments if hasattr(each, "message_id") and (of is None or type(each) is of))
        return original(self, *arguments, **options)


@mutant("LIM-017/requests")
def requests_stay() -> None:
    """The table of requests in flight keeps those that were answered."""
    _keep_events("start_request")


@mutant("LIM-017/failures")
def failures_stay() -> None:
    """The requests whose handlers failed are kept with the exceptions."""
    _keep_events("_log_failure")


@mutant("LIM-017/notifications")
def notifications_stay() -> None:
    """Notifications are kept for whoever might register a handler later."""
    kept: list[Any] = []

    @around(Session, "_notification")
    def notification(_original: Any, _self: Session, event: NotificationReceived) -> None:
        kept.append(event)

    from reference_server.network import session as session_module  # noqa: PLC0415 - the table was made from the class

    session_module._ACTIONS[NotificationReceived] = Session._notification


@mutant("LIM-017/unanswered")
def unanswered_stay() -> None:
    """The table of requests in flight keeps those whose connection ended before the answer."""
    kept: dict[int, Any] = {}

    @around(HandlerRunner, "start_request")
    def start(original: Any, self: HandlerRunner, handler: Any, event: Any, drop: Any) -> None:
        kept[id(event)] = event
        original(self, handler, event, drop)

    def forget(original: Any, self: Connection, request: Any, *arguments: Any) -> None:
        if self.state is State.OPEN or self.state is State.DRAINING:
            kept.pop(id(request), None)
        original(self, request, *arguments)

    for name in ("answer", "refuse"):
        around(Connection, name)(forget)


@mutant("LIM-017/refused")
def refused_stay() -> None:
    """Requests without a handler are kept."""
    kept: list[Any] = []

    @around(Connection, "refuse")
    def refuse(original: Any, self: Connection, request: Any, code: ErrorCode, detail: str) -> None:
        if code is ErrorCode.NO_HANDLER:
            kept.append(request)
        original(self, request, code, detail)


@mutant("LIM-017/published")
def published_stay() -> None:
    """What was published on a channel that nobody is subscribed to is kept."""
    kept: dict[str, bytes] = {}

    @around(Broker, "publish")
    def publish(original: Any, self: Broker, app_id: str, channel_id: str, frame: bytes) -> None:
        if channel_id not in self._applications[app_id].channels:
            kept[channel_id] = frame
        original(self, app_id, channel_id, frame)


def _keep_input(when: ErrorCode) -> None:
    kept: list[Any] = []

    @around(Connection, "fail")
    def fail(original: Any, self: Connection, code: ErrorCode, *arguments: Any) -> None:
        if code is when:
            kept.append(self._frames)
        original(self, code, *arguments)


@mutant("LIM-017/replaced")
def input_of_the_replaced_stays() -> None:
    """What a connection that was replaced had begun to send is kept."""
    _keep_input(ErrorCode.SESSION_REPLACED)


def _duplicate_descriptor(of: Connection) -> None:
    os.dup(session_of(of)._transport.get_extra_info("socket").fileno())


@mutant("LIM-017/replaced-descriptor")
def descriptor_of_the_replaced_stays() -> None:
    """The descriptor of a connection that was replaced stays open."""

    @around(Connection, "fail")
    def fail(original: Any, self: Connection, code: ErrorCode, *arguments: Any) -> None:
        if code is ErrorCode.SESSION_REPLACED:
            _duplicate_descriptor(self)
        original(self, code, *arguments)


@mutant("LIM-017/dropped-descriptor")
def descriptor_of_the_dropped_stays() -> None:
    """The descriptor of a connection that a handler ended stays open."""

    @around(Connection, "drop")
    def drop(original: Any, self: Connection) -> None:
        _duplicate_descriptor(self)
        original(self)


@mutant("LIM-017/draining-descriptor")
def descriptor_of_the_draining_stays() -> None:
    """The descriptor of a connection that ended its stream while it was owed an answer stays open."""

    @around(Connection, "receive_eof")
    def receive_eof(original: Any, self: Connection) -> None:
        if self.owed:
            _duplicate_descriptor(self)
        original(self)


@mutant("LIM-017/hint-descriptor")
def descriptor_of_http_stays() -> None:
    """The descriptor of a connection that got the HTTP hint stays open."""

    @around(Session, "connection_lost")
    def lost(original: Any, self: Session, error: Any) -> None:
        if self._connection.app_id == "system" and self._connection.failure is None:
            _duplicate_descriptor(self._connection)
        original(self, error)


@mutant("LIM-017/unsent")
def unsent_stays() -> None:
    """What a subscriber that was lost had not read is kept."""
    kept: list[Any] = []

    @around(Connection, "discard_output")
    def discard(original: Any, self: Connection) -> None:
        kept.extend(bytes(bytearray(each)) for each in self.unsent._frames)
        original(self)


@mutant("LIM-017/names")
def names_stay() -> None:
    """What was known of a connection of some name is kept for its return."""
    kept: dict[str, Any] = {}

    @around(Broker, "connect")
    def connect(original: Any, self: Broker, newer: Connection, event: ConnectReceived) -> None:
        kept[event.connection_id] = bytearray(b"x" * 65536)
        original(self, newer, event)
