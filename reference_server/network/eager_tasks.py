"""Coroutines in tasks, without a task for each."""

from __future__ import annotations

import asyncio
import time
import types
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import Context, copy_context
from typing import Any, Final

from reference_server.network.turns import SLICE

# The clock is looked at after so many coroutines.
_LOOK: Final = 8

_Waiting = set[asyncio.Task[None]]


class EagerTasks:
    """Starts coroutines in order, one after the other in one task, for as long as none of them waits.

    One that waits keeps the task for itself, and another task takes over the rest. A coroutine that never waits,
    as most handlers, costs no task, and yet `asyncio.current_task`, timeouts and cancellation mean in each of them
    what they should; each has a context of its own. A task per coroutine would take a third of the server's rate.

    Args:
        on_wait: Called with its task when a coroutine waits for the first time.
        give_way: Awaited between two coroutines when those that were started took long enough.
    """

    def __init__(self, on_wait: Callable[[asyncio.Task[None]], None], give_way: Callable[[], Awaitable[None]]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_wait = on_wait
        self._give_way = give_way
        self._queue: deque[tuple[Coroutine[Any, Any, None], _Waiting]] = deque()
        self._runner: asyncio.Task[None] | None = None

    def start(self, coroutine: Coroutine[Any, Any, None], waiting: set[asyncio.Task[None]]) -> None:
        """Start a coroutine in this turn of the event loop or the next.

        Args:
            coroutine: It must handle its own exceptions.
            waiting: A set that holds the coroutine's task from its first wait to its end.
        """
        self._queue.append((coroutine, waiting))
        if self._runner is None:
            self._runner = self._loop.create_task(self._run())

    async def _run(self) -> None:
        task = self._runner
        assert task is not None  # noqa: S101 - for the type checker; it runs in just this task
        try:
            queue = self._queue
            end = time.perf_counter() + SLICE if len(queue) > _LOOK else 0
            look = _LOOK  # after so many coroutines, at the clock
            while queue and self._runner is task and not task.cancelling():
                if not look:
                    look = _LOOK
                    if time.perf_counter() > end:
                        await self._give_way()
                        end = time.perf_counter() + SLICE
                look -= 1
                coroutine, waiting = queue.popleft()
                await self._drive(coroutine, copy_context(), task, waiting)
        finally:
            if self._runner is task:
                self._hand_over()

    def _hand_over(self) -> None:
        self._runner = self._loop.create_task(self._run()) if self._queue else None

    @types.coroutine
    def _drive(
        self, coroutine: Coroutine[Any, Any, None], context: Context, task: asyncio.Task[None], waiting: _Waiting
    ) -> Generator[Any, Any, None]:
        """Do what `await coroutine` does, in a context, and see when it waits."""
        step: Callable[[Any], Any] = coroutine.send
        awaited: Any = None
        value: Any = None
        try:
            while True:
                awaited = context.run(step, value)
                if self._runner is task:
                    self._hand_over()
                    waiting.add(task)
                    self._on_wait(task)
                try:
                    step, value = coroutine.send, (yield awaited)
                except BaseException as error:  # noqa: BLE001 - belongs to the coroutine
                    step, value = coroutine.throw, error
        except StopIteration:
            return
        finally:
            waiting.discard(task)
            del step, value, awaited  # an exception refers to this frame through its traceback
