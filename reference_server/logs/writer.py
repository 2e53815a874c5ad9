"""Writing lines to a descriptor without waiting for it."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final

# What waits for a reader of the log at most: many seconds at the rates at which lines are made.
MOST_LINES: Final = 1000
MOST_OCTETS: Final = 1024 * 1024

# Between two tries to write to a descriptor that is full and does not block, in seconds.
_RETRY: Final = 0.02
# Between two looks whether everything was written.
_LOOK: Final = 0.001


class Writer:
    """Writes lines in their order, from a thread of its own.

    The thread may be blocked in a write for ever. It is a daemon and holds no lock then, so that the process ends
    without it. It starts with the first line, as threads do not survive a fork.

    Args:
        descriptor: Where to write, or None for nowhere. If this number becomes another file, nothing is written to it.
        notice: Makes the line that tells of lines that were dropped.
        more: Returns lines that are due without a record, and the seconds until there may be some.
    """

    def __init__(
        self,
        descriptor: int | None,
        notice: Callable[[str], bytes],
        more: Callable[[], tuple[list[bytes], float | None]],
    ) -> None:
        self._descriptor = descriptor
        self._file = _file_of(descriptor)
        self._notice = notice
        self._more = more
        self.begin()

    def begin(self) -> None:
        """Begin without a line and a thread, also in a fork, where another thread may have held the lock."""
        # Reentrant: a signal handler or a finalizer may log while this thread has it.
        self._lock = threading.RLock()
        # A line, and how many lines are lost if it is.
        self._lines: SimpleQueue[tuple[bytes, int]] = SimpleQueue()
        self._waiting = self._waiting_octets = self._dropped = 0
        self._thread: threading.Thread | None = None
        self._is_stuck = False
        self._is_within_line = False

    def put(self, line: bytes) -> None:
        """Have a line written, or count it as dropped if too much waits."""
        with self._lock:
            if self._waiting >= MOST_LINES or self._waiting_octets + len(line) > MOST_OCTETS:
                self._dropped += 1
                return
            if self._dropped:
                self._enqueue(*self._take_notice())
            self._enqueue(line, 1)
            self._ensure_thread()

    def drop(self, lines: int = 1) -> None:
        """Count lines that were not made or not written."""
        with self._lock:
            self._dropped += lines

    def wake(self) -> None:
        """Let the thread ask for more lines, as the time until there are some has changed."""
        self._lines.put((b"", 0))

    def flush(self, seconds: float) -> None:
        """Wait until the lines are written, for some seconds at most, and only once for a reader that does not read."""
        end = time.monotonic() + seconds
        while self._waiting and not self._is_stuck and self._thread is not None:
            if time.monotonic() > end:
                self._is_stuck = True
            time.sleep(_LOOK)

    def _enqueue(self, line: bytes, lines: int) -> None:
        self._waiting += 1
        self._waiting_octets += len(line)
        self._lines.put((line, lines))

    def _take_notice(self) -> tuple[bytes, int]:
        lines, self._dropped = self._dropped, 0
        text = f"lines dropped, because the log was not read or could not be written: {lines}"
        return self._notice(text), lines

    def _ensure_thread(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        thread = threading.Thread(target=self._run, args=(self._lines,), name="log", daemon=True)
        with contextlib.suppress(RuntimeError):  # no more threads; the next line tries again
            thread.start()
            self._thread = thread
            _call_at_end_of_child(lambda: self.flush(1))

    def _run(self, queue: SimpleQueue[tuple[bytes, int]]) -> None:
        wait: float | None = None
        while True:
            try:
                line, lines = queue.get(timeout=wait)
            except Empty:
                line, lines = b"", 0
            written = self._deliver(line, lines)
            more, wait = self._more()
            for each in more:
                self._deliver(each, 1)
            with self._lock:
                if lines:
                    self._waiting -= 1
                    self._waiting_octets -= len(line)
                # What was dropped came after all that waited.
                is_due = self._dropped and written and lines and not self._waiting
                notice = self._take_notice() if is_due else (b"", 0)
            self._deliver(*notice)

    def _deliver(self, line: bytes, lines: int) -> bool:
        if written := self._write(line):
            return written
        self.drop(lines)
        return False

    def _write(self, line: bytes) -> bool:
        """Write a line, however long it takes; return false if it cannot be written."""
        if not line:
            return True
        rest = b"\n" + line if self._is_within_line else line
        while rest:
            try:
                if self._file is None or _file_of(self._descriptor) != self._file:
                    raise OSError
                rest = rest[os.write(self._descriptor or 0, rest) :]
            except BlockingIOError:
                time.sleep(_RETRY)
            except OSError:
                self._is_within_line = self._is_within_line or len(rest) < len(line)
                return False
            else:
                self._is_stuck = False
        self._is_within_line = False
        return True


def _file_of(descriptor: int | None) -> tuple[int, int] | None:
    if descriptor is None:
        return None
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _call_at_end_of_child(function: Callable[[], None]) -> None:
    """Have a function called if this is a process of `multiprocessing`: these end without the module `atexit`."""
    util, process = (sys.modules.get(f"multiprocessing.{name}") for name in ("util", "process"))
    if util and process and process.parent_process() is not None:
        util.Finalize(None, function, exitpriority=-100)
