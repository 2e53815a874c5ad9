"""Subscriptions: messages of a channel that wait for their consumer, within bounds."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Protocol, Self

from reference_server.client.errors import ClientError
from reference_server.client.messages import Message

MOST_WAITING: Final = 10_000
"""How many messages may wait for one consumer. One read of a socket brings at most about 2000 short ones."""


class Owner(Protocol):
    """The client, which tells the server about subscriptions."""

    async def room(self) -> None:
        """Wait while too much waits for the server."""

    def add_subscription(self, subscription: Subscription) -> None:
        """Send a subscribe if this is the first subscription of its channel."""

    def remove_subscription(self, subscription: Subscription) -> None:
        """Send an unsubscribe if this was the last one."""


class Subscription:
    """The messages of a channel: publishes and notifications (SUB-019). `Client.subscribe` makes it.

    ``async with`` begins and ends it, and ``async for`` gives its messages. It outlives losses of the connection
    (SUB-020). Its loop ends when the client is closed, after the messages that had arrived.

    The loop raises `ClientError` in two situations. Another loop over the same subscription can follow.

    - `buffer_full`: more messages waited than allowed, and the next ones were dropped. The text says how many. The
      messages before the gap were delivered; those after it follow.
    - Otherwise: the connection was lost and the client does not try to connect any more. The code says why.

    Args:
        owner: The client.
        channel: The channel.
        max_waiting: How many messages may wait.
        max_bytes: How many octets their frames may have.
    """

    def __init__(self, owner: Owner, channel: str, max_waiting: int, max_bytes: int) -> None:
        self.channel = channel
        self._owner = owner
        self._max_waiting = max_waiting
        self._max_bytes = max_bytes
        self._waiting: deque[tuple[Message | ClientError, int]] = deque()
        self._octets = 0
        self._gap = 0  # messages dropped since the last one that was kept
        self._arrived = asyncio.Event()
        self._active = False
        self._ended = False

    async def __aenter__(self) -> Self:
        await self._owner.room()
        self.begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cancel()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        if not self._active and not self._ended:
            raise RuntimeError("use `async with` on a subscription before `async for`")
        while not self._waiting:
            if self._gap:
                self._tell_gap()
                break
            if self._ended:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        item, size = self._waiting.popleft()
        self._octets -= size
        if isinstance(item, ClientError):
            raise item
        return item

    @property
    def waiting(self) -> int:
        """How many messages wait for their consumer."""
        return len(self._waiting)

    def begin(self) -> None:
        """Begin the subscription.

        Raises:
            RuntimeError: It was begun before.
        """
        if self._active or self._ended:
            raise RuntimeError("a subscription can be entered only once")
        self._active = True
        self._owner.add_subscription(self)

    def cancel(self) -> None:
        """End the subscription; messages that wait are dropped."""
        self._owner.remove_subscription(self)
        self._waiting.clear()
        self._octets = self._gap = 0
        self.end()

    # What the client calls

    def put(self, message: Message, size: int) -> None:
        """Take a message, unless too many wait."""
        is_full = len(self._waiting) >= self._max_waiting or self._octets + size > self._max_bytes
        if is_full and self._waiting:
            self._gap += 1
            return
        self._tell_gap()
        self._waiting.append((message, size))
        self._octets += size
        self._arrived.set()

    def fail(self, error: ClientError) -> None:
        """Tell the consumer that nothing follows unless the client connects again."""
        self._tell_gap()
        self._waiting.append((ClientError(error.code, str(error)), 0))
        self._arrived.set()

    def end(self) -> None:
        """End it; messages that wait are still delivered."""
        self._ended = True
        self._arrived.set()

    def _tell_gap(self) -> None:
        """Let an error wait in the place of the messages that were dropped, if any were."""
        if self._gap:
            text = f"{self._gap} messages of channel {self.channel!r} were dropped: the consumer is too slow"
            self._waiting.append((ClientError("buffer_full", text), 0))
            self._gap = 0


Handler = Callable[[Message], Awaitable[object] | object]
"""A function or a coroutine function that takes a message."""


async def run_handler(subscription: Subscription, handler: Handler, report: Callable[[Exception], None]) -> None:
    """Call a handler with each message of a subscription, one after the other, until it ends.

    What the handler raises is reported, and the next message follows.
    """
    while True:
        try:
            message = await anext(subscription)
        except StopAsyncIteration:
            return
        except ClientError as error:
            if error.code == "buffer_full":
                report(error)  # every other one was reported when it occurred
            continue
        try:
            result = handler(message)
            if isinstance(result, Awaitable):
                await result
        except asyncio.CancelledError as error:
            # The handler may have awaited a task that was cancelled.
            if (task := asyncio.current_task()) is None or task.cancelling():
                raise
            report(RuntimeError(f"handler of channel {subscription.channel!r} was cancelled: {error}"))
        except Exception as error:  # noqa: BLE001 - whatever a user's handler raises
            report(error)
