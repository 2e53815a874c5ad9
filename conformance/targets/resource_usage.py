"""What a server process uses of its system, as far as Linux tells."""

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
    """What some processes use together.

    Attributes:
        resident: octets of memory they have now.
        peak: octets of memory they had at most, each at its own time.
        descriptors: files and sockets they have open.
    """

    resident: int
    peak: int
    descriptors: int

    @classmethod
    def of(cls, pids: Iterable[int]) -> Self | None:
        """Look at processes; None where there is no ``/proc`` or none of them lives."""
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
