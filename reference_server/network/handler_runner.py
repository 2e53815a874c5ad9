"""The handlers that run for one connection."""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from reference_server.handlers import Handler, HandlerFailedError, Request
from reference_server.network.eager_tasks import EagerTasks
from reference_server.network.handler_threads import HandlerThreads
from reference_server.protocol.connection import Connection
from reference_server.protocol.errors import ErrorCode
from reference_server.protocol.events import NotificationReceived, ProfileRequestReceived, RequestReceived

# What a task and its request take besides the octets of the payload, about.
TASK_BYTES: Final = 4096

# Failures of one request that are logged with their traceback; the others are counted.
LOGGED_FAILURES: Final = 3

_log = logging.getLogger("reference_server")


class HandlerRunner:
    """Runs handlers and answers with what they return.

    Attributes:
        load: Octets that the messages in handlers take, about.
    """

    def __init__(
        self, connection: Connection, session: int, threads: HandlerThreads, load_changed: Callable[[], None]
    ) -> None:
        self.load = 0
        self._connection = connection
        self._session = session
        self._threads = threads
        self._load_changed = load_changed
        # Weak, as it would be a reference cycle; a handler that runs keeps this object alive.
        cancel_if_ended = weakref.WeakMethod(self._cancel_if_ended)
        self._tasks = EagerTasks(lambda task: _call_if_alive(cancel_if_ended(), task))
        self._requests: set[asyncio.Task[None]] = set()  # that wait for something
        self._notifications: set[asyncio.Task[None]] = set()  # likewise
        self._waiting: set[asyncio.Task[None]] = set()  # those of both that wait for their turn to start
        self._turn = asyncio.Lock()
        self._ended = False

    def start_request(self, handler: Handler, event: RequestReceived, drop: Callable[[], object]) -> None:
        """Start a handler after those started before (REQ-009)."""
        self.load += _weight(event)
        self._tasks.start(self._run_request(handler, event, drop), self._requests)

    def start_notification(self, handler: Handler, event: NotificationReceived, drop: Callable[[], object]) -> None:
        """Start the handler of a notification after those started before (NTF-003)."""
        self.load += _weight(event)
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

    async def _run_request(self, handler: Handler, event: RequestReceived, drop: Callable[[], object]) -> None:
        try:
            self._connection.answer(event, await self._payload(handler, event, drop))
        except asyncio.CancelledError:
            self._connection.refuse(event, ErrorCode.HANDLER_FAILED, "the handler was cancelled")
        except HandlerFailedError as failure:  # logged already
            self._connection.refuse(event, ErrorCode.HANDLER_FAILED, str(failure))
        except (Exception, SystemExit):  # noqa: BLE001 - whatever a handler raises
            self._log_failure(event)
            # The client learns nothing of the reason (REQ-014).
            self._connection.refuse(event, ErrorCode.HANDLER_FAILED, str(HandlerFailedError(event.channel_id)))
        finally:
            self._finish(event)

    async def _payload(self, handler: Handler, event: RequestReceived, drop: Callable[[], object]) -> Any:
        request = self._request(event, drop)
        if not isinstance(event, ProfileRequestReceived):
            return await self._call(handler, request)
        failures = itertools.count(1)
        try:
            run_handler = functools.partial(self._call_for_profile, handler, event, request, failures)
            return await event.answer(event.content, run_handler)
        finally:
            if (unlogged := next(failures) - 1 - LOGGED_FAILURES) > 0:
                _log.error(
                    "handler of channel %r in application %r failed %d more times for one request",
                    event.channel_id,
                    self._connection.app_id,
                    unlogged,
                )

    async def _call_for_profile(
        self, handler: Handler, event: RequestReceived, request: Request, failures: Iterator[int], payload: Any
    ) -> Any:
        """Call a handler with a payload that a profile took from a request; `failures` counts those of the request.

        Raises:
            HandlerFailedError: The handler failed.
        """
        try:
            return await self._call(handler, msgspec.structs.replace(request, payload=payload))
        except (Exception, SystemExit):  # noqa: BLE001 - whatever a handler raises
            if next(failures) <= LOGGED_FAILURES:
                self._log_failure(event)
            raise HandlerFailedError(event.channel_id) from None

    async def _run_notification(
        self, handler: Handler, event: NotificationReceived, drop: Callable[[], object]
    ) -> None:
        try:
            await self._call(handler, self._request(event, drop), to_its_end=True)
        except (Exception, SystemExit):  # noqa: BLE001 - whatever a handler raises
            self._log_failure(event)
        finally:
            self._finish(event)

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

    def _log_failure(self, event: RequestReceived | NotificationReceived) -> None:
        _log.exception("handler of channel %r in application %r failed", event.channel_id, self._connection.app_id)

    def _finish(self, event: RequestReceived | NotificationReceived) -> None:
        self.load -= _weight(event)
        self._load_changed()

    async def _call(self, handler: Handler, request: Request, *, to_its_end: bool = False) -> Any:
        if handler.in_thread or self._waiting:
            return await self._call_in_turn(handler, request, to_its_end)
        return await handler.function(request)

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
                    outcome = await self._threads.start(handler.function, request)
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


def _call_if_alive(method: Callable[[asyncio.Task[None]], None] | None, task: asyncio.Task[None]) -> None:
    if method is not None:
        method(task)


def _nothing() -> None:
    pass


def _weight(event: RequestReceived | NotificationReceived) -> int:
    """Return what a message takes while it is in its handler, about, in octets."""
    calls = event.at_a_time if type(event) is ProfileRequestReceived else 1
    return event.size + TASK_BYTES * calls
