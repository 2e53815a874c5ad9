"""Between one connection and its transport: feeds, drains, keeps the times. Decides nothing about the protocol."""

from __future__ import annotations

import asyncio
import functools
import itertools
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from reference_server.broker import Broker
from reference_server.handlers import HandlerTable
from reference_server.network.handler_runner import HandlerRunner
from reference_server.network.handler_threads import HandlerThreads
from reference_server.protocol.capabilities import Capabilities
from reference_server.protocol.connection import Connection
from reference_server.protocol.errors import ErrorCode
from reference_server.protocol.events import (
    ConnectReceived,
    Event,
    NotificationReceived,
    ProfileRequestReceived,
    PublishReceived,
    RequestReceived,
    SubscribeReceived,
    UnsubscribeReceived,
)
from reference_server.protocol.limits import Limits
from reference_server.protocol.states import State

# Frames that a session reads in one turn of the event loop, which takes milliseconds: asyncio hands over up to 256 KiB
# at a time, which may be tens of thousands of frames that are refused.
FRAMES_A_TURN: Final = 256


@dataclass
class ServerState:
    """What the sessions of one server share.

    Attributes:
        capabilities: What the server offers.
        in_loop: Calls a function with arguments in the event loop, at once or as soon as it can.
        session_ended: Called with the number of a connection that leaves the state open, and once more when it ends.
        session_numbers: The numbers of connections.
        sessions: Every connection with a transport.
        serving: Those that count for the limit of connections: not the ones that are closing.
        empty: Set while there are no sessions.
        stopping: Whether the server is shutting down.
    """

    limits: Limits
    broker: Broker
    handlers: HandlerTable
    threads: HandlerThreads
    in_loop: Callable[..., None]
    capabilities: Capabilities
    session_ended: Callable[[int], object]
    session_numbers: Iterator[int] = field(default_factory=itertools.count)
    sessions: set[Session] = field(default_factory=set)
    serving: set[Session] = field(default_factory=set)
    empty: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: bool = False

    def __post_init__(self) -> None:
        self.empty.set()


class Session(asyncio.Protocol):
    """One accepted connection."""

    def __init__(self, server: ServerState) -> None:
        self._server = server
        self._limits = server.limits
        self._loop = asyncio.get_running_loop()
        self._connection = Connection(server.limits, self, server.capabilities)
        self._number = next(server.session_numbers)
        self._runner = HandlerRunner(self._connection, self._number, server.threads, self._load_changed)
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None
        self._flush_scheduled = False
        self._output_blocked = False
        self._reading_paused = False
        self._ending = False
        self._ended_behind = False  # the client ended its stream while messages waited to be read
        self._lost = False

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: the handshake timeout runs from here (HSK-018)."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker; servers make no others
        self._transport = transport
        accepted = transport.get_extra_info("socket")
        if accepted.family in _TCP_FAMILIES:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # FRM-004
        self._server.sessions.add(self)
        self._server.empty.clear()
        if self._server.stopping:
            self._connection.fail(ErrorCode.SHUTTING_DOWN)
        elif len(self._server.serving) >= self._limits.max_connections:
            self._connection.fail(ErrorCode.TOO_MANY_CONNECTIONS)
        else:
            self._server.serving.add(self)
            timed_out = functools.partial(self._connection.fail, ErrorCode.HANDSHAKE_TIMEOUT)
            self._set_timer(self._limits.handshake_timeout, timed_out)

    def data_received(self, data: bytes) -> None:
        """Handle every message that is complete now; those after the first ones in later turns of the event loop."""
        self._connection.receive_data(data)
        if not self._connection.is_behind:
            self._read()

    def eof_received(self) -> bool:
        """Keep the transport open for what is still to be sent (LIM-011)."""
        if self._connection.is_behind:
            self._ended_behind = True
        else:
            self._connection.receive_eof()
        return True

    def pause_writing(self) -> None:
        """Read no more from a client that does not read (LIM-007)."""
        self._output_blocked = True
        self._balance_reading()

    def resume_writing(self) -> None:
        """Read again; or, at the end, begin to linger now that everything was sent."""
        self._output_blocked = False
        if self._ending:
            self._linger()
        else:
            self._balance_reading()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget the connection."""
        self._lost = True
        self._connection.transport_lost()
        self._set_timer(None)
        self._connection.release()
        self._runner.release()
        self._server.sessions.discard(self)
        if not self._server.sessions:
            self._server.empty.set()

    # What the connection calls

    def output_ready(self) -> None:
        """Flush once, at the end of this turn of the event loop."""
        if not self._flush_scheduled:
            self._flush_scheduled = True
            self._loop.call_soon(self._flush)

    def state_changed(self, before: State) -> None:
        """Arm the timer of the new state and end what the connection may no longer have."""
        self._server.broker.state_changed(self._connection, before)
        if before is State.OPEN or before is State.DRAINING:  # what it was still owed may have been a lease
            self._server.session_ended(self._number)
        self._set_timer(None)
        state = self._connection.state
        if state is State.DRAINING:
            self._set_timer(self._limits.drain_timeout, self._connection.drain_over)
        elif state is not State.OPEN:
            self._server.serving.discard(self)
            if before is not State.CLOSING:
                self._runner.cancel_requests()
            self.output_ready()

    # What the server calls

    def finish(self) -> None:
        """Send `shutting_down` as soon as no handler runs for this connection (LIM-013, LIM-014)."""
        self._load_changed()

    def fail(self, code: ErrorCode) -> None:
        """End the connection with a fatal error."""
        self._connection.fail(code)

    def abort(self) -> None:
        """End the connection and its handlers at once."""
        self._runner.cancel_all()
        self._transport.abort()

    # Events of the connection

    def _connect(self, event: ConnectReceived) -> None:
        self._server.broker.connect(self._connection, event)

    def _subscribe(self, event: SubscribeReceived) -> None:
        self._server.broker.subscribe(self._connection, event.channel_id)

    def _unsubscribe(self, event: UnsubscribeReceived) -> None:
        self._server.broker.unsubscribe(self._connection, event.channel_id)

    def _publish(self, event: PublishReceived) -> None:
        self._server.broker.publish(self._connection.app_id, event.channel_id, event.frame)

    def _request(self, event: RequestReceived) -> None:
        handler = self._server.handlers.find("request", self._connection.app_id, event.channel_id)
        if handler is None:
            self._connection.refuse(event, ErrorCode.NO_HANDLER, f"channel {event.channel_id!r} has no handler")
            return
        self._runner.start_request(handler, event, self._drop)
        self._load_raised()

    def _notification(self, event: NotificationReceived) -> None:
        handler = self._server.handlers.find("notification", self._connection.app_id, event.channel_id)
        if handler is not None:
            self._runner.start_notification(handler, event, self._drop)
            self._load_raised()

    def _drop(self) -> None:
        self._server.in_loop(self._connection.drop)

    # Flow

    def _read(self) -> None:
        connection = self._connection
        was_behind = connection.is_behind
        for event in connection.events(FRAMES_A_TURN):
            _ACTIONS[type(event)](self, event)
        if connection.is_behind:
            self._loop.call_soon(self._read)
        elif self._ended_behind:
            self._ended_behind = False
            connection.receive_eof()
        if connection.is_behind is not was_behind:
            self._balance_reading()

    def _load_raised(self) -> None:
        if self._runner.load > self._limits.max_in_flight_bytes:
            self._balance_reading()

    def _load_changed(self) -> None:
        if self._server.stopping and not self._runner.load:
            self._connection.fail(ErrorCode.SHUTTING_DOWN)
        elif self._reading_paused:
            self._balance_reading()

    def _balance_reading(self) -> None:
        if self._connection.state not in _READING:
            return
        full = self._runner.load > self._limits.max_in_flight_bytes
        self._reading_paused = full or self._output_blocked or self._connection.is_behind
        if self._reading_paused:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _flush(self) -> None:
        self._flush_scheduled = False
        if self._lost:
            return
        data = self._connection.data_to_send(self._transport.get_write_buffer_size())
        if data:
            self._transport.write(data)
        state = self._connection.state
        if state is State.CLOSING and not self._ending:
            self._end_sending()
        elif state is State.CLOSED:
            self._transport.close()
            self._set_timer(self._limits.flush_timeout, self._transport.abort)

    def _end_sending(self) -> None:
        self._ending = True
        try:
            self._transport.write_eof()
        except OSError:  # the peer is gone already
            self._transport.abort()
            return
        self._transport.resume_reading()  # and discard (ERR-009)
        self._set_timer(self._limits.flush_timeout, self._transport.abort)
        if self._transport.get_write_buffer_size():
            # resume_writing now means that everything was sent.
            self._transport.set_write_buffer_limits(high=0)
        else:
            self._linger()

    def _linger(self) -> None:
        self._set_timer(self._limits.linger, self._connection.linger_over)

    def _set_timer(self, seconds: float | None, then: Callable[[], object] | None = None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None or then is None else self._loop.call_later(seconds, then)


_TCP_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6)

_READING: Final = (State.AWAITING_CONNECT, State.OPEN)

_ACTIONS: Final[dict[type[Event], Callable[[Session, Any], None]]] = {
    ConnectReceived: Session._connect,
    RequestReceived: Session._request,
    ProfileRequestReceived: Session._request,
    NotificationReceived: Session._notification,
    SubscribeReceived: Session._subscribe,
    UnsubscribeReceived: Session._unsubscribe,
    PublishReceived: Session._publish,
}
