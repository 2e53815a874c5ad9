"""The baseline of a target: its known failures, each with the exact expected outcome and the reason.

A baseline is strict both ways. The run fails if a case fails differently, if it no longer fails, or if an entry names a
case that does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from conformance.core.verdicts import Verdict
from conformance.protocol.files import read_toml
from conformance.results.case_globs import CaseGlobs
from conformance.results.case_result import CaseResult
from conformance.results.causes import possible_ids
from conformance.results.steps import text_of

OPEN_REASON = "FILL IN: why does the target do this?"
"""The reason of an entry until a person writes one."""


@dataclass(frozen=True)
class Known:
    """One expected outcome.

    Attributes:
        verdict: the verdict.
        message: a part of the message, or of the step at which the case failed.
        reason: why the target does this.
        chance: whether random input found it: then any message with this verdict is expected, and a pass, too.
        cause: the id of the cause; empty if any cause is expected.
    """

    verdict: Verdict
    message: str
    reason: str
    chance: bool = False
    cause: str = ""

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Self:
        """Return what an entry of the file expects."""
        verdict, chance = Verdict(entry["verdict"]), entry.get("chance", False)
        return cls(verdict, entry["message"], entry["reason"], chance, entry.get("id", ""))

    def foresees(self, result: CaseResult) -> bool:
        """Return true if ``result`` is the outcome that this entry describes."""
        if self.chance:
            return result.verdict in (self.verdict, Verdict.PASS)
        if result.verdict != self.verdict or not (self.message in result.message or self.message in text_of(result)):
            return False
        return not self.cause or self.cause in possible_ids(result)

    def __str__(self) -> str:
        cause = f", cause {self.cause}" if self.cause else ""
        return f"{self.verdict} with {self.message!r}{cause}"


class Baseline:
    """The known failures of one target.

    Args:
        entries: the expected outcomes by case id.
        seed: the seed for which they hold; None for any.
    """

    def __init__(self, entries: Mapping[str, Known], seed: int | None = None) -> None:
        self.entries = dict(entries)
        self.seed = seed

    @classmethod
    def read(cls, path: Path, case_ids: Iterable[str]) -> Baseline:
        """Read a baseline file (TOML; schema ``tools/known-failures``).

        Args:
            path: the file.
            case_ids: the ids of all cases that exist.

        Raises:
            ValueError: the file cannot be read, breaks its schema, names an unknown case, or names a case twice.
        """
        content = read_toml(path, "tools/known-failures", "known failures")
        existing, entries = list(case_ids), dict[str, Known]()
        try:
            for entry in (*content.get("cause", ()), *content.get("known", ())):
                known = Known.from_entry(entry)
                for case in _cases(entry, existing):
                    if case in entries:
                        raise ValueError(f"case {case!r} is listed twice")
                    entries[case] = known
        except ValueError as error:
            raise ValueError(f"known failures {path}: {error}") from None
        return cls(entries, content.get("seed"))

    def is_undecided(self, result: CaseResult, seed: int) -> bool:
        """Return true if a judged outcome is unexpected, but another one with the seed of the file may be expected."""
        return result.chance and not result.expected and self.seed not in (None, seed)

    def judge(self, result: CaseResult) -> None:
        """Set ``result.expected``; and ``result.known``, or ``result.foreseen`` if a known failure went differently."""
        known = self.entries.get(result.case)
        if known is None:
            result.expected = result.verdict.is_good
            return
        result.expected = known.foresees(result)
        if result.expected:
            result.known = known.reason
        else:
            result.foreseen = f"{known}, and it went differently"


def is_open(reason: str) -> bool:
    """Return true if a person has yet to write this reason."""
    return not reason.strip() or reason.startswith(OPEN_REASON.partition(":")[0])


def _cases(entry: Mapping[str, Any], existing: list[str]) -> Iterator[str]:
    """Yield the cases of an entry.

    Raises:
        ValueError: one of its globs matches no case.
    """
    globs = CaseGlobs(tuple(entry["cases"]), tuple(entry.get("except", ())))
    if stale := globs.stale(existing):
        raise ValueError(f"there is no case {stale!r}; remove the stale entry")
    yield from globs.matching(existing)
