"""Mistakes about the late end of something old, which ends something new of the same name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from mutation import around, mutant, replace
from patches import broker_of, holder, session_of

from reference_server.broker import Broker
from reference_server.network.handler_runner import HandlerRunner
from reference_server.network.session import Session
from reference_server.protocol.connection import Connection
from reference_server.protocol.errors import ErrorCode
from reference_server.protocol.states import State


def _at_a_late_end(act: Callable[[Connection], object]) -> None:
    """Act upon the connection that has the name of one whose transport is lost."""

    @around(Session, "connection_lost")
    def lost(original: Any, self: Session, error: Any) -> None:
        original(self, error)
        newer = _successor(self)
        if newer is not None:
            act(newer)


def _successor(of: Session) -> Connection | None:
    """Return the connection that has the name of an older one by now."""
    application = of._server.broker._applications.get(of._connection.app_id)
    newer = application.connections.get(of._connection.connection_id) if application else None
    return None if newer is of._connection else newer


@mutant("ISO-007/subscriptions")
def ends_subscriptions() -> None:
    """The late close of a connection ends the subscriptions of the one that has its name."""
    _at_a_late_end(lambda newer: broker_of(newer)._end_subscriptions(newer))


@mutant("ISO-007/connection")
def ends_connection() -> None:
    """The late close of a connection closes the one that has its name."""
    _at_a_late_end(lambda newer: session_of(newer)._transport.abort())


@mutant("HSK-020/late")
def forgets_name() -> None:
    """After the late close of a connection, the one that has its name is no longer taken over."""

    def forget(newer: Connection) -> None:
        broker_of(newer)._applications[newer.app_id].connections.pop(newer.connection_id, None)

    _at_a_late_end(forget)

    def gone(self: Broker, connection: Connection) -> None:
        application = self._applications[connection.app_id]
        if application.connections.get(connection.connection_id) is connection:
            del application.connections[connection.connection_id]

    replace(Broker, "_forget", gone)


@mutant("REQ-001/late")
def cancels_handlers() -> None:
    """The late close of a connection cancels the requests of the one that has its name."""

    def cancel(newer: Connection) -> None:
        newer.owed = 0
        for task in list(session_of(newer)._runner._requests):
            task.cancel()

    _at_a_late_end(cancel)

    @around(Connection, "refuse")
    def refuse(original: Any, self: Connection, request: Any, code: ErrorCode, detail: str) -> None:
        if "cancelled" not in detail:
            original(self, request, code, detail)


@mutant("QUE-016/late")
def ends_leases() -> None:
    """The late close of a connection ends the leases of the one that has its name."""

    def release(newer: Connection) -> None:
        session = session_of(newer)
        session._server.session_ended(session._number)

    _at_a_late_end(release)


@mutant("LIM-009/late-end")
def frees_place_twice() -> None:
    """The late close of a connection frees the place of the one that has its name."""

    def free(newer: Connection) -> None:
        session = session_of(newer)
        session._places.serve_no_more(session)
        session._places._closing.pop(session)

    _at_a_late_end(free)


@mutant("HSK-022/message-ids")
def answers_by_message_id() -> None:
    """An answer that was owed to a connection that has gone goes to the request of that id of whoever has its name."""
    in_flight: dict[Connection, set[str]] = {}
    replace(HandlerRunner, "cancel_requests", lambda _self: None)

    @around(HandlerRunner, "start_request")
    def start(original: Any, self: HandlerRunner, handler: Any, event: Any, drop: Any) -> None:
        in_flight.setdefault(self._connection, set()).add(event.message_id)
        original(self, handler, event, drop)

    @around(Connection, "answer")
    def answer(original: Any, self: Connection, request: Any, payload: Any) -> None:
        newer = holder(self, self.connection_id)
        is_asked = newer is not None and request.message_id in in_flight.get(newer, ())
        original(newer if is_asked else self, request, payload)


@mutant("REQ-005/descriptors")
def answers_by_descriptor() -> None:
    """An answer goes to whoever has the descriptor of the connection that asked by then."""
    replace(HandlerRunner, "cancel_requests", lambda _self: None)
    descriptors: dict[Connection, int] = {}
    holders: dict[int, Connection] = {}

    @around(Session, "connection_made")
    def made(original: Any, self: Session, transport: Any) -> None:
        number = transport.get_extra_info("socket").fileno()
        descriptors[self._connection] = number
        holders[number] = self._connection
        original(self, transport)

    @around(Connection, "answer")
    def answer(original: Any, self: Connection, *arguments: Any) -> None:
        original(holders[descriptors[self]], *arguments)


@mutant("LIM-010/descriptors")
def times_out_by_descriptor() -> None:
    """The handshake timer of a connection that has gone ends whoever has its descriptor by then."""
    holders: dict[int, Session] = {}

    @around(Session, "connection_made")
    def made(original: Any, self: Session, transport: Any) -> None:
        number = transport.get_extra_info("socket").fileno()
        holders[number] = self
        original(self, transport)

    @around(Session, "connection_lost")
    def lost(original: Any, self: Session, error: Any) -> None:
        number = self._transport.get_extra_info("socket").fileno()
        if self._connection.state is State.AWAITING_CONNECT:

            def end() -> None:
                if number in holders and holders[number] is not self:
                    holders[number]._connection.fail(ErrorCode.HANDSHAKE_TIMEOUT)

            asyncio.get_running_loop().call_later(0.9 * self._limits.handshake_timeout, end)
        original(self, error)


@mutant("ISO-007/linger")
def lingers_by_name() -> None:
    """When a connection has lingered after a fatal error, the one that has its name is closed."""

    @around(Session, "_linger")
    def linger(original: Any, self: Session) -> None:
        original(self)

        def end() -> None:
            newer = _successor(self)
            if newer is not None:
                session_of(newer)._transport.abort()

        asyncio.get_running_loop().call_later(1.0, end)


@mutant("SUB-010/late-unsubscribe")
def unsubscribes_later() -> None:
    """An unsubscribe cleans up a moment later, and takes a new subscription to the channel with it."""

    @around(Broker, "unsubscribe")
    def unsubscribe(original: Any, self: Broker, connection: Connection, channel_id: str) -> None:
        original(self, connection, channel_id)

        def clean() -> None:
            if connection.state is State.OPEN:
                original(self, connection, channel_id)

        asyncio.get_running_loop().call_later(0.1, clean)
