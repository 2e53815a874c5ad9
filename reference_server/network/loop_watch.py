"""Notices that the event loop is blocked, such as by an `async` handler that computes for seconds, and logs where."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import Final

BLOCKED_SECONDS: Final = 1.0
"""How long the loop serves nobody before that is logged; a loop that has much to do still turns in milliseconds."""

# Calls that are logged, the innermost ones.
CALLS: Final = 5

# Where a loop waits for events: with selectors, and on Windows.
_WAITING: Final = ("selectors.py", "windows_events.py")

_log = logging.getLogger("reference_server")


class LoopWatch:
    """A thread that asks the running event loop for a sign of life every second.

    Made in the loop's own thread; `close` ends it.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._alive = threading.Event()
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="loop-watch", daemon=True).start()

    def close(self) -> None:
        """Let the thread end."""
        self._closed.set()
        self._alive.set()

    def _watch(self) -> None:
        while not self._closed.wait(BLOCKED_SECONDS):
            self._alive.clear()
            asked = time.monotonic()
            try:
                self._loop.call_soon_threadsafe(self._alive.set)
            except RuntimeError:  # the loop was closed
                return
            if not self._alive.wait(BLOCKED_SECONDS) and not self._closed.is_set():
                self._tell(asked)

    def _tell(self, asked: float) -> None:
        """Log where the loop is blocked, and, as soon as it is not any more, for how long it was."""
        place = _place(sys._current_frames().get(self._loop_thread))
        if place is None:
            return
        _log.warning("for %g s nobody has been served; the event loop is blocked in %s", BLOCKED_SECONDS, place)
        self._alive.wait()
        if not self._closed.is_set():
            _log.warning("the event loop was blocked for %.1f s", time.monotonic() - asked)


def _place(frame: FrameType | None) -> str | None:
    """Return the innermost calls of a thread, innermost first.

    None if it waits for events: then the loop is not blocked, but the process was suspended.
    """
    calls = traceback.extract_stack(frame)[: -CALLS - 1 : -1] if frame else []
    if not calls or Path(calls[0].filename).name in _WAITING:
        return None
    return " < ".join(f"{call.name} ({call.filename}:{call.lineno})" for call in calls)
