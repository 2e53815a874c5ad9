"""The connection of a client: one link after another, with attempts to connect again between them."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import uuid
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

from reference_server.client.errors import FINAL_CODES, ClientError
from reference_server.client.heartbeat import Heartbeat
from reference_server.client.info import Status
from reference_server.client.link import Link
from reference_server.client.messages import Message, UnusableMessageError, make_connect
from reference_server.client.options import Options
from reference_server.protocol.messages import MessageIds

_LEAST_OPEN: Final = 1.0
"""How long a connection must last to count as a success, in seconds: some servers acknowledge and close at once."""


class ConnectionWatcher(Protocol):
    """The owner of a connection. Its methods raise nothing."""

    def connection_opened(self) -> None:
        """Use the connection."""

    def connection_lost(self, error: ClientError, final: bool) -> None:
        """Take the reason why the open connection was lost; `final` if no attempt to connect again follows."""

    def connection_given_up(self, error: ClientError) -> None:
        """Take the reason why no further attempt to connect again is made."""

    def message_received(self, message: Message, size: int) -> None:
        """Take a message, whose frame has `size` octets."""

    def message_dropped(self, error: UnusableMessageError) -> None:
        """Take the reason why a message was dropped."""

    def report(self, error: Exception) -> None:
        """Tell the user about an error that nobody else is told."""


class Connection:
    """Connects, watches the open link with a heartbeat, and connects again after a loss.

    Args:
        options: The options of the client.
        ids: Makes the ids of messages.
        ping: Sends a ping for the heartbeat.
        watcher: The owner.

    Attributes:
        connection_id: The name that the connect message gives the client.
        link: The open link, or None.
        acknowledgement: The payload of the server's acknowledgement; empty while there is no open link.
        closings: How often the owner has ended it.
        given_up: Why no attempt to connect again is made any more; None while there may be one.
    """

    def __init__(
        self, options: Options, ids: MessageIds, ping: Callable[[Link], str], watcher: ConnectionWatcher
    ) -> None:
        self._options = options
        self._ids = ids
        self._watcher = watcher
        self._opening: Link | None = None
        self._turn = asyncio.Lock()
        self._series: asyncio.Task[None] | None = None
        self._failures = 0  # in a row, of attempts in a series
        self._is_in_series = False  # whether the latest attempt was made by a series
        self._opened_at = 0.0
        self._is_deployed = False
        self.closings = 0
        self.heartbeat = Heartbeat(options.heartbeat_interval, ping)
        self.connection_id = str(uuid.uuid4())
        self.link: Link | None = None
        self.acknowledgement: dict[str, Any] = {}
        self.given_up: ClientError | None = None

    @property
    def status(self) -> Status:
        """The state of the connection."""
        if self.link is not None:
            return "connected"
        if self._is_coming_back:
            return "reconnecting"
        return "disconnected" if self._opening is None else "connecting"

    async def open(self) -> None:
        """Make one attempt to connect, in place of a series that is under way; raises like `Link.open`.

        Without success in place of a series, no further attempt is made.
        """
        closings = self.closings
        async with self._turn:
            if closings != self.closings:
                raise ClientError("aborted", "the connection was closed before it was made")
            replaces = self._is_coming_back
            try:
                await self._end_series()
                if self.link is None:
                    self._failures, self._is_in_series = 0, False
                    await self._attempt()
            except (ClientError, asyncio.CancelledError) as error:
                if replaces and closings == self.closings and self.given_up is None and not self._is_coming_back:
                    cancelled = ClientError("aborted", "connect() was cancelled, which took the place of the attempts")
                    self._give_up(error if isinstance(error, ClientError) else cancelled)
                raise

    async def end_attempts(self) -> None:
        """End the attempt to connect, or the series of attempts."""
        self.closings += 1
        if self._opening is not None:
            self._opening.abort()
        await self._end_series()

    def forget_link(self) -> Link | None:
        """Use the open link no more, and return it; None if there is none."""
        link, self.link = self.link, None
        if link is not None:
            self.heartbeat.stop()
            self.acknowledgement = {}
        return link

    # What links call

    def link_opened(self, link: Link, acknowledgement: dict[str, Any]) -> None:
        """Use a link. The attempt and the series that made it are over: neither ends it any more."""
        self.link, self.acknowledgement, self.given_up = link, acknowledgement, None
        self._opening = self._series = None
        self._is_deployed = "protocol" not in acknowledgement
        self._opened_at = asyncio.get_running_loop().time()
        self.heartbeat.start(link, may_be_silent=self._is_deployed)
        self._watcher.connection_opened()

    def link_lost(self, link: Link, error: ClientError) -> None:
        """Begin to connect again, unless that cannot help (HSK-026)."""
        if self.link is not link:
            return
        self.forget_link()
        self._count_loss()
        final = error.code in FINAL_CODES or self._options.reconnect_attempts == 0
        if final:
            self.given_up = error
        else:
            self._series = spawn(self._come_back())
        self._watcher.connection_lost(error, final)

    def message_received(self, message: Message, size: int) -> None:
        """Pass a message on."""
        self._watcher.message_received(message, size)

    def message_dropped(self, error: UnusableMessageError) -> None:
        """Pass on why a message was dropped."""
        self._watcher.message_dropped(error)

    # Inside

    @property
    def _is_coming_back(self) -> bool:
        """Whether a series of attempts is under way."""
        return self._series is not None and not self._series.done()

    async def _attempt(self) -> None:
        if self._is_deployed:
            self.connection_id = str(uuid.uuid4())
        options = self._options
        hello = make_connect(options.app_id, self._ids.next(), self.connection_id, options.token)
        link = self._opening = Link(options, hello, self)
        try:
            await link.open()
        except asyncio.CancelledError:
            # It may have been acknowledged at the same moment.
            if self.link is link:
                self._end_cancelled(link)
            raise
        finally:
            if self._opening is link:
                self._opening = None

    def _end_cancelled(self, link: Link) -> None:
        """End a link whose attempt was cancelled when it had just succeeded; only a series has a replacement."""
        self.forget_link()
        link.abort()
        ended = ClientError("aborted", "the attempt to connect was ended when it had just succeeded")
        final = not self._is_in_series
        if final:
            self.given_up = ended
        self._watcher.connection_lost(ended, final)

    async def _come_back(self) -> None:
        most = self._options.reconnect_attempts
        while most is None or self._failures < most:
            await asyncio.sleep(self._delay())
            self._is_in_series = True
            try:
                await self._attempt()
            except ClientError as error:
                self._failures += 1
                self._watcher.report(error)
                if error.code in FINAL_CODES:
                    self._give_up(error)
                    return
            else:
                return
        gave_up = ClientError("reconnect_failed", f"gave up after {self._failures} attempts to connect again")
        self._watcher.report(gave_up)
        self._give_up(gave_up)

    def _count_loss(self) -> None:
        """Count a link of a series that did not last as a failed attempt."""
        lived = asyncio.get_running_loop().time() - self._opened_at
        is_failure = self._is_in_series and lived < max(self._options.reconnect_delay, _LEAST_OPEN)
        self._failures = self._failures + 1 if is_failure else 0

    def _delay(self) -> float:
        first, longest = self._options.reconnect_delay, self._options.reconnect_max_delay
        doubled = math.ldexp(first, min(self._failures, 32))
        return min(doubled, max(first, longest / 2)) * random.uniform(1, 2)

    async def _end_series(self) -> None:
        series, self._series = self._series, None
        if series is not None and series is not asyncio.current_task():
            series.cancel()
            await asyncio.wait({series})

    def _give_up(self, error: ClientError) -> None:
        self.given_up = error
        self._watcher.connection_given_up(error)


def spawn(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Run a coroutine in a task whose unexpected exception is passed to the handler of the event loop."""
    task = asyncio.get_running_loop().create_task(work)
    task.add_done_callback(_look_at)
    return task


def _look_at(task: asyncio.Task[None]) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        if (error := task.exception()) is not None:
            context = {"message": "a task of the client failed", "exception": error, "task": task}
            task.get_loop().call_exception_handler(context)
