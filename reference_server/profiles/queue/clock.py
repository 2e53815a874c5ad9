"""The time: of day, and of a clock that nobody sets."""

from __future__ import annotations

import time
from typing import Final, NamedTuple

# Counts the time that the machine was suspended, too, where the system has such a clock.
_STEADY: Final = getattr(time, "CLOCK_BOOTTIME", None)

_TRIES: Final = 5  # to read both clocks without another thread in between
_TOGETHER: Final = 0.0005  # seconds


class Moment(NamedTuple):
    """One moment on two clocks, in milliseconds.

    Attributes:
        now: Unix time, which an administrator or a time server may set.
        steady: The time since some moment in the past, which only ever goes on.
    """

    now: int
    steady: int


class Clock:
    """Tells the time; tests have others."""

    def read(self) -> Moment:
        """Return the present moment."""
        for _ in range(_TRIES):
            before, now, after = _steady(), time.time(), _steady()
            if after - before < _TOGETHER:
                break
        return Moment(int(now * 1000), int(before * 1000))


def _steady() -> float:
    return time.monotonic() if _STEADY is None else time.clock_gettime(_STEADY)
