"""The server as a library: register handlers, start, stop."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import ssl
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from reference_server.broker import Broker
from reference_server.handlers import HandlerFunction, HandlerTable, Kind
from reference_server.network.acceptor import Acceptor
from reference_server.network.handler_threads import HandlerThreads
from reference_server.network.listeners import TcpEndpoint
from reference_server.network.loop_watch import LoopWatch
from reference_server.network.session import ServerState, Session
from reference_server.network.tls import TlsLayer
from reference_server.network.unix_sockets import UnixEndpoint
from reference_server.profiles import registry
from reference_server.profiles.profile import ProfileContext
from reference_server.profiles.profile_set import ProfileSet
from reference_server.profiles.registry import ProfileAttributes
from reference_server.protocol.errors import ErrorCode
from reference_server.protocol.limits import Limits
from reference_server.protocol.schemas import check_name

_BACKLOG: Final = 512  # connections that may wait to be accepted, so that a burst of clients loses none

_HOST: Final = "localhost"
_PORT: Final = 8888

_Function = TypeVar("_Function", bound=HandlerFunction)


class ReferenceServer(ProfileAttributes):
    """A server of the IPC Framework Wire Protocol 1.1.

    Example::

        server = ReferenceServer(port=8888)

        @server.handler("sum")
        async def add(request: Request) -> int:
            return sum(request.payload)

        async with server:
            await server.serve_forever()

    Args:
        host: The name or address to listen on; `localhost` means 127.0.0.1 and ::1.
        port: The port to listen on, 0 for a free one.
        unix: The path of a unix socket to listen on, in place of host and port. Only the same user can connect.
        limits: What the server allows.
        profiles: The optional parts of the protocol that it offers: names of `profiles.registry.PROFILES`.
        state: The file for data that a profile keeps; without it the data end with the process.
        token: The token that clients must show (chapter SEC).
        tls: The certificate, such as `load_certificate` returns; clients then have to speak TLS.

    Raises:
        ValueError: There is no such profile, there is a state file and no profile that needs one, the token is empty,
            or there are both a unix socket and a host or port.
    """

    def __init__(
        self,
        host: str = _HOST,
        port: int = _PORT,
        *,
        unix: str | Path | None = None,
        limits: Limits | None = None,
        profiles: Iterable[str] = (),
        state: str | Path | None = None,
        token: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        kinds = registry.chosen(profiles)
        if state is not None and not any(kind.keeps for kind in kinds):
            keepers = " or ".join(map(repr, registry.keepers()))
            raise ValueError(f"a state file is for the profile {keepers}, which the server does not offer")
        if unix is not None and (host, port) != (_HOST, _PORT):
            raise ValueError("a server listens either on a unix socket or on a host and port")
        self.host = host
        self.unix = None if unix is None else Path(unix)
        self._endpoint = TcpEndpoint(host, port) if self.unix is None else UnixEndpoint(self.unix)
        self.limits = limits or Limits()
        if self.unix is not None:  # whose clients have no address
            everywhere = self.limits.max_connections
            self.limits = dataclasses.replace(self.limits, max_address_connections=everywhere)
        self._tls = tls
        self._running: ServerState | None = None
        self._broker = Broker(self.limits.max_frame_bytes)
        self._profiles = ProfileSet(
            kinds,
            ProfileContext(
                limits=self.limits,
                state=None if state is None else Path(state),
                announce=self._broker.announce,
                in_loop=self._in_loop,
            ),
        )
        self.capabilities = self._profiles.capabilities(token=token, encrypted=tls is not None)
        self.profiles = self.capabilities.announced_profiles
        self._handlers = HandlerTable()
        for channel_id, function in self._profiles.handlers.items():
            self._handlers.add(function, channel_id, "request", None)
        self._was_started = False
        self._listeners: list[Acceptor] = []
        self._watch: LoopWatch
        self._stopped: asyncio.Event

    # Before and while it runs

    def handler(
        self, channel_id: str, kind: Kind = "request", app: str | None = None
    ) -> Callable[[_Function], _Function]:
        """Return a decorator that makes a function the handler of a channel.

        The function takes a `Request`. What a handler of requests returns becomes the payload of the response; when
        it raises, the client gets `handler_failed` and the log the traceback. What a handler of notifications returns
        is ignored. Handlers of one connection start in the order in which the messages arrived. An `async` function
        runs in a task of the event loop, which it must not block (the log tells where one does for a second); a plain
        one runs in a thread. A plain handler of notifications is run to its end before the next handler of the
        connection starts, since threads would not keep the order: make one that takes its time `async`.

        Args:
            channel_id: The channel.
            kind: ``"request"`` or ``"notification"``.
            app: The application, None for every application without a handler of its own for this channel.

        Raises:
            ValueError: The channel cannot have a handler, or has one already.
        """
        if self.capabilities.reserves(channel_id):
            raise ValueError(f"the channel {channel_id!r} belongs to the server")

        def register(function: _Function) -> _Function:
            self._handlers.add(function, channel_id, kind, app)
            return function

        return register

    def publish(self, app_id: str, channel_id: str, payload: Any) -> None:
        """Send a `publish` to the subscribers of a channel. Works in handlers and in any thread.

        Raises:
            ValueError: The application or channel cannot be published on, or is reserved for what the server itself
                says; the payload has no JSON form, or the message would be too long.
            RuntimeError: The server is not running.
        """
        self._originate("publish", app_id, channel_id, payload)

    def notify(self, app_id: str, channel_id: str, payload: Any) -> None:
        """Send a `notification` to the subscribers of a channel; like `publish` otherwise."""
        self._originate("notification", app_id, channel_id, payload)

    def _originate(self, message_type: str, app_id: str, channel_id: str, payload: object) -> None:
        running = self._running  # which the event loop's thread may take away meanwhile
        if running is None:
            raise RuntimeError("the server is not running")
        if running.capabilities.reserves(channel_id):
            raise ValueError(f"the channel {channel_id!r} is reserved for what the server itself says")
        check_name("app_id", app_id)
        check_name("channel_id", channel_id)
        frame = self._broker.originate(message_type, app_id, channel_id, payload)
        running.in_loop(self._broker.publish, app_id, channel_id, frame)

    def _in_loop(self, function: Callable[..., Any], *arguments: Any) -> Any:
        running = self._running  # which the event loop's thread may take away meanwhile
        if running is None:
            return function(*arguments)
        outcome: Future[Any] = Future()
        running.in_loop(_settle, outcome, function, *arguments)
        return outcome.result()

    # Its life

    @property
    def port(self) -> int:
        """The port it listens on, the real one where 0 was asked for.

        Raises:
            RuntimeError: The server was not started yet, or it listens on a unix socket.
        """
        if isinstance(self._endpoint, UnixEndpoint):
            raise RuntimeError("the server listens on a unix socket, which has no port")
        if not self._was_started:
            raise RuntimeError("the server was not started")
        return self._endpoint.port

    @property
    def address(self) -> str:
        """Where it listens, for people: ``HOST:PORT``, or ``unix:`` and the path of the socket."""
        return self._endpoint.address

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: The host is unknown, or the port or unix socket cannot be listened on.
            ProfileError: A profile cannot start, such as for its state file.
        """
        loop = asyncio.get_running_loop()
        sockets = self._endpoint.open()
        try:
            await self._profiles.open()
        except BaseException:
            for each in sockets:
                each.close()
            self._endpoint.remove()
            raise
        self._was_started = True
        threads = HandlerThreads()
        running = ServerState(
            self.limits,
            self._broker,
            self._handlers,
            threads,
            _caller(loop),
            self.capabilities,
            self._profiles.session_ended,
        )
        self._running = running
        self._stopped = asyncio.Event()
        accept = functools.partial(self._accept, running)
        self._listeners = [Acceptor(listener, _BACKLOG, accept) for listener in sockets]
        self._watch = LoopWatch()

    def _accept(self, running: ServerState) -> asyncio.Protocol:
        session = Session(running)
        return session if self._tls is None else TlsLayer(session, self._tls, self.limits.handshake_timeout)

    async def serve_forever(self) -> None:
        """Wait until the server was closed."""
        await self._stopped.wait()

    async def close(self) -> None:
        """Stop in order: accept no connection (LIM-012), answer requests in flight (LIM-013), close (LIM-014).

        Takes at most the grace period and the time to linger.
        """
        running = self._running
        if running is None:
            return
        if running.places.stopping:
            await self._stopped.wait()
            return
        running.places.stopping = True
        for listener in self._listeners:
            await listener.close()
        self._endpoint.remove()
        await _end_sessions(running)
        running.threads.close()
        await self._profiles.close()
        self._watch.close()
        self._running = None
        self._stopped.set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def _end_sessions(running: ServerState) -> None:
    for session in list(running.places.sessions):
        session.finish()
    await _wait_until_empty(running, running.limits.shutdown_grace)
    for session in list(running.places.sessions):
        session.fail(ErrorCode.SHUTTING_DOWN)
    # Every session lingers for this time at most, unless its client does not even take the error.
    await _wait_until_empty(running, running.limits.linger + 1)
    for session in list(running.places.sessions):
        session.abort()
    await running.places.empty.wait()


async def _wait_until_empty(running: ServerState, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(running.places.empty.wait(), seconds)


def _settle(outcome: Future[Any], function: Callable[..., Any], *arguments: Any) -> None:
    try:
        outcome.set_result(function(*arguments))
    except Exception as error:  # noqa: BLE001 - raised where the outcome is awaited
        outcome.set_exception(error)


def _caller(loop: asyncio.AbstractEventLoop) -> Callable[..., None]:
    """Return a function that calls another in the loop: at once from the loop's own thread, else as soon as it can."""
    loop_thread = threading.get_ident()

    def call(function: Callable[..., object], *arguments: object) -> None:
        if threading.get_ident() == loop_thread:
            function(*arguments)
        else:
            loop.call_soon_threadsafe(function, *arguments)

    return call
