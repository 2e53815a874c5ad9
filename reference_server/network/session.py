"""Between one connection and its transport: feeds, drains, keeps the times. Decides nothing about the protocol."""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from reference_server.broker import Broker
from reference_server.handlers import HandlerTable
from reference_server.network.addresses import address_of
from reference_server.network.handler_runner import HandlerRunner
from reference_server.network.handler_threads import HandlerThreads
from reference_server.network.hangups import LOOK_SECONDS, is_hung_up
from reference_server.network.memory import CONNECTION_BYTES, TLS_BYTES, Memory
from reference_server.network.places import Places
from reference_server.network.spare_memory import SpareMemory
from reference_server.network.turns import SLICE, Turns
from reference_server.network.wrong_tokens import WrongTokens
from reference_server.protocol.capabilities import Capabilities
from reference_server.protocol.connection import LONG_FRAME, Connection
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
from reference_server.protocol.json_text import MOST_TIMES, decoded_octets
from reference_server.protocol.limits import Limits
from reference_server.protocol.states import State

# Octets of one read. All connections share the buffer, so many that begin to send at once take little memory.
READ_BYTES: Final = 64 * 1024

# Octets that the transport is given at a time. It copies what it cannot send at once; the connection's outbox shares
# frames with others.
_WRITE_BYTES: Final = 128 * 1024

# Changes of what the messages in handlers take that are too small to be reported to the memory.
_LOAD_STEP: Final = 64 * 1024

# What arrives in shorter pieces is handled at once, also while other connections wait for their turn.
_SHORT_READ: Final = 4096

# Frames that a session reads in one turn of the event loop: the octets of one read may be thousands of frames that are
# refused.
FRAMES_A_TURN: Final = 256


@dataclass
class ServerState:
    """What the sessions of one server share.

    Attributes:
        capabilities: What the server offers.
        in_loop: Calls a function with arguments in the event loop, at once or as soon as it can.
        session_ended: Called with the number of a connection that leaves the state open, and once more when it ends.
        session_numbers: The numbers of connections.
        places: Which connections there are, and which of them are served.
        wrong_tokens: Slows down addresses that guess the token.
        memory: What all connections hold.
        turns: Shares the time of the event loop.
        read_buffer: What was read last, until the connection has taken it.
    """

    limits: Limits
    broker: Broker
    handlers: HandlerTable
    threads: HandlerThreads
    in_loop: Callable[..., None]
    capabilities: Capabilities
    session_ended: Callable[[int], object]
    session_numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.places = Places(self.limits)
        self.wrong_tokens = WrongTokens(self.limits.max_wrong_tokens)
        connection_bytes = CONNECTION_BYTES + (TLS_BYTES if self.capabilities.encrypted else 0)
        spare = SpareMemory(lambda: self.memory.is_quiet)
        self.memory = Memory(self.limits, connection_bytes, spare.note_freed)
        self.turns = Turns()
        self.read_buffer = memoryview(bytearray(READ_BYTES))


class Session(asyncio.BufferedProtocol, asyncio.Protocol):
    """One accepted connection."""

    def __init__(self, server: ServerState) -> None:
        self._server = server
        self._limits = server.limits
        self._loop = asyncio.get_running_loop()
        self._connection = Connection(server.limits, self, server.capabilities, server.memory.held)
        self._number = next(server.session_numbers)
        self._runner = HandlerRunner(
            self._connection,
            self._number,
            server.threads,
            server.turns,
            self._load_changed,
            server.limits.handler_threads,
        )
        self._transport: asyncio.Transport
        self.address: str | None = None
        self._handlers = server.handlers
        self._places = server.places
        self._memory = server.memory
        self._turns = server.turns
        self._read_buffer = server.read_buffer
        self._counted_load = 0
        self._is_held_back = False  # as somebody guesses the token from its address
        self._waits_for_turn = False  # to handle what was received
        self._waits_to_read = False  # on, until the memory has room for a long frame
        self._frame_timer: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._look: asyncio.TimerHandle | None = None
        self._flush_scheduled = False
        self._output_blocked = False
        self._reading_paused = False
        self._ending = False
        self._ended_behind = False  # the client ended its stream while messages waited to be read
        self._finishing = False  # the last octets are being sent
        self._lost = False

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: the handshake timeout runs from here (HSK-018)."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker; servers make no others
        self._transport = transport
        accepted = transport.get_extra_info("socket")
        if accepted.family in _TCP_FAMILIES:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # FRM-004
        server, places = self._server, self._places
        self.address = address_of(transport.get_extra_info("peername"))
        places.add(self)
        server.memory.add_connection()
        if refusal := places.refusal(self.address):
            self._connection.fail(*refusal)
        else:
            places.serve(self)
            timed_out = functools.partial(self._connection.fail, ErrorCode.HANDSHAKE_TIMEOUT)
            self._set_timer(self._limits.handshake_timeout, timed_out)
            if delay := server.wrong_tokens.delay(self.address):
                self._hold_back(delay)
        places.make_room()

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Lend the transport the buffer for the next octets."""
        return self._read_buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read."""
        self.data_received(bytes(self._read_buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Handle every message that is complete now; those after the first ones in later turns of the event loop."""
        connection = self._connection
        connection.receive_data(data)
        if connection.is_behind or self._waits_for_turn:
            return
        is_busy = self._turns.is_busy
        if not is_busy and len(data) <= _SHORT_READ and self._frame_timer is None:
            self._read()
        # Only with much to do, connections wait for each other.
        elif connection.ready > (_SHORT_READ if is_busy else LONG_FRAME):
            self._wait_for_turn()
            self._balance_reading()
        else:
            self._read()

    def eof_received(self) -> bool:
        """Keep the transport open for what is still to be sent (LIM-011)."""
        if self._connection.is_behind or self._waits_for_turn:
            self._ended_behind = True
        else:
            self._connection.receive_eof()
        return True

    def pause_writing(self) -> None:
        """Read no more from a client that does not read (LIM-007)."""
        self._output_blocked = True
        self._memory.is_slow(self)
        self._balance_reading()

    def resume_writing(self) -> None:
        """Read again; or, at the end, begin to linger now that everything was sent."""
        self._output_blocked = False
        if self._ending:
            self._linger()
            return
        if self._connection.unsent.octets:
            self._flush()
        if not self._connection.unsent.octets:
            self._memory.is_quick(self)
        self._balance_reading()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget the connection."""
        self._lost = True
        if self._look is not None:
            self._look.cancel()
        self._connection.transport_lost()
        self._set_timer(None)
        self._connection.release()
        self._set_frame_timer(None)
        self._memory.forget(self)
        self._load_changed()
        self._places.remove(self)

    # What the connection calls

    def output_ready(self) -> None:
        """Flush once, at the end of this turn of the event loop."""
        if not self._flush_scheduled:
            self._flush_scheduled = True
            self._loop.call_soon(self._flush)

    def may_decode(self, frame: bytes) -> bool:
        """Ask for the memory; what the frame takes exactly is of interest only when memory is short."""
        memory = self._memory
        if not memory.has_plenty(MOST_TIMES * len(frame)) and not memory.may_decode(self, decoded_octets(frame)):
            return False
        self._end_claim()
        return True

    def state_changed(self, before: State) -> None:
        """Arm the timer of the new state and end what the connection may no longer have."""
        self._server.broker.state_changed(self._connection, before)
        if before is State.OPEN or before is State.DRAINING:  # what it was still owed may have been a lease
            self._server.session_ended(self._number)
        elif before is State.AWAITING_CONNECT:
            self._places.handshake_ended(self)
            if self._connection.failure is ErrorCode.UNAUTHORIZED:
                self._server.wrong_tokens.add(self.address)
        self._set_timer(None)
        self._finishing = False
        state = self._connection.state
        if state is not State.OPEN:
            self._end_claim()
        if state is State.DRAINING:
            self._set_timer(self._limits.drain_timeout, self._connection.drain_over)
            self._look_later()
        elif state is not State.OPEN:
            self._places.serve_no_more(self)
            if before is not State.CLOSING:
                self._runner.cancel_requests()
            self.output_ready()

    # What the memory calls

    def memory_freed(self) -> None:
        """Read on."""
        if self._connection.is_behind:
            self._wait_for_turn()
            return
        self._waits_to_read = False
        self._begin_frame()
        self._balance_reading()

    def unsent(self) -> int:
        """Return how many octets wait for the client."""
        return self._connection.unsent.octets

    def end_slow(self) -> None:
        """End with `slow_consumer`; at once if the connection is ending already."""
        if self._connection.state is State.OPEN or self._connection.state is State.DRAINING:
            self._connection.end_slow_consumer()
        else:
            self._connection.discard_output()
            self._transport.abort()

    # What the server calls

    def finish(self) -> None:
        """Send `shutting_down` as soon as no handler runs for this connection (LIM-013, LIM-014)."""
        self._load_changed()

    def fail(self, code: ErrorCode) -> None:
        """End the connection with a fatal error."""
        self._connection.fail(code)

    def leave(self) -> None:
        """Close the connection at once; the handlers of its notifications go on (NTF-002)."""
        self._transport.abort()

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
        handler = self._handlers.find("request", self._connection.app_id, event.channel_id)
        if handler is None:
            self._connection.refuse(event, ErrorCode.NO_HANDLER, f"channel {event.channel_id!r} has no handler")
            return
        runner = self._runner
        runner.start_request(handler, event, self._drop)
        if runner.load > self._counted_load + _LOAD_STEP:
            self._load_raised()

    def _notification(self, event: NotificationReceived) -> None:
        handler = self._handlers.find("notification", self._connection.app_id, event.channel_id)
        if handler is not None:
            runner = self._runner
            runner.start_notification(handler, event, self._drop)
            if runner.load > self._counted_load + _LOAD_STEP:
                self._load_raised()

    def _drop(self) -> None:
        self._server.in_loop(self._connection.drop)

    # Flow

    def _read(self) -> None:
        connection = self._connection
        for event in connection.events(FRAMES_A_TURN, time.perf_counter() + SLICE):
            _ACTIONS[type(event)](self, event)
        if connection.is_behind:
            if not connection.waits_for_memory:
                self._wait_for_turn()
            self._balance_reading()
        elif self._ended_behind:
            self._ended_behind = False
            connection.receive_eof()
        elif (unfinished := connection.unfinished) > LONG_FRAME:
            self._claim(unfinished)

    def _read_in_turn(self) -> None:
        self._waits_for_turn = False
        self._read()
        if not self._connection.is_behind:
            self._balance_reading()

    def _wait_for_turn(self) -> None:
        if not self._waits_for_turn:
            self._waits_for_turn = True
            self._turns.wait(self._read_in_turn)

    def _claim(self, octets: int) -> None:
        if self._connection.state not in _READING:
            return
        self._waits_to_read = not self._memory.claim(self, octets)
        if self._waits_to_read:
            self._balance_reading()
        elif self._frame_timer is None:
            self._begin_frame()

    def _begin_frame(self) -> None:
        self._set_frame_timer(self._limits.frame_timeout)

    def _end_claim(self) -> None:
        if self._frame_timer is not None or self._waits_to_read:
            self._waits_to_read = False
            self._set_frame_timer(None)
            self._memory.release(self)

    def _frame_timed_out(self) -> None:
        if self._reading_paused:  # the server itself does not read
            self._begin_frame()
        else:
            _log.debug("a message took longer than %s s to arrive", self._limits.frame_timeout)
            self._connection.drop()  # no error code fits

    def _load_raised(self) -> None:
        self._count_load()
        if self._is_full():
            self._balance_reading()

    def _load_changed(self) -> None:
        load = self._runner.load
        if self._counted_load and (not load or load < self._counted_load - _LOAD_STEP):
            self._count_load()
        if self._lost:
            if not load:
                self._runner.release()
        elif self._places.stopping and not load:
            self._connection.fail(ErrorCode.SHUTTING_DOWN)
        elif self._reading_paused:
            self._balance_reading()

    def _count_load(self) -> None:
        change = self._runner.load - self._counted_load
        self._counted_load += change
        self._memory.change_load(change)

    def _is_full(self) -> bool:
        load = self._runner.load
        return load > self._limits.max_in_flight_bytes or (load > _LOAD_STEP and self._memory.is_short)

    def _hold_back(self, seconds: float) -> None:
        """Read the connect message only after some seconds."""

        def let_in() -> None:
            self._is_held_back = False
            self._balance_reading()

        self._is_held_back = True
        # asyncio begins to read after `connection_made`; older releases of CPython 3.11 do so even if it was paused.
        self._loop.call_soon(self._balance_reading)
        self._loop.call_later(seconds, let_in)

    def _balance_reading(self) -> None:
        connection = self._connection
        if connection.state not in _READING:
            return
        self._reading_paused = (
            self._output_blocked
            or self._waits_to_read
            or self._is_held_back
            or connection.is_behind
            or self._waits_for_turn
            or connection.unsent.octets > 0
            or self._is_full()
        )
        if self._reading_paused:
            self._transport.pause_reading()
            self._look_later()
        else:
            self._transport.resume_reading()

    def _look_later(self) -> None:
        if self._look is None:
            self._look = self._loop.call_later(LOOK_SECONDS, self._look_for_hangup)

    def _look_for_hangup(self) -> None:
        """End a connection that was lost while it is not read; its handlers would keep what they hold (LIM-017)."""
        self._look = None
        if self._lost or not (self._reading_paused or self._connection.state is State.DRAINING):
            return
        if is_hung_up(self._transport.get_extra_info("socket")):
            self._transport.abort()
        else:
            self._look_later()

    def _flush(self) -> None:
        self._flush_scheduled = False
        if self._lost:
            return
        connection, transport = self._connection, self._transport
        most = 0 if self._output_blocked else _WRITE_BYTES
        data = connection.data_to_send(transport.get_write_buffer_size(), most)
        if data:
            transport.write(data)
        if connection.unsent.octets:
            self._write_on()
        if connection.state is not _OPEN:
            self._flush_to_end()

    def _flush_to_end(self) -> None:
        state = self._connection.state
        if state is State.CLOSING and not self._ending:
            if self._connection.unsent.octets:
                self._finish_sending()
            else:
                self._end_sending()
        elif state is State.CLOSED and self._connection.unsent.octets:
            self._finish_sending()
        elif state is State.CLOSED:
            self._transport.close()
            self._set_timer(self._limits.flush_timeout, self._transport.abort)

    def _write_on(self) -> None:
        connection, transport = self._connection, self._transport
        while connection.unsent.octets and not self._output_blocked and not transport.is_closing():
            transport.write(connection.data_to_send(transport.get_write_buffer_size(), _WRITE_BYTES))
        if connection.unsent.octets:
            self._memory.is_slow(self)

    def _finish_sending(self) -> None:
        if not self._finishing:
            self._finishing = True
            self._transport.resume_reading()  # and discard (ERR-009)
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

    def _set_frame_timer(self, seconds: float | None) -> None:
        if self._frame_timer is not None:
            self._frame_timer.cancel()
        self._frame_timer = None if seconds is None else self._loop.call_later(seconds, self._frame_timed_out)

    def _set_timer(self, seconds: float | None, then: Callable[[], object] | None = None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None or then is None else self._loop.call_later(seconds, then)


_log = logging.getLogger("reference_server")

_TCP_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6)

_OPEN: Final = State.OPEN  # a member of an enumeration takes longer to read

_READING: Final = (State.AWAITING_CONNECT, _OPEN)

_ACTIONS: Final[dict[type[Event], Callable[[Session, Any], None]]] = {
    ConnectReceived: Session._connect,
    RequestReceived: Session._request,
    ProfileRequestReceived: Session._request,
    NotificationReceived: Session._notification,
    SubscribeReceived: Session._subscribe,
    UnsubscribeReceived: Session._unsubscribe,
    PublishReceived: Session._publish,
}
