"""Mistakes about limits, flow and shutdown (chapter LIM)."""

from __future__ import annotations

import os
from typing import Any

from mutation import around, mutant, replace
from patches import change_acknowledgement, session_of

from reference_server.network.acceptor import Acceptor
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
    def data_to_send(original: Any, self: Connection, _held: int, most: int) -> Any:
        held, self.unsent.octets = self.unsent.octets, 0
        if self._outbox:
            original(self, 0, 0)
        self.unsent.octets += held
        return self.unsent.take(most)


@mutant("LIM-005")
def newest_dropped() -> None:
    """What goes over the bound is dropped, and the connection goes on."""

    @around(Connection, "data_to_send")
    def data_to_send(original: Any, self: Connection, held: int, most: int) -> Any:
        if held + self.unsent.octets + sum(map(len, self._outbox)) > self._limits.max_outbound_bytes:
            self._outbox.clear()
        return original(self, held, most)


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


def session(served: object) -> Any:
    """Return one of the server's connections as what it is."""
    return served


@mutant("LIM-006")
def publisher_waits() -> None:
    """The server waits until every subscriber has taken a message before it reads the next one."""

    @around(Session, "pause_writing")
    def pause_writing(original: Any, self: Session) -> None:
        original(self)
        for each in self._server.places.sessions:
            session(each)._transport.pause_reading()

    @around(Session, "resume_writing")
    def resume_writing(original: Any, self: Session) -> None:
        original(self)
        for each in self._server.places.sessions:
            session(each)._transport.resume_reading()


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
        if len(self._server.places.serving) > 64:
            self._connection.fail(ErrorCode.TOO_MANY_CONNECTIONS)


@mutant("LIM-008/handshakes")
def fifty_newcomers() -> None:
    """Fifty connections before their handshake are the most the server has at a time."""

    @around(Session, "connection_made")
    def connection_made(original: Any, self: Session, transport: Any) -> None:
        original(self, transport)
        if sum(session(each)._connection.state is State.AWAITING_CONNECT for each in self._server.places.serving) > 50:
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
        if len(counted) > self._limits.of_address + 1:
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
        stopping, self._server.places.stopping = self._server.places.stopping, False
        original(self, transport)
        self._server.places.stopping = stopping


@mutant("LIM-013")
def no_grace() -> None:
    """A shutdown does not wait for requests in flight."""
    replace(Session, "finish", lambda self: self.fail(ErrorCode.SHUTTING_DOWN))


@mutant("LIM-014")
def gone() -> None:
    """A shutdown closes every connection without a word."""
    _without_a_word(ErrorCode.SHUTTING_DOWN)


@mutant("LIM-018")
def outbound_below_a_frame() -> None:
    """The announced bound for outbound data is an octet below the frame limit."""
    change_acknowledgement(
        lambda payload: payload["limits"].update(max_outbound_bytes=payload["limits"]["max_frame_bytes"] - 1)
    )


@mutant("LIM-019")
def accepts_no_more() -> None:
    """When the descriptors have run out, the server accepts nothing any more."""

    @around(Acceptor, "_note_failure")
    def failed(original: Any, self: Acceptor, error: OSError) -> None:
        original(self, error)
        self._task.cancel()


@mutant("LIM-019/ends")
def ends() -> None:
    """When the descriptors have run out, the server ends."""

    @around(Acceptor, "_note_failure")
    def failed(_original: Any, _self: Acceptor, _error: OSError) -> None:
        os._exit(1)


@mutant("LIM-019/closes")
def listens_no_more() -> None:
    """When the descriptors have run out, the server closes the socket at which it listens."""

    @around(Acceptor, "_note_failure")
    def failed(original: Any, self: Acceptor, error: OSError) -> None:
        original(self, error)
        self._task.cancel()
        self._listener.close()


@mutant("LIM-020")
def late_ones_are_accepted() -> None:
    """During a shutdown, connections without a handshake stay, and their connect messages are acknowledged."""

    @around(Connection, "fail")
    def fail(original: Any, self: Connection, wanted: ErrorCode, *arguments: Any) -> None:
        if wanted is not ErrorCode.SHUTTING_DOWN or self.state is not State.AWAITING_CONNECT:
            original(self, wanted, *arguments)


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
