"""Mistakes about connections with the same name (chapter HSK, takeover)."""

from __future__ import annotations

import asyncio
from typing import Any

from mutation import around, mutant, replace
from patches import (
    holder,
    is_acknowledgement,
)

from reference_server.broker import Broker
from reference_server.network.handler_runner import HandlerRunner
from reference_server.protocol.connection import Connection
from reference_server.protocol.errors import ErrorCode
from reference_server.protocol.events import ConnectReceived
from reference_server.protocol.states import State


def _older(self: Broker, event: ConnectReceived) -> Connection | None:
    application = self._applications.get(event.app_id)
    return application.connections.get(event.connection_id) if application else None


@mutant("HSK-020")
def dropped_without_a_word() -> None:
    """A connection that was taken over is closed without an error."""

    @around(Connection, "fail")
    def fail(original: Any, self: Connection, code: ErrorCode, *arguments: Any) -> None:
        if code is ErrorCode.SESSION_REPLACED:
            self.drop()
        else:
            original(self, code, *arguments)


@mutant("HSK-021")
def subscriptions_inherited() -> None:
    """The newer connection inherits the subscriptions of the older one."""

    @around(Broker, "connect")
    def connect(original: Any, self: Broker, newer: Connection, event: ConnectReceived) -> None:
        older = _older(self, event)
        inherited = list(self._applications[event.app_id].subscriptions.get(older, ())) if older else []
        original(self, newer, event)
        for channel_id in inherited:
            self.subscribe(newer, channel_id)


@mutant("HSK-022")
def answered_by_name() -> None:
    """An answer goes to whoever has the name of the connection that asked by then."""
    replace(HandlerRunner, "cancel_requests", lambda _self: None)

    @around(Connection, "answer")
    def answer(original: Any, self: Connection, *arguments: Any) -> None:
        original(holder(self, self.connection_id) or self, *arguments)


@mutant("HSK-023")
def replaced_later() -> None:
    """The older connection is told of the takeover a moment later, and hears everything until then."""

    @around(Broker, "connect")
    def connect(original: Any, self: Broker, newer: Connection, event: ConnectReceived) -> None:
        if older := _older(self, event):
            _move_aside(self, older)
            asyncio.get_running_loop().call_later(0.3, older.fail, ErrorCode.SESSION_REPLACED)
        original(self, newer, event)


def _move_aside(self: Broker, older: Connection) -> None:
    connections = self._applications[older.app_id].connections
    del connections[older.connection_id]
    older.connection_id += "\0older"
    connections[older.connection_id] = older


@mutant("HSK-020/draining")
def draining_is_not_live() -> None:
    """A connection that only waits for its last answers is not taken over but goes on waiting."""

    @around(Broker, "connect")
    def connect(original: Any, self: Broker, newer: Connection, event: ConnectReceived) -> None:
        older = _older(self, event)
        if older and older.state is State.DRAINING:
            _move_aside(self, older)
        original(self, newer, event)


@mutant("HSK-024/answers")
def answers_by_global_name() -> None:
    """Answers go to the latest connection of that name, of whatever application."""
    latest: dict[str, Connection] = {}

    @around(Connection, "_respond")
    def respond(original: Any, self: Connection, payload: Any, *address: Any, **named: Any) -> None:
        if is_acknowledgement(payload):
            latest[self.connection_id] = self
        original(latest.get(self.connection_id, self), payload, *address, **named)


@mutant("HSK-024")
def names_are_global() -> None:
    """A connection_id is taken over from any application."""

    @around(Broker, "connect")
    def connect(original: Any, self: Broker, newer: Connection, event: ConnectReceived) -> None:
        for application in list(self._applications.values()):
            if namesake := application.connections.get(event.connection_id):
                namesake.fail(ErrorCode.SESSION_REPLACED)
        original(self, newer, event)
