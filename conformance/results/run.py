"""The results of a run: collects and counts them, and writes the file for other tools."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from conformance import PROTOCOL_VERSION, __version__
from conformance.core.files import write_whole
from conformance.core.shards import Part
from conformance.core.verdicts import ExitCode, Verdict
from conformance.protocol.files import read_json
from conformance.results.case_result import CaseResult
from conformance.results.causes import Cause, causes_of
from conformance.results.survey import Survey

FORMAT = "ipc-conformance-results/1"


@dataclass
class Run:
    """The results of a run, case by case."""

    role: str
    seed: int
    chop: str = "whole"
    target_name: str = ""
    profiles: tuple[str, ...] = ()
    protocol: str = ""
    """The version of the protocol that the target was judged by; empty if it is not known."""
    results: list[CaseResult] = field(default_factory=list)
    unreachable: str = ""
    """Why the target could not be started or reached, if it could not."""
    cut_short: str = ""
    """After what the run stopped early, such as a number of failures; empty if it did not."""
    kit_errors: list[str] = field(default_factory=list)
    """Errors of the kit outside any case."""
    survey: Survey | None = None
    """What the server can do; None for a client, and when no survey was made."""
    handlers: frozenset[str] | None = None
    """The handlers of the responder that the server has, if the survey found out; not in the file."""
    part: Part | None = None
    """Which shards of a divided run it has; None if it was not divided."""
    selected: int = 0
    """The number of selected cases."""
    is_interrupted: bool = False
    """Whether Ctrl-C or a signal ended the run before its cases had ended."""
    is_unfinished: bool = False
    """Whether its file says that the target is not conformant, and nothing in the file says why.

    Older kits wrote such files for runs that did not finish.
    """
    kit: str = __version__
    """The version of the kit that ran it."""
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    took: float | None = None
    """How many seconds it took, if it is over and was read from its file."""
    _start: float = field(default_factory=time.monotonic)

    @property
    def duration_s(self) -> float:
        """Seconds since the run began."""
        return round(time.monotonic() - self._start, 3) if self.took is None else self.took

    def counts(self) -> dict[str, int]:
        """Return the number of cases with each verdict."""
        return count(self.results)

    def causes(self) -> list[Cause]:
        """Return the causes of all failures and warnings, known ones too; what explains most comes first."""
        return causes_of(self.results, self.survey)

    def named_causes(self, ids: Iterable[str]) -> list[Cause]:
        """Return the causes with these ids.

        Raises:
            ValueError: the run had no such cause.
        """
        found, wanted = {each.id: each for each in self.causes()}, list(ids)
        if strange := next((each for each in wanted if each not in found), None):
            raise ValueError(f"there is no cause {strange!r}; the run had {', '.join(found) or 'none'}")
        return [found[each] for each in wanted]

    def chosen(self, causes: Iterable[str]) -> frozenset[str]:
        """Return the ids of the cases of some causes; without any, those whose outcome was not expected.

        Raises:
            ValueError: the run had no such cause.
        """
        wanted = list(causes)
        if not wanted:
            return frozenset(each.case for each in self.results if not each.expected)
        return frozenset(case for each in self.named_causes(wanted) for case in each.cases)

    @property
    def executed(self) -> int:
        """The number of cases that were executed."""
        return sum(result.verdict.is_executed for result in self.results)

    @property
    def unexpected(self) -> int:
        """The number of outcomes that make the run fail."""
        return sum(not result.expected for result in self.results)

    @property
    def is_whole(self) -> bool:
        """True if nothing kept selected cases from running."""
        stopped = self.is_interrupted or self.is_unfinished
        return not (self.unreachable or self.kit_errors or self.cut_short or stopped)

    @property
    def is_conformant(self) -> bool:
        """True if cases ran, of all shards, and no MUST was broken; known failures count as broken."""
        bad = any(not result.verdict.is_good for result in self.results)
        return self.executed > 0 and not bad and self.is_whole and not self.gap

    @property
    def has_failed(self) -> bool:
        """True if a MUST was broken; known failures count, but errors of the kit say nothing about the target."""
        return any(result.verdict is Verdict.FAIL for result in self.results)

    @property
    def verdict(self) -> str:
        """The verdict in a word or two: conformant, not conformant, or not decided."""
        if self.is_conformant:
            return "conformant"
        return "not conformant" if self.has_failed and not self.is_interrupted else "not decided"

    @property
    def gap(self) -> str:
        """Which shards it lacks, as a clause; empty if it has all or was not divided."""
        return self.part.gap if self.part else ""

    @property
    def not_run(self) -> int:
        """The number of selected cases that a run did not execute because it was cut short or interrupted."""
        return self.selected - len(self.results) if self.cut_short or self.is_interrupted else 0

    @property
    def interruption(self) -> str:
        """What an interrupted run did not do; empty if it was not interrupted."""
        if not self.is_interrupted:
            return ""
        return f"interrupted: {len(self.results)} of {self.selected} cases ended, so there is no verdict"

    def exit_code(self) -> ExitCode:
        """Return the exit status of the command: the first that applies."""
        if self.is_interrupted:
            return ExitCode.INTERRUPTED
        if self.unreachable:
            return ExitCode.UNREACHABLE
        unexpected = [result.verdict.exit_status for result in self.results if not result.expected]
        has_stopped = any(result.ends_run for result in self.results)
        if self.kit_errors or ExitCode.KIT_ERROR in unexpected:
            return ExitCode.KIT_ERROR
        if not self.executed:
            return ExitCode.NOTHING_RAN
        return ExitCode.NOT_CONFORMANT if unexpected or has_stopped else ExitCode.CONFORMANT

    def as_json(self) -> dict[str, Any]:
        """Return the results file's content (schema ``tools/results``)."""
        return {
            "format": FORMAT,
            "kit": {"version": self.kit, "protocol": PROTOCOL_VERSION},
            "target": {
                "name": self.target_name,
                "role": self.role,
                "profiles": list(self.profiles),
                "protocol": self.protocol,
            },
            "started": self.started.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "duration_s": self.duration_s,
            "seed": self.seed,
            "chop": self.chop,
            **({"shards": self.part.as_json()} if self.part else {}),
            "interrupted": self.is_interrupted,
            "unreachable": self.unreachable,
            "kit_errors": self.kit_errors,
            "survey": self.survey.as_json() if self.survey else None,
            "causes": [cause.as_json() for cause in self.causes()],
            "results": [result.as_json() for result in sorted(self.results, key=lambda result: result.case)],
            "summary": {
                **self.counts(),
                "unexpected": self.unexpected,
                "not_run": self.not_run,
                "stopped_after": self.cut_short,
                "conformant": self.is_conformant,
                "verdict": self.verdict,
            },
        }

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a results file.

        Raises:
            ValueError: it cannot be read or breaks its schema, or the time in it is none.
        """
        content = read_json(path, "tools/results", "results")
        survey, results = content.get("survey"), content["results"]
        not_run = content["summary"].get("not_run", 0)
        run = cls(
            role=content["target"]["role"],
            seed=content["seed"],
            chop=content.get("chop", "whole"),
            target_name=content["target"]["name"],
            profiles=tuple(content["target"]["profiles"]),
            protocol=content["target"].get("protocol", ""),
            results=[CaseResult.from_json(each) for each in results],
            survey=Survey.from_json(survey) if survey else None,
            part=Part.from_json(content["shards"]) if "shards" in content else None,
            cut_short=content["summary"].get("stopped_after", ""),
            is_interrupted=content.get("interrupted", False),
            unreachable=content.get("unreachable", ""),
            kit_errors=content.get("kit_errors", []),
            kit=content["kit"]["version"],
            selected=len(results) + not_run,
            started=_moment(content["started"], path),
            took=content["duration_s"],
        )
        run.is_unfinished = run.is_conformant and not content["summary"]["conformant"]
        return run

    def write(self, path: Path) -> None:
        """Write the results file.

        Raises:
            OSError: it cannot be written.
        """
        write_whole(path, self.as_text())

    def as_text(self) -> str:
        """Return the results file as text."""
        return json.dumps(self.as_json(), indent=1) + "\n"


def _moment(text: str, path: Path) -> datetime:
    """Return a time of a file in UTC; one without an offset is UTC."""
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"results {path}: /started: {text!r} is no time") from None


def count(results: Iterable[CaseResult]) -> dict[str, int]:
    """Return the number of results with each verdict, including verdicts without results."""
    found = Counter(result.verdict for result in results)
    return {str(verdict): found[verdict] for verdict in Verdict}
