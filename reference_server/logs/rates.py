"""How many records are logged: so many of a kind in a second, and so many altogether."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

# A person reads one line of a kind, a program counts; ten show whether they differ.
LINES_OF_A_KIND: Final = 10
# With lines of 200 octets 20 kB/s, which every disk, terminal and pipe takes.
LINES: Final = 100
# From here on a kind has one line, so that a few kinds do not keep out the others.
_SCARCE: Final = LINES // 2
# The time in which a kind is logged with its traceback once, in seconds.
TRACEBACK_PERIOD: Final = 60.0
# Kinds are places in the code, of which programs have fewer. More share one kind.
MOST_KINDS: Final = 1000
# Kinds that the lines about what was left out name in a second; the others are counted in one line.
NAMED_KINDS: Final = 10


@dataclass(slots=True)
class Kind:
    """Records that the same place logs, with errors of the same type from the same place.

    Attributes:
        example: The latest message of the kind, or what it is made from.
        explained: Whether the traceback was logged in this period.
    """

    example: str
    explained: bool = False
    second: int = -1
    lines: int = 0
    left_out: int = 0


class Rates:
    """Counts records by kind. Not safe for use by several threads at a time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kinds: dict[Any, Kind] = {}
        self._kinds_end = 0.0
        self._second = -1
        self._lines = 0
        self._left_out: list[Kind] = []
        self._left_out_since = 0.0

    def admit(self, record: logging.LogRecord) -> Kind | None:
        """Return the kind of a record that may be logged; count one that may not.

        Takes a bounded time, and makes no text of the record.
        """
        now = self._clock()
        kind = self._kind(record, now)
        second = int(now)
        if second != self._second:
            self._second, self._lines = second, 0
        if second != kind.second:
            kind.second, kind.lines = second, 0
        if kind.lines < (LINES_OF_A_KIND if self._lines < _SCARCE else 1) and self._lines < LINES:
            kind.lines += 1
            self._lines += 1
            return kind
        if not self._left_out:
            self._left_out_since = now
        if not kind.left_out:
            self._left_out.append(kind)
        kind.left_out += 1
        return None

    def due_in(self) -> float | None:
        """Return the seconds until `take_left_out` has something to tell, or None if no record was left out."""
        return max(0.0, self._left_out_since + 1 - self._clock()) if self._left_out else None

    def take_left_out(self, *, early: bool = False) -> list[str]:
        """Return lines about what was left out, and forget it; before a second has passed only if `early`."""
        if not self._left_out or (self.due_in() and not early):
            return []
        kinds = sorted(self._left_out, key=lambda kind: kind.left_out, reverse=True)
        seconds = max(1, round(self._clock() - self._left_out_since))
        when = "in the last second" if seconds == 1 else f"in the last {seconds} seconds"
        lines = [f"... and {kind.left_out} more like it {when}: {kind.example}" for kind in kinds[:NAMED_KINDS]]
        if others := kinds[NAMED_KINDS:]:
            count = sum(kind.left_out for kind in others)
            lines.append(f"... and {count} more of {len(others)} other kinds {when}")
        for kind in kinds:
            kind.left_out = 0
        self._left_out = []
        return lines

    def _kind(self, record: logging.LogRecord, now: float) -> Kind:
        if now >= self._kinds_end:
            self._kinds = {}
            self._kinds_end = now + TRACEBACK_PERIOD
        key: Any = _key(record)
        kind = self._kinds.get(key)
        if kind is None and len(self._kinds) >= MOST_KINDS:
            key = None
            kind = self._kinds.get(key)
        if kind is None:
            kind = self._kinds[key] = Kind(record.msg if type(record.msg) is str else record.name, key is None)
        return kind


def _key(record: logging.LogRecord) -> tuple[object, ...]:
    place = (record.name, record.levelno, record.pathname, record.lineno)
    if not record.exc_info:
        return place
    kind, _, trace = record.exc_info
    if trace is None:
        return (*place, kind)
    while trace.tb_next is not None:
        trace = trace.tb_next
    return (*place, kind, trace.tb_frame.f_code.co_filename, trace.tb_lineno)
