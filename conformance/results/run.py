"""The results of a run: collects and counts them, and writes the file for other tools."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from conformance import PROTOCOL_VERSION, __version__
from conformance.core.verdicts import ExitCode, Verdict
from conformance.results.case_result import CaseResult

FORMAT = "ipc-conformance-results/1"


@dataclass
class Run:
    """The results of a run, case by case."""

    role: str
    seed: int
    chop: str = "whole"
    target_name: str = ""
    profiles: tuple[str, ...] = ()
    results: list[CaseResult] = field(default_factory=list)
    unreachable: str = ""
    """Why the target could not be started or reached, if it could not."""
    kit_errors: list[str] = field(default_factory=list)
    """Errors of the kit outside any case."""
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    _start: float = field(default_factory=time.monotonic)

    @property
    def duration_s(self) -> float:
        """Seconds since the run began."""
        return round(time.monotonic() - self._start, 3)

    def counts(self) -> dict[str, int]:
        """Return the number of cases with each verdict."""
        return count(self.results)

    @property
    def executed(self) -> int:
        """The number of cases that were executed."""
        return sum(result.verdict.is_executed for result in self.results)

    @property
    def is_conformant(self) -> bool:
        """True if cases ran and no MUST was broken; known failures count as broken."""
        bad = any(not result.verdict.is_good for result in self.results)
        return self.executed > 0 and not bad and not self.unreachable and not self.kit_errors

    def exit_code(self) -> ExitCode:
        """Return the exit status of the command: the first that applies."""
        if self.unreachable:
            return ExitCode.UNREACHABLE
        unexpected = [result.verdict.exit_status for result in self.results if not result.expected]
        if self.kit_errors or ExitCode.KIT_ERROR in unexpected:
            return ExitCode.KIT_ERROR
        if not self.executed:
            return ExitCode.NOTHING_RAN
        return ExitCode.NOT_CONFORMANT if unexpected else ExitCode.CONFORMANT

    def as_json(self) -> dict[str, Any]:
        """Return the results file's content (schema ``tools/results``)."""
        return {
            "format": FORMAT,
            "kit": {"version": __version__, "protocol": PROTOCOL_VERSION},
            "target": {"name": self.target_name, "role": self.role, "profiles": list(self.profiles)},
            "started": self.started.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "duration_s": self.duration_s,
            "seed": self.seed,
            "chop": self.chop,
            "results": [result.as_json() for result in sorted(self.results, key=lambda result: result.case)],
            "summary": {**self.counts(), "conformant": self.is_conformant},
        }

    def write(self, path: Path) -> None:
        """Write the results file.

        Raises:
            OSError: it cannot be written.
        """
        path.write_text(json.dumps(self.as_json(), indent=1) + "\n", "utf-8")


def count(results: Iterable[CaseResult]) -> dict[str, int]:
    """Return the number of results with each verdict, including verdicts without results."""
    found = Counter(result.verdict for result in results)
    return {str(verdict): found[verdict] for verdict in Verdict}
