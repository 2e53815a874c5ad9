"""How busy the machine is with other work."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

SAMPLES, PAUSE_SECONDS = 20, 0.02
_STATISTICS = Path("/proc/stat")
_RUNNING = re.compile(r"^procs_running (\d+)$", re.MULTILINE)


def other_processes() -> float:
    """Return how many other processes have a core or wait for one.

    That is the mean of less than a second where the system tells (Linux). The load of the last minute is the second
    choice, since it also counts what this process has done itself; 0 if the system tells nothing.
    """
    try:
        return max(0.0, sum(_running() for _ in range(SAMPLES)) / SAMPLES - 1)
    except (OSError, ValueError):
        return _load()


def _running() -> int:
    found = _RUNNING.search(_STATISTICS.read_text("ascii"))
    if not found:
        raise ValueError(f"{_STATISTICS} does not tell")
    time.sleep(PAUSE_SECONDS)
    return int(found[1])


def _load() -> float:
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):  # as on Windows
        return 0.0
