"""The handlers that run for one connection."""

from __future__ import annotations

import asyncio
import functools
import logging
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from reference_server.handlers import Handler, HandlerFailedError, Request
from reference_server.network.eager_tasks import EagerTasks
from reference_server.network.handler_threads import HandlerThreads
from reference_server.network.turns import Turns
from reference_server.protocol.connection import Connection
from reference_server.protocol.errors import ErrorCode
from reference_server.protocol.events import NotificationReceived, ProfileRequestReceived, RequestReceived

# What a task and its request take besides the octets of the payload, about.
TASK_BYTES: Final = 4096

_log = logging.getLogger("reference_server")


class _Failures:
    """The number of failures for one request, and the first of them."""

    def __init__(self) -> None:
        self.count = 0
        self.first: BaseException | None = None

    def note(self, error: BaseException) -> None:
        """Count a failure."""
        if not self.count:
            self.first = error
        self.count += 1


class HandlerRunner:
    """Runs handlers and answers with what they return.

    Attributes:
        load: Octets that the messages in handlers take, about.
    """

    def __init__(  # noqa: PLR0917 - what every connection needs
        self,
        connection: Connection,
        session: int,
        threads: HandlerThreads,
        turns: Turns,
        load_changed: Callable[[], None],
        threads_at_a_time: int,
    ) -> None:
        self.load = 0
        self._connection = connection
        self._session = session
        self._threads = threads
        self._load_changed = load_changed
        # Weak, as it would be a reference cycle; a handler that runs keeps this object alive.
        cancel_if_ended = weakref.WeakMethod(self._cancel_if_ended)
        self._tasks = EagerTasks(lambda task: _call_if_alive(cancel_if_ended(), task), turns.give_way)
        self._requests: set[asyncio.Task[None]] = set()  # that wait for something
        self._notifications: set[asyncio.Task[None]] = set()  # likewise
        self._waiting: set[asyncio.Task[None]] = set()  # those of both that wait for their turn to start
        self._turn = asyncio.Lock()
        self._places = asyncio.Semaphore(threads_at_a_time)
        self._ended = False

    def start_request(self, handler: Handler, event: RequestReceived, drop: Callable[[], object]) -> None:
        """Start a handler after those started before (REQ-009)."""
        weight = event.size + TASK_BYTES
        if type(event) is ProfileRequestReceived:
            weight += TASK_BYTES * (event.at_a_time - 1)
        self.load += weight
        self._tasks.start(self._run_request(handler, event, drop, weight), self._requests)

    def start_notification(self, handler: Handler, event: NotificationReceived, drop: Callable[[], object]) -> None:
        """Start the handler of a notification after those started before (NTF-003)."""
        self.load += event.size + TASK_BYTES
        self._tasks.start(self._run_notification(handler, event, drop), self._notifications)

    def cancel_requests(self) -> None:
        """Cancel the handlers of requests, because the connection has ended; waiting ones are cancelled as they start.

        Handlers of notifications go on: the client left, and its notifications still count (NTF-002).
        """
        self._ended = True
        for task in list(self._requests):
            self._cancel_if_ended(task)

    def cancel_all(self) -> None:
        """End every handler, because the server stops."""
        for task in self._requests | self._notifications:
            task.cancel()

    def release(self) -> None:
        """Forget the owner, which no longer has a transport; handlers that still run go on."""
        self._load_changed = _nothing

    def _cancel_if_ended(self, task: asyncio.Task[None]) -> None:
        if self._ended and task in self._requests and task not in self._waiting:
            task.cancel()

    async def _run_request(
        self, handler: Handler, event: RequestReceived, drop: Callable[[], object], weight: int
    ) -> None:
        try:
            request = self._request(event, drop)
            if type(event) is RequestReceived:
                payload = await self._call(handler, request)
            else:
                payload = await self._payload_of_profile(handler, event, request)
            self._connection.answer(event, payload)
        except asyncio.CancelledError:
            self._connection.refuse(event, ErrorCode.HANDLER_FAILED, "the handler was cancelled")
        except HandlerFailedError as failure:  # logged already
            self._connection.refuse(event, ErrorCode.HANDLER_FAILED, str(failure))
        except BaseException as error:
            if _ends_more_than_the_handler(error):
                raise
            self._log_failure(event, error)
            # The client learns nothing of the reason (REQ-014).
            self._connection.refuse(event, ErrorCode.HANDLER_FAILED, str(HandlerFailedError(event.channel_id)))
        finally:
            self._finish(weight)

    async def _payload_of_profile(self, handler: Handler, event: RequestReceived, request: Request) -> Any:
        assert isinstance(event, ProfileRequestReceived)  # noqa: S101 - for the type checker; there is no third kind
        failures = _Failures()
        try:
            run_handler = functools.partial(self._call_for_profile, handler, event, request, failures)
            return await event.answer(event.content, run_handler)
        finally:
            if failures.count:
                self._log_failure(event, failures.first, failures.count)
            # The exception refers to the failures through its traceback.
            failures.first = None

    async def _call_for_profile(
        self, handler: Handler, event: RequestReceived, request: Request, failures: _Failures, payload: Any
    ) -> Any:
        """Call a handler with a payload that a profile took from a request.

        Raises:
            HandlerFailedError: The handler failed.
        """
        try:
            return await self._call(handler, msgspec.structs.replace(request, payload=payload))
        except BaseException as error:
            if _ends_more_than_the_handler(error):
                raise
            failures.note(error)
            raise HandlerFailedError(event.channel_id) from None

    async def _run_notification(
        self, handler: Handler, event: NotificationReceived, drop: Callable[[], object]
    ) -> None:
        try:
            await self._call(handler, self._request(event, drop), to_its_end=True)
        except BaseException as error:
            if _ends_more_than_the_handler(error):
                raise
            self._log_failure(event, error)
        finally:
            self._finish(event.size + TASK_BYTES)

    def _request(self, event: RequestReceived | NotificationReceived, drop: Callable[[], object]) -> Request:
        connection = self._connection
        return Request(
            event.payload,
            connection.app_id,
            event.channel_id,
            event.message_id,
            connection.connection_id,
            self._session,
            drop,
        )

    def _log_failure(
        self, event: RequestReceived | NotificationReceived, error: BaseException | None, count: int = 1
    ) -> None:
        """Log one record for a message, whatever the number of its failures."""
        place = (event.channel_id, self._connection.app_id)
        if count == 1:
            _log.error("handler of channel %r in application %r failed", *place, exc_info=error)
        else:
            text = "handler of channel %r in application %r failed %d times for one request"
            _log.error(text, *place, count, exc_info=error)

    def _finish(self, weight: int) -> None:
        self.load -= weight
        self._load_changed()

    def _call(self, handler: Handler, request: Request, *, to_its_end: bool = False) -> Awaitable[Any]:
        if handler.in_thread or self._waiting:
            return self._call_in_turn(handler, request, to_its_end)
        outcome: Awaitable[Any] = handler.function(request)
        return outcome

    async def _call_in_turn(self, handler: Handler, request: Request, to_its_end: bool) -> Any:
        """Call a handler after earlier ones that still wait for a thread (REQ-009).

        With `to_its_end` no later handler starts before a plain one has returned: two threads that were started in
        order still race to what they do first, which would reorder notifications (NTF-003).
        """
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker
        outcome = None
        self._waiting.add(task)
        try:
            async with self._turn:
                if handler.in_thread:
                    outcome = await self._in_thread(handler, request)
                    if to_its_end:
                        await asyncio.wait([outcome])
        finally:
            self._waiting.discard(task)
        self._cancel_if_ended(task)
        try:
            return await (outcome or handler.function(request))
        finally:
            # An exception refers to this frame through its traceback, and the outcome to the exception.
            outcome = None

    async def _in_thread(self, handler: Handler, request: Request) -> asyncio.Future[Any]:
        """Begin a call in a thread, as soon as the connection may have one more."""
        await self._places.acquire()
        try:
            return await self._threads.start(handler.function, request, self._places.release)
        except BaseException:  # it has not begun
            self._places.release()
            raise


def _ends_more_than_the_handler(error: BaseException) -> bool:
    """Return true if an exception is the business of the event loop: it was thrown into the handler, or is Ctrl-C."""
    if isinstance(error, GeneratorExit):  # also thrown into coroutines that an ended loop has left behind
        return asyncio._get_running_loop() is None
    return isinstance(error, asyncio.CancelledError | KeyboardInterrupt)


def _call_if_alive(method: Callable[[asyncio.Task[None]], None] | None, task: asyncio.Task[None]) -> None:
    if method is not None:
        method(task)


def _nothing() -> None:
    pass
