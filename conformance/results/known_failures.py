"""The baseline of a target: its known failures, each with the exact expected outcome and the reason.

A baseline is strict both ways. The run fails if a case fails differently, if it no longer fails, or if an entry names a
case that does not exist.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from conformance.core.verdicts import Verdict
from conformance.protocol.files import read_toml
from conformance.results.case_result import CaseResult


@dataclass(frozen=True)
class Known:
    """One expected outcome: the verdict, a part of its message, and its reason."""

    verdict: Verdict
    message: str
    reason: str

    def foresees(self, result: CaseResult) -> bool:
        """Return true if ``result`` is the outcome that this entry describes."""
        return result.verdict == self.verdict and self.message in result.message


class Baseline:
    """The known failures of one target, by case id."""

    def __init__(self, entries: Mapping[str, Known]) -> None:
        self.entries = dict(entries)

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
        existing, entries = set(case_ids), dict[str, Known]()
        for group in content["known"]:
            known = Known(Verdict(group["verdict"]), group["message"], group["reason"])
            for case in group["cases"]:
                if case not in existing:
                    raise ValueError(f"known failures {path}: there is no case {case!r}; remove the stale entry")
                if case in entries:
                    raise ValueError(f"known failures {path}: case {case!r} is listed twice")
                entries[case] = known
        return cls(entries)

    def judge(self, result: CaseResult) -> None:
        """Set ``result.expected``, and ``result.foreseen`` if a known failure failed differently."""
        known = self.entries.get(result.case)
        if known is None:
            result.expected = result.verdict.is_good
            return
        result.expected = known.foresees(result)
        if not result.expected:
            result.foreseen = f"{known.verdict} with {known.message!r}, and it went differently"


def write_baseline(path: Path, results: Iterable[CaseResult], old: Baseline) -> int:
    """Write the failed outcomes as the new baseline, and keep the reasons of entries that are still valid.

    Returns:
        the number of entries whose reason a person must write.
    """
    groups = defaultdict[Known, list[str]](list)
    for result in results:
        if result.verdict.is_good:
            continue
        known = old.entries.get(result.case)
        reason = known.reason if known and known.verdict == result.verdict else ""
        message = known.message if known and known.foresees(result) else result.message.splitlines()[0]
        groups[Known(result.verdict, message, reason)].append(result.case)
    path.write_text("\n".join(_as_toml(known, sorted(cases)) for known, cases in sorted_groups(groups)), "utf-8")
    return sum(len(cases) for known, cases in groups.items() if not known.reason)


def sorted_groups(groups: Mapping[Known, list[str]]) -> list[tuple[Known, list[str]]]:
    """Return the groups in an order that keeps diffs of the file small."""
    return sorted(groups.items(), key=lambda item: min(item[1]))


def _as_toml(known: Known, cases: list[str]) -> str:
    quoted = "".join(f"  {json.dumps(case)},\n" for case in cases)
    return (
        f"[[known]]\nverdict = {json.dumps(str(known.verdict))}\nmessage = {json.dumps(known.message)}\n"
        f"reason = {json.dumps(known.reason or 'FILL IN: why does the target do this?')}\ncases = [\n{quoted}]\n"
    )
