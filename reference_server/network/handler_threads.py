"""Threads for plain handlers, so that they never block the event loop (REQ-010)."""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

# Of all connections together. A thread whose connection has gone stays busy, so clients that come back again and again
# must not get ever more of them. As many take less memory than one long message.
MOST_THREADS: Final = 1000

# Threads that are kept for the next calls; the others end (LIM-017).
KEPT_THREADS: Final = 32


@dataclass(frozen=True, slots=True)
class _Job:
    call: Callable[[], Any]
    outcome: asyncio.Future[Any]
    on_end: Callable[[], object]


class HandlerThreads:
    """Runs functions in threads, begun in the order in which they were given.

    How many a connection may have is its own affair: those of one must not have to wait for those of another (REQ-010).

    The threads are daemons: a handler that never returns must not keep the process from ending, which is why this is
    not a `concurrent.futures.ThreadPoolExecutor`. Made and used in a running event loop.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._slots = asyncio.Semaphore(MOST_THREADS)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads = 0
        self._idle = 0

    async def start(
        self, function: Callable[[Any], Any], argument: object, on_end: Callable[[], object]
    ) -> asyncio.Future[Any]:
        """Wait for a thread and begin the call in it; the future is its outcome.

        Cancelling the future abandons the call, but no thread can be stopped: it stays busy until the call returns, and
        then `on_end` is called in the event loop.

        Raises:
            RuntimeError: The system has no more threads.
        """
        await self._slots.acquire()
        context = contextvars.copy_context()
        outcome: asyncio.Future[Any] = self._loop.create_future()
        if self._idle:
            self._idle -= 1
        else:
            try:
                threading.Thread(target=self._work, name=f"handler-{self._threads + 1}", daemon=True).start()
            except RuntimeError:
                self._slots.release()
                raise
            self._threads += 1
        self._jobs.put(_Job(lambda: context.run(function, argument), outcome, on_end))
        return outcome

    def close(self) -> None:
        """Let every thread end once its call returns."""
        for _ in range(self._threads):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            result, error = _call(job.call)
            try:
                self._loop.call_soon_threadsafe(self._finish, job, result, error)
            except RuntimeError:
                return  # the loop was closed meanwhile; nobody waits any more
            # An idle thread keeps no request; and the traceback of an exception refers to this frame.
            del job, result, error

    def _finish(self, job: _Job, result: Any, error: BaseException | None) -> None:
        if self._idle < KEPT_THREADS:
            self._idle += 1
        else:
            self._threads -= 1
            self._jobs.put(None)  # which this thread or another one takes
        self._slots.release()
        job.on_end()
        outcome = job.outcome
        if outcome.done():
            return
        if error is None:
            outcome.set_result(result)
        else:
            outcome.set_exception(error)


def _call(call: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    # Tracebacks refer to this frame, so it must not know the outcome: that would be a reference cycle.
    try:
        return call(), None
    except (asyncio.CancelledError, StopIteration, KeyboardInterrupt, SystemExit, GeneratorExit) as error:
        # A future cannot hold the second. The others would end more than the handler: signals reach only the main
        # thread, so in this one they are a mistake of the handler.
        wrapped = RuntimeError(f"the handler raised {type(error).__name__}")
        wrapped.__cause__ = error
        return None, wrapped
    except BaseException as error:  # noqa: BLE001 - whatever it is belongs to whoever awaits the outcome
        return None, error
