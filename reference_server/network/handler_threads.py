"""Threads for plain handlers, so that they never block the event loop (REQ-010)."""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class _Job:
    call: Callable[[], Any]
    outcome: asyncio.Future[Any]


class HandlerThreads:
    """Runs functions in at most `count` threads, begun in the order in which they were given.

    The threads are daemons: a handler that never returns must not keep the process from ending, which is why this is
    not a `concurrent.futures.ThreadPoolExecutor`. Made and used in a running event loop.
    """

    def __init__(self, count: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._slots = asyncio.Semaphore(count)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads = 0
        self._idle = 0

    async def start(self, function: Callable[[Any], Any], argument: object) -> asyncio.Future[Any]:
        """Wait for a thread and begin the call in it; the future is its outcome.

        Cancelling the future abandons the call, but no thread can be stopped: it stays busy until the call returns.
        """
        await self._slots.acquire()
        context = contextvars.copy_context()
        outcome: asyncio.Future[Any] = self._loop.create_future()
        if self._idle:
            self._idle -= 1
        else:
            self._threads += 1
            threading.Thread(target=self._work, name=f"handler-{self._threads}", daemon=True).start()
        self._jobs.put(_Job(lambda: context.run(function, argument), outcome))
        return outcome

    def close(self) -> None:
        """Let every thread end once its call returns."""
        for _ in range(self._threads):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            result, error = _call(job.call)
            try:
                self._loop.call_soon_threadsafe(self._finish, job.outcome, result, error)
            except RuntimeError:
                return  # the loop was closed meanwhile; nobody waits any more
            # An idle thread keeps no request; and the traceback of an exception refers to this frame.
            del job, result, error

    def _finish(self, outcome: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
        self._idle += 1
        self._slots.release()
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
