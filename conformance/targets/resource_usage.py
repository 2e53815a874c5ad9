"""The resource usage of a server process, on Linux."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

KIBIBYTE = 1024
MEBIBYTE = 1_048_576


@dataclass(frozen=True)
class ResourceUsage:
    """The resource usage of some processes together.

    Attributes:
        resident: memory in use now, in octets.
        peak: sum of the highest memory use of each process, in octets.
        descriptors: number of open files and sockets.
    """

    resident: int
    peak: int
    descriptors: int

    @classmethod
    def of(cls, pids: Iterable[int]) -> Self | None:
        """Measure processes; None if there is no ``/proc`` or none of them is alive."""
        found = [each for pid in pids if (each := _of_one(Path(f"/proc/{pid}")))]
        return cls(*map(sum, zip(*found, strict=True))) if found else None


def _of_one(process: Path) -> tuple[int, int, int] | None:
    try:
        status = (process / "status").read_text("ascii", "replace")
        descriptors = sum(1 for _ in (process / "fd").iterdir())
    except OSError:
        return None
    return _kibibytes(status, "VmRSS"), _kibibytes(status, "VmHWM"), descriptors


def _kibibytes(status: str, name: str) -> int:
    line = re.search(rf"^{name}:\s+([0-9]+) kB$", status, re.MULTILINE)
    return int(line[1]) * KIBIBYTE if line else 0
