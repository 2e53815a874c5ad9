"""The time of the event loop, shared by connections that have much to do."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

# What one connection may do in a row, in seconds: hundreds of short messages. Shorter slices take a fifth of the rate,
# as less is read, written and run at a time.
SLICE: Final = 0.004

# What all connections that wait for their turn may do in a row.
_TURN: Final = 0.004

# In this many rounds of the event loop, a short message that arrives meanwhile is read, its handler is run, and its
# answer is sent.
_ROUNDS: Final = 3


class Turns:
    """Lets connections wait for each other, and for what others send meanwhile.

    Attributes:
        is_busy: Whether anybody waits.
    """

    def __init__(self) -> None:
        self.is_busy = False
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[Callable[[], object], float]] = deque()
        self._task: asyncio.Task[None] | None = None

    def wait(self, act: Callable[[], object]) -> None:
        """Call a function, which does not take much longer than `SLICE`, when it is its turn."""
        self._add(act, 0)

    async def give_way(self) -> None:
        """Wait for the next turn; the caller then does not work much longer than `SLICE`."""
        turn = asyncio.Event()
        self._add(turn.set, SLICE)
        await turn.wait()

    def _add(self, act: Callable[[], object], seconds: float) -> None:
        self._waiting.append((act, seconds))
        self.is_busy = True
        if self._task is None:
            self._task = self._loop.create_task(self._run(), name="turns")

    async def _run(self) -> None:
        try:
            while self._waiting:
                end = time.perf_counter() + _TURN
                # Whoever has more to do waits again, behind the others.
                while self._waiting and time.perf_counter() < end:
                    act, seconds = self._waiting.popleft()
                    act()
                    end -= seconds
                for _ in range(_ROUNDS):
                    await asyncio.sleep(0)
        finally:
            self._task = None
            self.is_busy = False
