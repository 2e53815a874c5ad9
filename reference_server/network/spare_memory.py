"""Memory that is free inside of the process and not in the system."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from typing import Final

from reference_server import allocator
from reference_server.protocol.limits import MIB

# A busy server uses freed memory again within this time, in seconds.
_DELAY: Final = 1.0

# Less than this is not worth it, in octets.
_LEAST: Final = MIB

# What giving memory back may take of the time of the event loop, and what a collection may take of it.
_SHARE: Final = 0.01
_COLLECTING_SHARE: Final = 0.001


class SpareMemory:
    """Gives free memory back to the system a while after much was freed. Made in a running event loop.

    Args:
        is_quiet: Returns true if few objects are in use.
    """

    def __init__(self, is_quiet: Callable[[], bool]) -> None:
        self._loop = asyncio.get_running_loop()
        self._is_quiet = is_quiet
        self._delay = _DELAY
        self._freed = 0
        self._is_due = False
        self._next_collection = 0.0

    def note_freed(self, octets: int) -> None:
        """Take note that so much was freed, about."""
        self._freed += octets
        if self._freed >= _LEAST and not self._is_due:
            self._is_due = True
            self._loop.call_later(self._delay, self._give_back)

    def _give_back(self) -> None:
        self._freed = 0
        self._is_due = False
        # CPython keeps some freed objects for the next ones of their type. Each keeps a whole arena of 1 MiB from being
        # returned, until a full collection. Without frozen objects, that one would look at everything in the process.
        if gc.get_freeze_count() and self._is_quiet() and self._loop.time() >= self._next_collection:
            self._next_collection = self._loop.time() + _seconds_of(gc.collect) / _COLLECTING_SHARE
        self._delay = max(_DELAY, _seconds_of(allocator.return_free_memory) / _SHARE)


def _seconds_of(act: Callable[[], object]) -> float:
    began = time.thread_time()
    act()
    return time.thread_time() - began
