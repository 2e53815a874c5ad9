"""One connection to a server, from the connect message to its end."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final, Protocol

from reference_server.client.errors import ClientError
from reference_server.client.messages import (
    ANY_DEPTH,
    CUSTOMARY_FRAME_BYTES,
    MOST_FRAME_BYTES,
    Message,
    ServerFrames,
    UnusableMessageError,
    read_message,
)
from reference_server.client.options import Options
from reference_server.protocol.errors import FrameTooLargeError, MalformedFrameError

# A link that ends waits so long for the system to take more, in seconds. A system takes more only when about a megabyte
# of its buffers has become free, so in less time a server that reads slowly would look like one that does not read.
_LINGER: Final = 30.0

# How long the ends of TLS may take, in seconds.
_SHUTDOWN: Final = 5.0

# When everything is on its way, it waits so long for the server to end its side.
_FAREWELL: Final = 1.0

# The name that a certificate must have if neither the host nor an option gives one.
_LOCAL_NAME: Final = "localhost"

# After this many messages in a row, other tasks get their turn.
_BURST: Final = 64

# After a timer, so many more polls of the sockets may bring octets before the timer is believed. asyncio reads at most
# 256 KiB in one, so this is 16 MiB.
_POLLS: Final = 64


class Watcher(Protocol):
    """The owner of a link. Its methods are called while octets are read, and raise nothing."""

    def link_opened(self, link: Link, acknowledgement: dict[str, Any]) -> None:
        """Use the link: the server has acknowledged it (HSK-002)."""

    def message_received(self, message: Message, size: int) -> None:
        """Take a message, whose frame has `size` octets."""

    def message_dropped(self, error: UnusableMessageError) -> None:
        """Take the reason why a message was dropped."""

    def link_lost(self, link: Link, error: ClientError) -> None:
        """Stop using the link, which was open."""


class _State(enum.Enum):
    CONNECTING = enum.auto()
    GREETING = enum.auto()
    OPEN = enum.auto()
    ENDING = enum.auto()
    ENDED = enum.auto()


class Link(asyncio.Protocol):
    """A connection that is used once: `open` it, then `send`, then `close` it.

    Args:
        options: Where to connect, and the bounds.
        hello: The frame that is sent first (HSK-001).
        watcher: Its owner.

    Attributes:
        max_bytes: The longest body that the server accepts, in octets (LIM-002).
        max_depth: The deepest nesting that the server accepts (ENC-009).
    """

    def __init__(self, options: Options, hello: bytes, watcher: Watcher) -> None:
        self._options = options
        self._hello = hello
        self._watcher = watcher
        self._loop = asyncio.get_running_loop()
        self._state = _State.CONNECTING
        self._frames = ServerFrames()
        self._octets = 0  # that have arrived
        self._sent = 0  # messages since other tasks had their turn
        self._transport: asyncio.Transport | None = None
        self._answered: asyncio.Future[ClientError | None] = self._loop.create_future()  # None for acknowledged
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._turn = asyncio.Lock()
        self._room = asyncio.Event()
        self._room.set()
        self.max_bytes = CUSTOMARY_FRAME_BYTES
        self.max_depth = ANY_DEPTH

    @property
    def is_open(self) -> bool:
        """Whether the server has acknowledged the link, and it has not ended."""
        return self._state is _State.OPEN

    async def open(self) -> None:
        """Connect, and wait for the acknowledgement.

        Raises:
            ClientError: The attempt failed (HSK-012). The code is `connection_failed`, `tls_failed`, `timeout` or the
                one of the server's error.
        """
        dialing = asyncio.ensure_future(self._dial())
        try:
            failure = await self._first_answer(dialing)
        except BaseException:
            self.abort()
            raise
        finally:
            dialing.cancel()
            await asyncio.gather(dialing, return_exceptions=True)
            if self._state is _State.ENDED:
                self._drop_transport()  # one that was made meanwhile
        if failure is not None:
            raise failure

    async def send(self, frame: bytes) -> None:
        """Send a frame; while `max_buffered_bytes` wait for a server that does not read, wait first.

        After a cancellation, the frame was not sent.

        Raises:
            ClientError: `connection_lost`, the link ended; the frame was not sent.
        """
        async with self._turn:
            await self._room.wait()
            self._sent += 1
            if self._sent >= _BURST:
                self._sent = 0
                await asyncio.sleep(0)
            self.send_at_once(frame)

    def send_at_once(self, frame: bytes) -> None:
        """Send a frame that the link itself needs, however many octets wait.

        Raises:
            ClientError: `connection_lost`.
        """
        if self._transport is None or self._state is not _State.OPEN:
            raise ClientError("connection_lost", "the connection ended before the message was sent")
        self._transport.write(frame)

    async def room(self) -> None:
        """Wait until `send` would not wait, or the link ends."""
        async with self._turn:
            await self._room.wait()

    async def close(self) -> int:
        """End the link in order (HSK-028): everything that was sent is delivered, if the server reads it.

        Returns:
            How many octets were not delivered, because the server did not read for 30 seconds, or next to nothing.
        """
        transport = self._transport
        if transport is None or self._state is not _State.OPEN:
            self.abort()
            return 0
        self._state = _State.ENDING
        try:
            # With these limits, room is there when nothing waits. With 0, asyncio's TLS would never say so.
            transport.set_write_buffer_limits(1, 0)
            unsent = await self._progress(self._room.wait(), _LINGER)
            if not unsent:
                await self._say_goodbye(transport)
            return unsent
        finally:
            self.abort()

    def fail(self, error: ClientError) -> None:
        """End the link at once because of an error, which the owner or the caller of `open` gets."""
        was_open = self._state is _State.OPEN
        self.abort(error)
        if was_open:
            self._watcher.link_lost(self, error)

    def abort(self, error: ClientError | None = None) -> None:
        """End the link at once; `open` fails with the error, or with `aborted`."""
        self._state = _State.ENDED
        self._room.set()
        if not self._answered.done():
            aborted = ClientError("aborted", "the connection was closed before the server acknowledged it")
            self._answered.set_result(error or aborted)
        self._drop_transport()

    def after_reading(self, function: Callable[[], object], polls: int = _POLLS) -> None:
        """Call a function once all octets that have already arrived were read.

        After the event loop was blocked, a timer fires although the answer it waits for is in the socket.
        """
        seen = self._octets

        def look() -> None:
            if self._octets != seen and polls and self._state is not _State.ENDED:
                self.after_reading(function, polls - 1)
            else:
                function()

        # What is called in the next turn of the loop runs ahead of that turn's reading.
        self._loop.call_soon(self._loop.call_soon, look)

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the server."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        self._transport = transport
        if self._state is not _State.CONNECTING:
            self._drop_transport()
            return
        self._state = _State.GREETING
        transport.set_write_buffer_limits(self._options.max_buffered_bytes)
        _keep_alive(transport, self._options.heartbeat_interval)
        transport.write(self._hello)

    def data_received(self, data: bytes) -> None:
        """Read messages (FRM-005, FRM-006)."""
        self._octets += len(data)
        if self._state not in (_State.GREETING, _State.OPEN):
            return
        self._frames.receive_data(data)
        try:
            while self._state in (_State.GREETING, _State.OPEN) and (frame := self._frames.next_frame()) is not None:
                self._take(frame)
        except FrameTooLargeError as error:  # ERR-014
            self.fail(ClientError("frame_too_large", self._advised(f"connection dropped: {error}")))
        except MalformedFrameError as error:
            self.fail(ClientError("malformed_frame", self._advised(f"connection dropped: {error}")))

    def eof_received(self) -> None:
        """Take the end of the server's stream for the end of the link."""
        self._lose("the server closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that nothing is left of the link."""
        if not self._gone.done():
            self._gone.set_result(None)
        self._lose(str(exc) if exc else "the connection was closed", exc)
        self._transport = None

    def pause_writing(self) -> None:
        """Let senders wait: `max_buffered_bytes` wait already."""
        if self._state is not _State.ENDED:
            self._room.clear()

    def resume_writing(self) -> None:
        """Let senders go on."""
        self._room.set()

    # Inside

    async def _dial(self) -> None:
        options = self._options
        tls: dict[str, Any] = {}
        if options.tls is not None:
            tls = {"ssl": options.tls, "ssl_shutdown_timeout": _SHUTDOWN}
        if options.path is not None:
            name = options.server_hostname or _LOCAL_NAME if options.tls else None
            await self._loop.create_unix_connection(lambda: self, options.path, server_hostname=name, **tls)
            return
        name = options.server_hostname or options.host if options.tls else None
        await self._loop.create_connection(
            lambda: self, options.host, options.port, server_hostname=name, happy_eyeballs_delay=0.25, **tls
        )

    async def _first_answer(self, dialing: asyncio.Future[None]) -> ClientError | None:
        timer = self._loop.call_later(self._options.connect_timeout, self.after_reading, self._expire)
        first: set[asyncio.Future[Any]] = {dialing, self._answered}
        try:
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if dialing.done():
                await dialing
            return await self._answered
        except OSError as error:
            raise self._failure(error) from error
        except ValueError as error:  # a name that can be none of a host
            raise ClientError("connection_failed", f"cannot connect to {self._options.address}: {error}") from error
        finally:
            timer.cancel()

    def _expire(self) -> None:
        if not self._answered.done():
            what = f"no acknowledgement from {self._options.address} within {self._options.connect_timeout:g} s"
            self.abort(ClientError("timeout", self._advised(what)))

    async def _say_goodbye(self, transport: asyncio.Transport) -> None:
        if transport.can_write_eof():
            transport.write_eof()
            await self._progress(asyncio.shield(self._gone), _FAREWELL)
        else:
            # TLS: asyncio cannot end one side alone, and has yet to send some octets.
            transport.close()
            await self._progress(asyncio.shield(self._gone), _SHUTDOWN)

    async def _progress(self, wanted: Any, seconds: float) -> int:
        """Wait for something, or until the link is gone or no octet left or arrived in so many seconds.

        Returns:
            How many octets still waited then; 0 if what was wanted has happened.
        """
        waiting = asyncio.ensure_future(wanted)
        try:
            while True:
                before = self._moved()
                await asyncio.wait({waiting, self._gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
                if waiting.done():
                    return 0
                if self._gone.done() or self._moved() == before:
                    return before[1]
        finally:
            waiting.cancel()

    def _moved(self) -> tuple[int, int]:
        transport = self._transport
        # asyncio's TLS cannot be asked any more once it is closing.
        waiting = transport.get_write_buffer_size() if transport is not None and not transport.is_closing() else 0
        return self._octets, waiting

    def _drop_transport(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _take(self, frame: bytes) -> None:
        try:
            message = read_message(frame)
        except UnusableMessageError as error:
            self._watcher.message_dropped(error)
            return
        if self._state is _State.OPEN:
            self._watcher.message_received(message, len(frame))
        elif message.is_acknowledgement:
            self._open(message.payload)
        elif (refusal := message.error) is not None:
            self.fail(refusal)

    def _open(self, acknowledgement: dict[str, Any]) -> None:
        limits = acknowledgement.get("limits")
        announced = limits if isinstance(limits, dict) else {}
        if max_bytes := _positive_integer(announced.get("max_frame_bytes")):
            self.max_bytes = min(max_bytes, MOST_FRAME_BYTES)
            self._frames.set_limit(self.max_bytes)  # LIM-003
        self.max_depth = _positive_integer(announced.get("max_depth")) or ANY_DEPTH
        self._state = _State.OPEN
        if not self._answered.done():
            self._answered.set_result(None)
        self._watcher.link_opened(self, acknowledgement)

    def _lose(self, reason: str, error: Exception | None = None) -> None:
        if self._state in (_State.ENDING, _State.ENDED):
            return
        if self._state is _State.OPEN:
            self.fail(ClientError("connection_lost", f"connection lost: {reason}"))
        elif isinstance(error, OSError):
            self.fail(self._failure(error))
        else:
            self.fail(ClientError("connection_failed", self._advised(f"connection failed: {reason}")))

    def _failure(self, error: OSError) -> ClientError:
        if isinstance(error, ssl.SSLError):
            what = f"TLS with {self._options.address} failed: {error.reason or error}"
            if isinstance(error, ssl.SSLCertVerificationError):
                what = f"the certificate of {self._options.address} was not accepted: {error.verify_message}"
            return ClientError("tls_failed", f"{what}. Check the options tls and server_hostname.")
        return ClientError("connection_failed", f"cannot connect to {self._options.address}: {error.strerror or error}")

    def _advised(self, text: str) -> str:
        if self._state is _State.OPEN:
            return text
        secured = "with" if self._options.tls else "without"
        return f"{text}. Check that an IPC server listens there, and that it speaks the protocol {secured} TLS."


def _positive_integer(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 1 or value != int(value):
        return None
    return int(value)


def _keep_alive(transport: asyncio.Transport, seconds: float) -> None:
    """Let the system probe a silent connection: some deployed servers answer no pings."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    interval = max(1, round(seconds or 30))
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (("TCP_KEEPIDLE", interval), ("TCP_KEEPINTVL", interval), ("TCP_KEEPCNT", 3)):
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
