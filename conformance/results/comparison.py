"""The comparison of two runs of one target: what fails now, what was fixed, and what fails as before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from conformance.core.verdicts import Verdict
from conformance.results.case_result import CaseResult
from conformance.results.causes import is_bad
from conformance.results.run import Run
from conformance.results.steps import step_of

HELD = (Verdict.PASS, Verdict.SLOW, Verdict.FLAKY)
"""Outcomes of cases whose requirements the target fulfilled."""


@dataclass(frozen=True)
class Comparison:
    """What two runs of one target say about the same cases. Failures are outcomes that broke a MUST or a SHOULD.

    Attributes:
        new: ids of cases that failed in the later run, and not in the earlier one.
        first_seen: ids of cases that failed in the later run, and had no verdict in the earlier one.
        changed: ids of cases that failed in both runs, at different steps, or broke a MUST in one and a SHOULD in one.
        fixed: ids of cases that failed in the earlier run, and passed in the later one.
        late: ids of cases that failed in the earlier run, and were slow or flaky in the later one.
        undecided: ids of cases that failed in the earlier run, and had no verdict in the later one.
        unchanged: ids of cases that failed in both runs in the same way.
        settings: how the runs themselves differ, a line each; such runs may differ although the target did not change.
    """

    new: tuple[str, ...]
    first_seen: tuple[str, ...]
    changed: tuple[str, ...]
    fixed: tuple[str, ...]
    late: tuple[str, ...]
    undecided: tuple[str, ...]
    unchanged: tuple[str, ...]
    settings: tuple[str, ...]


def compare(earlier: Run, later: Run) -> Comparison:
    """Compare two runs of one target."""
    before, after = _failures(earlier), _failures(later)
    held, passed = _cases(earlier, *HELD), _cases(later, Verdict.PASS)
    late = _cases(later, Verdict.SLOW, Verdict.FLAKY)
    both, begun, ended = before.keys() & after.keys(), after.keys() - before.keys(), before.keys() - after.keys()
    same = {each for each in both if _way(before[each]) == _way(after[each])}
    found = {
        "new": begun & held,
        "first_seen": begun - held,
        "changed": both - same,
        "fixed": ended & passed,
        "late": ended & late,
        "undecided": ended - passed - late,
        "unchanged": same,
    }
    groups = {name: tuple(sorted(each)) for name, each in found.items()}
    return Comparison(**groups, settings=tuple(_settings(earlier, later)))


def _failures(run: Run) -> Mapping[str, CaseResult]:
    return {each.case: each for each in run.results if is_bad(each)}


def _cases(run: Run, *verdicts: Verdict) -> set[str]:
    return {each.case for each in run.results if each.verdict in verdicts}


def _way(result: CaseResult) -> object:
    """Return in which way a case failed."""
    return result.verdict, step_of(result)


def _settings(earlier: Run, later: Run) -> Iterator[str]:
    for name in ("seed", "kit", "protocol", "profiles", "chop"):
        one, other = (_told(vars(each)[name]) for each in (earlier, later))
        if one != other:
            yield f"{name} {one}, then {other}"
    cases = [{each.case for each in run.results} for run in (earlier, later)]
    for when, number in (("before", len(cases[0] - cases[1])), ("now", len(cases[1] - cases[0]))):
        if number:
            yield f"{number} {'case' if number == 1 else 'cases'} only {when}"


def _told(setting: object) -> str:
    return (" ".join(setting) if isinstance(setting, tuple) else str(setting)) or "none"
