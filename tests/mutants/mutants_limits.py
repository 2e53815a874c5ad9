"""Mistakes about limits, flow and shutdown (chapter LIM)."""

from __future__ import annotations

import os
from typing import Any

from mutation import around, mutant, replace
from patches import session_of

from reference_server.network.session import Session
from reference_server.protocol import connection
from reference_server.protocol.connection import Connection
from reference_server.protocol.errors import ErrorCode
from reference_server.protocol.states import State
from reference_server.server import ReferenceServer


def _without_a_word(code: ErrorCode) -> None:
    """Close connections instead of sending them an error."""

    @around(Connection, "fail")
    def fail(original: Any, self: Connection, wanted: ErrorCode, *arguments: Any) -> None:
        if wanted is code:
            self._outbox.clear()
            session_of(self)._transport.abort()
        else:
            original(self, wanted, *arguments)


@mutant("LIM-001")
def answer_not_measured() -> None:
    """An answer may be longer than the announced limit."""

    @around(connection, "encode_message")
    def encode(original: Any, message: Any, _limit: int) -> Any:
        return original(message, 1 << 40)


@mutant("LIM-004")
def everything_held() -> None:
    """What a client does not read is held without a bound."""

    @around(Connection, "data_to_send")
    def data_to_send(original: Any, self: Connection, _held: int) -> Any:
        return original(self, 0)


@mutant("LIM-005")
def newest_dropped() -> None:
    """What goes over the bound is dropped, and the connection goes on."""

    @around(Connection, "data_to_send")
    def data_to_send(original: Any, self: Connection, held: int) -> Any:
        if held + sum(map(len, self._outbox)) > self._limits.max_outbound_bytes:
            self._outbox.clear()
        return original(self, held)


@mutant("LIM-016")
def dropped_without_a_word() -> None:
    """A client that does not read is dropped without an error."""
    _without_a_word(ErrorCode.SLOW_CONSUMER)


@mutant("LIM-015")
def depth_off_by_one() -> None:
    """One level less than announced is accepted."""

    @around(connection, "decode_message")
    def decode(original: Any, frame: bytes, max_depth: int) -> Any:
        return original(frame, max_depth - 1)


@mutant("LIM-006")
def publisher_waits() -> None:
    """The server waits until every subscriber has taken a message before it reads the next one."""

    @around(Session, "pause_writing")
    def pause_writing(original: Any, self: Session) -> None:
        original(self)
        for each in self._server.sessions:
            each._transport.pause_reading()

    @around(Session, "resume_writing")
    def resume_writing(original: Any, self: Session) -> None:
        original(self)
        for each in self._server.sessions:
            each._transport.resume_reading()


@mutant("LIM-007")
def reads_on() -> None:
    """The server goes on reading from a client that does not read its answers."""
    replace(Session, "pause_writing", lambda _self: None)


@mutant("LIM-008")
def sixty_four_connections() -> None:
    """Sixty-four connections are the most the server serves, whatever it announces."""

    @around(Session, "connection_made")
    def connection_made(original: Any, self: Session, transport: Any) -> None:
        original(self, transport)
        if len(self._server.serving) > 64:
            self._connection.fail(ErrorCode.TOO_MANY_CONNECTIONS)


@mutant("LIM-008/handshakes")
def fifty_newcomers() -> None:
    """Fifty connections before their handshake are the most the server has at a time."""

    @around(Session, "connection_made")
    def connection_made(original: Any, self: Session, transport: Any) -> None:
        original(self, transport)
        if sum(each._connection.state is State.AWAITING_CONNECT for each in self._server.serving) > 50:
            self._connection.fail(ErrorCode.TOO_MANY_CONNECTIONS)


@mutant("LIM-009")
def turned_away() -> None:
    """A connection over the limit is closed without a word."""
    _without_a_word(ErrorCode.TOO_MANY_CONNECTIONS)


@mutant("LIM-009/late")
def turned_away_late() -> None:
    """A connection over the limit is told so when it has sent its connect message."""

    @around(Connection, "fail")
    def fail(original: Any, self: Connection, code: ErrorCode, *arguments: Any) -> None:
        if code is ErrorCode.TOO_MANY_CONNECTIONS:
            late.add(self)
        else:
            original(self, code, *arguments)

    late: set[Connection] = set()

    @around(Connection, "accept")
    def accept(original: Any, self: Connection, event: Any) -> None:
        if self in late:
            late.discard(self)
            self.fail(ErrorCode.TOO_MANY_CONNECTIONS)
        else:
            original(self, event)


@mutant("LIM-009/closing")
def places_never_free() -> None:
    """A connection that has ended keeps its place."""

    @around(Session, "connection_made")
    def connection_made(original: Any, self: Session, transport: Any) -> None:
        counted.extend([self])
        original(self, transport)
        if len(counted) > self._limits.max_connections + 1:
            self._connection.fail(ErrorCode.TOO_MANY_CONNECTIONS)

    counted: list[Session] = []


@mutant("LIM-010")
def timer_not_stopped() -> None:
    """The handshake timer goes on after the handshake."""

    @around(Session, "state_changed")
    def state_changed(original: Any, self: Session, before: State) -> None:
        if self._connection.state is State.OPEN:
            self._timer = None
        original(self, before)


@mutant("LIM-011")
def end_is_the_end() -> None:
    """A client that ends its sending side gets no answer any more."""

    @around(Connection, "receive_eof")
    def receive_eof(original: Any, self: Connection) -> None:
        self.owed = 0
        original(self)


@mutant("LIM-012")
def still_listening() -> None:
    """New connections are served during a shutdown."""

    @around(ReferenceServer, "close")
    async def close(original: Any, self: ReferenceServer) -> None:
        self._listeners = []
        await original(self)

    @around(Session, "connection_made")
    def connection_made(original: Any, self: Session, transport: Any) -> None:
        stopping, self._server.stopping = self._server.stopping, False
        original(self, transport)
        self._server.stopping = stopping


@mutant("LIM-013")
def no_grace() -> None:
    """A shutdown does not wait for requests in flight."""
    replace(Session, "finish", lambda self: self.fail(ErrorCode.SHUTTING_DOWN))


@mutant("LIM-014")
def gone() -> None:
    """A shutdown closes every connection without a word."""
    _without_a_word(ErrorCode.SHUTTING_DOWN)


@mutant("LIM-017/memory")
def keeps_links() -> None:
    """Connections that have ended are kept in a list, with all they had received."""
    kept: list[Any] = []

    @around(Session, "connection_made")
    def connection_made(original: Any, self: Session, transport: Any) -> None:
        kept.append((self, self._connection._frames))
        original(self, transport)


@mutant("LIM-017/descriptors")
def keeps_descriptors() -> None:
    """The descriptor of every connection is duplicated, and the copy never closed."""

    @around(Session, "connection_made")
    def connection_made(original: Any, self: Session, transport: Any) -> None:
        os.dup(transport.get_extra_info("socket").fileno())
        original(self, transport)
