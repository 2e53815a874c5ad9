"""The client: one application, one connection at a time."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from reference_server.client.callbacks import Callbacks, log
from reference_server.client.connection import Connection, spawn
from reference_server.client.errors import FATAL_CODES, ClientError
from reference_server.client.info import ConnectionInfo
from reference_server.client.link import Link
from reference_server.client.messages import Message, MessageType, UnusableMessageError, make_frame
from reference_server.client.options import Options, check_channel, check_integer, check_timeout, make_tls
from reference_server.client.pending import PendingRequests
from reference_server.client.subscriptions import MOST_WAITING, Handler, Subscription, run_handler
from reference_server.protocol.capabilities import SYSTEM
from reference_server.protocol.messages import MessageIds

# What the ids of messages begin with whose answers, if there are any, no request waits for.
_ONE_WAY: Final = "one-way-"
_PING: Final = "ping-"

# How long `close` waits for handlers to take what has arrived, in seconds.
_HANDLER_GRACE: Final = 5.0


class Client:
    """A client of an IPC server. Use it with ``async with``, or call `connect` and `close`.

    After a loss it connects again and renews its subscriptions. All methods belong to one event loop. What is neither
    returned nor raised is passed to the functions of `on_error`; without one, it is logged as a warning.

    Args:
        app_id: The application, 1 to 255 characters.
        host: A name or an address.
        port: The port.
        path: The path of a unix socket, in place of host and port.
        tls: True for TLS with the authorities that Python trusts, or a context of your own.
        server_hostname: The name that the server's certificate must have, in place of the host.
        token: The token that the server requires; shown nowhere.
        connect_timeout: Seconds within which the server must acknowledge a connection.
        reconnect_attempts: Attempts after a loss; 0 for none, None for any number.
        reconnect_delay: Seconds before the first of them. Every further one doubles it, and each is multiplied by a
            random factor from 1 to 2, so that many clients do not come back at once (HSK-027). A connection that an
            attempt made and that ends sooner than this, or sooner than a second, counts as a failed attempt.
        reconnect_max_delay: The longest delay, unless twice `reconnect_delay` is longer.
        heartbeat_interval: Seconds between pings, and the deadline for each answer; 0 for none (SYS-006).
        max_buffered_bytes: Octets that may wait for a server that does not read, and those that may wait for the
            consumer of one subscription.

    Raises:
        ValueError: An option is outside its range.
        TypeError: An option has the wrong type.
    """

    def __init__(
        self,
        app_id: str,
        host: str = "localhost",
        port: int = 8888,
        *,
        path: str | None = None,
        tls: bool | ssl.SSLContext = False,
        server_hostname: str | None = None,
        token: str | None = None,
        connect_timeout: float = 10.0,
        reconnect_attempts: int | None = 5,
        reconnect_delay: float = 2.0,
        reconnect_max_delay: float = 30.0,
        heartbeat_interval: float = 30.0,
        max_buffered_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        self._options = Options(
            app_id=app_id,
            host=host,
            port=port,
            path=path,
            tls=make_tls(tls),
            server_hostname=server_hostname,
            token=token,
            connect_timeout=connect_timeout,
            reconnect_attempts=reconnect_attempts,
            reconnect_delay=reconnect_delay,
            reconnect_max_delay=reconnect_max_delay,
            heartbeat_interval=heartbeat_interval,
            max_buffered_bytes=max_buffered_bytes,
        )
        self._ids = MessageIds()
        self._connection = Connection(self._options, self._ids, self._send_ping, self)
        self._requests = PendingRequests()
        self._subscriptions: dict[str, list[Subscription]] = {}
        self._handlers: dict[tuple[str, Handler], Subscription] = {}
        self._handler_tasks: dict[asyncio.Task[None], Subscription] = {}
        self._connected = Callbacks[[]]()
        self._disconnected = Callbacks[[ClientError | None]]()
        self._errors = Callbacks[[Exception]]()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    # The connection

    @property
    def connected(self) -> bool:
        """Whether the connection is open: acknowledged, and not ended."""
        return self._connection.link is not None

    @property
    def connection_id(self) -> str:
        """The name under which the server knows this client. It stays the same when the client comes back (HSK-003).

        A server that names no protocol in its acknowledgement gets another one for each connection: those of
        `ipc-framework` up to 1.1.2 let the late end of an old connection end a new one with its name.
        """
        return self._connection.connection_id

    @property
    def info(self) -> ConnectionInfo:
        """The state of the connection."""
        return ConnectionInfo(
            app_id=self._options.app_id,
            connection_id=self.connection_id,
            address=self._options.address,
            status=self._connection.status,
            subscribed_channels=tuple(self._subscriptions),
            pending_requests=len(self._requests),
            server=dict(self._connection.acknowledgement),
        )

    async def connect(self) -> None:
        """Connect, with one attempt. If attempts after a loss are under way, it takes their place: none follows it.

        Raises:
            ClientError: The attempt failed (HSK-012): `connection_failed`, `tls_failed`, `timeout`, `aborted` by
                `close`, or the code of the server's error.
        """
        await self._connection.open()

    async def close(self) -> None:
        """End the connection, or the attempts to make one. Can be called again.

        Messages that were sent are delivered, if the server goes on reading; otherwise `on_error` says how many octets
        were not. Requests in flight fail. Subscriptions and handlers get what has arrived, and end.
        """
        handlers = set(self._handler_tasks) - {asyncio.current_task()}  # and none that is added meanwhile
        link = self._connection.forget_link()
        self._requests.fail_all("connection_lost", "close() was called before the response came")
        for subscription in self._all_subscriptions:
            subscription.end()
        self._subscriptions.clear()
        self._handlers.clear()
        if link is not None:
            self._disconnected.call(None)
        try:
            await self._connection.end_attempts()
            if link is not None and (unsent := await link.close()):
                self.report(ClientError("connection_lost", f"{unsent} octets were not delivered before close()"))
        finally:
            if link is not None:
                link.abort()
            await self._end_handlers(handlers)

    async def health_check(self, timeout: float = 10.0) -> bool | None:  # noqa: ASYNC109 - see request
        """Ping the server (SYS-003).

        Returns:
            True if it answers in time, and false if it does not or there is no connection. None if that is unknown:
            the server is one of `ipc-framework` up to 1.1.2, which answer no pings, and the connection is open.
        """
        try:
            response = await self.request(SYSTEM, {"action": "ping"}, timeout=timeout)
        except ClientError as error:
            is_unknown = error.code == "timeout" and self._connection.heartbeat.is_silent and self.connected
            return None if is_unknown else False
        self._connection.heartbeat.confirm()
        return bool(response.status == "pong")

    # Messages to the server

    async def request(
        self,
        channel: str,
        payload: Any = None,
        *,
        timeout: float | None = 10.0,  # noqa: ASYNC109 - asyncio.timeout could lose a response that has arrived
    ) -> Message:
        """Send a request and wait for its response.

        An error of the server is a response too: look at `Message.error`, or call `Message.raise_for_error`. A
        cancellation ends the wait; the server is not told.

        Args:
            channel: The channel.
            payload: Any JSON value. If it is a dict without `connection_id`, this is added (REQ-006).
            timeout: Seconds to wait; None for any time.

        Raises:
            ClientError: `timeout`, `not_connected`, `connection_lost`, `frame_too_large` or `too_deep`.
            ValueError: The channel, the payload or the timeout cannot be sent or used.
            TypeError: The payload has no JSON form, or an argument has the wrong type.
        """
        check_channel(channel)
        check_timeout(timeout)
        if isinstance(payload, dict) and "connection_id" not in payload:
            payload = {**payload, "connection_id": self.connection_id}
        loop = asyncio.get_running_loop()
        end = None if timeout is None else loop.time() + timeout
        link, message_id = self._open_link(), self._ids.next()
        frame = self._make_frame(link, message_id, channel, "request", payload)
        late = ClientError("timeout", f"no response on channel {channel!r} within {timeout} s")
        try:
            async with asyncio.timeout_at(end):
                await link.send(frame)
        except TimeoutError:
            raise ClientError("timeout", f"the server does not read: {late}") from None
        response = self._requests.add(message_id)
        fail = partial(self._requests.fail, message_id, late)
        timer = None if end is None else loop.call_at(end, link.after_reading, fail)
        try:
            return await response
        finally:
            self._requests.forget(message_id)
            if timer is not None:
                timer.cancel()

    async def publish(self, channel: str, payload: Any) -> None:
        """Send data to all subscribers of a channel (SUB-010).

        Waits while `max_buffered_bytes` wait for the server. After a cancellation, nothing was sent.

        Raises:
            ClientError: `not_connected`, `connection_lost`, `frame_too_large` or `too_deep`.
            ValueError: The channel or the payload cannot be sent.
            TypeError: The payload has no JSON form.
        """
        await self._send_one_way(channel, "publish", payload)

    async def notify(self, channel: str, payload: Any) -> None:
        """Send data to the server, which does not answer (NTF-001). Waits and raises like `publish`."""
        await self._send_one_way(channel, "notification", payload)

    # Messages from the server

    def subscribe(self, channel: str, *, max_waiting: int = MOST_WAITING) -> Subscription:
        """Return a subscription to a channel, for ``async with`` and then ``async for``.

        It can begin before the client is connected.

        Args:
            channel: The channel.
            max_waiting: How many messages may wait for the loop. `Subscription` says what happens with more.

        Raises:
            ValueError: The channel cannot exist, or `max_waiting` is less than 1.
            TypeError: `max_waiting` is no integer.
        """
        check_channel(channel)
        check_integer("max_waiting", max_waiting, 1)
        return Subscription(self, channel, max_waiting, self._options.max_buffered_bytes)

    async def add_handler(self, channel: str, handler: Handler, *, max_waiting: int = MOST_WAITING) -> None:
        """Call a function or coroutine function with each message of a channel, until `remove_handler` or `close`.

        The messages of one handler are handled in order, one after the other. An exception of a handler is passed to
        `on_error`, and the next message follows. Adding the same handler again has no effect.

        Raises:
            ValueError: The channel cannot exist, or `max_waiting` is less than 1.
            TypeError: The handler cannot be called, or `max_waiting` is no integer.
        """
        if not callable(handler):
            raise TypeError("handler must be a function or a coroutine function")
        subscription = self.subscribe(channel, max_waiting=max_waiting)
        await self.room()
        if (channel, handler) in self._handlers:
            return
        self._handlers[channel, handler] = subscription
        subscription.begin()
        task = spawn(run_handler(subscription, handler, self.report))
        self._handler_tasks[task] = subscription
        task.add_done_callback(self._handler_tasks.pop)

    def remove_handler(self, channel: str, handler: Handler | None = None) -> None:
        """Remove a handler of a channel, or all of them. A call that has begun goes on.

        Raises:
            ValueError: The channel cannot exist.
        """
        check_channel(channel)
        for key in [each for each in self._handlers if each[0] == channel and handler in (None, each[1])]:
            self._handlers.pop(key).cancel()

    def on_connected(self, function: Callable[[], object]) -> Callable[[], object]:
        """Call a function whenever the connection is open, after the subscriptions were sent. Usable as a decorator."""
        self._connected.add(function)
        return function

    def on_disconnected(self, function: Callable[[ClientError | None], object]) -> Callable[..., object]:
        """Call a function when an open connection has ended, with the reason, or None after `close`."""
        self._disconnected.add(function)
        return function

    def on_error(self, function: Callable[[Exception], object]) -> Callable[[Exception], object]:
        """Call a function with every error that is not raised: losses, failed attempts, failing handlers, refusals."""
        self._errors.add(function)
        return function

    # What subscriptions call

    async def room(self) -> None:
        """Wait while `max_buffered_bytes` wait for the server.

        Raises:
            ClientError: `aborted`, the client was closed meanwhile.
        """
        closings = self._connection.closings
        if self._connection.link is not None:
            await self._connection.link.room()
        if closings != self._connection.closings:
            raise ClientError("aborted", "close() was called meanwhile")

    def add_subscription(self, subscription: Subscription) -> None:
        """Send a subscribe if this is the first subscription of its channel (SUB-001)."""
        others = self._subscriptions.setdefault(subscription.channel, [])
        others.append(subscription)
        if len(others) == 1:
            self._tell("subscribe", subscription.channel)
        if self._connection.given_up is not None:
            subscription.fail(self._connection.given_up)

    def remove_subscription(self, subscription: Subscription) -> None:
        """Send an unsubscribe if this was the last subscription of its channel (SUB-001)."""
        others = self._subscriptions.get(subscription.channel, [])
        if subscription not in others:
            return
        others.remove(subscription)
        if not others:
            del self._subscriptions[subscription.channel]
            self._tell("unsubscribe", subscription.channel)

    # What the connection calls

    def connection_opened(self) -> None:
        """Renew the subscriptions (SUB-020)."""
        for channel in list(self._subscriptions):
            if channel in self._subscriptions:  # a callback may have ended it
                self._tell("subscribe", channel)
        self._connected.call()

    def connection_lost(self, error: ClientError, final: bool) -> None:
        """Fail the requests in flight (REQ-018)."""
        self._requests.fail_all("connection_lost", f"the connection was lost before the response came ({error})")
        if final:
            self.connection_given_up(error)
        self.report(error)
        self._disconnected.call(error)

    def connection_given_up(self, error: ClientError) -> None:
        """Tell the consumers of subscriptions."""
        for subscription in self._all_subscriptions:
            subscription.fail(error)

    def message_received(self, message: Message, size: int) -> None:
        """Hand a message to who waits for it."""
        if message.message_type in ("publish", "notification"):  # SUB-019
            for subscription in list(self._subscriptions.get(message.channel_id, ())):
                subscription.put(message, size)
        elif message.message_type == "response":
            self._response_received(message)

    def message_dropped(self, error: UnusableMessageError) -> None:
        """Tell the request that a dropped message answers, or else the user."""
        failed = [self._requests.fail(each, error.reason) for each in error.answers]
        if not any(failed):
            self.report(error.reason)

    def report(self, error: Exception) -> None:
        """Tell the user about an error that is not raised."""
        if self._errors:
            self._errors.call(error)
        else:
            log.warning("%s: %s", getattr(error, "code", type(error).__name__), error)

    # Inside

    @property
    def _all_subscriptions(self) -> list[Subscription]:
        return [each for all_of_one in self._subscriptions.values() for each in all_of_one]

    async def _end_handlers(self, tasks: set[asyncio.Task[None]]) -> None:
        """Let handlers take what has arrived, then end their tasks."""
        if not tasks:
            return
        try:
            _, late = await asyncio.wait(tasks, timeout=_HANDLER_GRACE)
            dropped = sum(self._handler_tasks[each].waiting for each in late if each in self._handler_tasks)
            if late:
                what = f"{len(late)} handlers did not end after close(); {dropped} messages were not handled"
                self.report(ClientError("connection_lost", what))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _response_received(self, message: Message) -> None:
        answered = message.reply_to
        if answered is not None and answered.startswith(_PING):
            self._connection.heartbeat.answered(answered)
            return
        if answered is not None and self._requests.resolve(answered, message):
            return
        error = message.error
        if error is None or (answered is not None and not answered.startswith(_ONE_WAY)):
            return  # REQ-017
        if answered is None and error.code in FATAL_CODES and self._connection.link is not None:
            self._connection.link.fail(error)  # about the connection (ERR-002)
        else:
            self.report(error)

    def _open_link(self) -> Link:
        if self._connection.link is None:
            what = f"no open connection to {self._options.address}"
            raise ClientError("not_connected", f"{what}: call connect(), or wait until the client has come back")
        return self._connection.link

    def _make_frame(self, link: Link, message_id: str, channel: str, kind: MessageType, payload: Any) -> bytes:
        app_id = self._options.app_id  # ENV-012
        return make_frame(
            app_id, message_id, channel, kind, payload, max_bytes=link.max_bytes, max_depth=link.max_depth
        )

    async def _send_one_way(self, channel: str, kind: MessageType, payload: Any) -> None:
        check_channel(channel)
        link = self._open_link()
        await link.send(self._make_frame(link, f"{_ONE_WAY}{self._ids.next()}", channel, kind, payload))

    def _tell(self, kind: MessageType, channel: str) -> None:
        """Send a subscribe or unsubscribe, if there is a connection; the next one gets all subscriptions anyway."""
        if (link := self._connection.link) is None:
            return
        payload = {"connection_id": self.connection_id}
        try:
            link.send_at_once(self._make_frame(link, f"{_ONE_WAY}{self._ids.next()}", channel, kind, payload))
        except ClientError as error:
            self.report(error)

    def _send_ping(self, link: Link) -> str:
        message_id = f"{_PING}{self._ids.next()}"
        payload = {"action": "ping", "connection_id": self.connection_id}
        link.send_at_once(self._make_frame(link, message_id, SYSTEM, "request", payload))
        return message_id
