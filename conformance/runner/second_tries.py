"""Tries late cases again, alone and then with more time, so that a busy machine accuses nobody."""

from __future__ import annotations

import contextlib
import os
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from conformance.cases.catalogue import all_cases
from conformance.core.machine import other_processes
from conformance.core.settings import Settings
from conformance.core.verdicts import TargetError, Verdict
from conformance.results.case_result import CaseResult
from conformance.results.known_failures import Baseline
from conformance.results.run import Run
from conformance.results.steps import abilities_of
from conformance.results.survey import Survey
from conformance.runner.case_runner import run_case
from conformance.targets.base import Target
from conformance.targets.client import ClientTarget
from conformance.targets.config import TargetConfig
from conformance.targets.server import ServerTarget

MORE_TIME = 4.0
"""The factor for the deadlines of the last try."""
BUDGET_SECONDS = 20.0
"""No try begins after this time, which a time scale and a busy machine prolong; nor of a case that waited longer."""
CERTAIN_FAILURES = 100
"""With so many failures that rest on no deadline, nothing that was late changes the verdict."""
SMALL_BUDGET_SECONDS = 6.0
"""The time for such a server; no try with more time begins that would probably not end in it."""
BUSIEST = 4.0
"""The largest factor of that time for a busy machine."""


def late_cases(run: Run) -> list[CaseResult]:
    """Return unexpected outcomes and warnings that rest on a deadline alone, but not those that have an explanation.

    What the survey saw the server not do was waited for already, for long enough; unless the case of the survey passed
    when it was run again. A known failure that went differently is tried all the same: the short wait for what the
    server does not do may have missed what it did instead. A server that served nobody any more was waited for, too,
    and is not the same server now.
    """
    passed = {each.case for each in run.results if each.verdict is Verdict.PASS}
    survey = run.survey or Survey()
    confirmed = survey.without(passed)
    late = [each for each in run.results if each.late and _accuses(each) and not each.stopped]
    return [each for each in late if each.foreseen or not any(map(confirmed.lacks, abilities_of(each)))]


def _accuses(result: CaseResult) -> bool:
    return not result.expected or (result.verdict is Verdict.WARN and not result.known)


def in_groups(late: Iterable[CaseResult]) -> list[list[CaseResult]]:
    """Return late cases grouped by the step that was late: small groups first, and in each the quickest first.

    A known failure that went differently is a group of its own: it was not late before, so no other one speaks for it.
    As these groups may be many, they come last.
    """
    groups = defaultdict[tuple[str, str], list[CaseResult]](list)
    for result in sorted(late, key=lambda result: result.duration_ms):
        groups[result.step, result.case if result.foreseen else ""].append(result)
    return sorted(groups.values(), key=lambda group: (bool(group[0].foreseen), len(group)))


def try_again(config: TargetConfig, settings: Settings, baseline: Baseline, run: Run) -> None:
    """Try late cases again, one at a time, and change their results accordingly.

    A case that passes alone, with the same deadlines, is *flaky*; one that passes only with more time is *slow*. A case
    that is late again keeps its verdict, and so do the others that were late at the same step. Any other outcome
    replaces it.

    Args:
        config: the target.
        settings: those of the run.
        baseline: the known failures.
        run: the finished run.
    """
    certain = [each for each in run.results if each.verdict is Verdict.FAIL and not each.late and not each.expected]
    has_failed = len(certain) >= CERTAIN_FAILURES
    seconds = SMALL_BUDGET_SECONDS if has_failed else BUDGET_SECONDS
    budget = seconds * max(1.0, settings.time_scale) * _busyness()
    deadline = time.monotonic() + budget
    groups = in_groups(each for each in late_cases(run) if each.duration_ms / 1000 < budget or _starts_servers(each))
    try:
        with _target(config, settings, run) as target:
            if isinstance(target, ServerTarget) and run.survey:
                target.adopt(run.survey, is_patient=True)
            _Tries(target, settings, baseline, deadline, has_failed=has_failed).try_all(groups)
    except TargetError:  # it does not start again, so the first verdicts stand
        return


def _target(config: TargetConfig, settings: Settings, run: Run) -> ServerTarget | ClientTarget:
    return ClientTarget(config, settings) if config.client else ServerTarget(config, settings, handlers=run.handlers)


def _busyness() -> float:
    """Return how many other processes there are for each core, from 1 to BUSIEST."""
    return min(max(other_processes() / (os.cpu_count() or 1), 1.0), BUSIEST)


def _starts_servers(result: CaseResult) -> bool:
    """Return true if a case starts servers of its own, which may take most of its time."""
    case = all_cases().get(result.case)
    return case is not None and case.spawned


class _OutOfTimeError(Exception):
    """No try begins any more."""


class _Tries:
    """Tries groups of late cases again, until the deadline.

    A longer wait is seldom the answer, and takes most of the time. So each group is tried without it first.
    """

    def __init__(
        self, target: Target, settings: Settings, baseline: Baseline, deadline: float, *, has_failed: bool
    ) -> None:
        self._target = target
        self._settings = settings
        self._baseline = baseline
        self._deadline = deadline
        self._has_failed = has_failed
        self._is_over = False  # whether the target serves nobody any more, since an earlier try

    def try_all(self, groups: list[list[CaseResult]]) -> None:
        """Try each group until a case in it is late again; return when all are tried, or the time is over."""
        with contextlib.suppress(_OutOfTimeError):
            for group, first in [(group, self._first_late(group)) for group in groups]:
                self._go_on(group, first)

    def _first_late(self, group: list[CaseResult]) -> CaseResult | None:
        """Try cases alone, and remove those that are not late again; return the outcome of the first other one."""
        while group:
            alone = self._try(group[0], 1.0)
            if alone.late and not self._is_known(alone):
                return alone
            self._change(group.pop(0), [alone])
        return None

    def _go_on(self, group: list[CaseResult], alone: CaseResult | None) -> None:
        """Try with more time what was late again, then the other cases of its group alone; and so on."""
        while alone and not self._is_too_long(alone):
            patient = self._try(group[0], MORE_TIME)
            if patient.late and not self._is_known(patient):
                return
            self._change(group.pop(0), [alone, patient])
            alone = self._first_late(group)

    def _is_too_long(self, alone: CaseResult) -> bool:
        """Return true if the server has failed anyway, and more time would probably last beyond the deadline."""
        return self._has_failed and time.monotonic() + MORE_TIME * alone.duration_ms / 1000 > self._deadline

    def _is_known(self, tried: CaseResult) -> bool:
        """Return true if a try is what the known failures expect of its case, which a late one may be, too."""
        known = self._baseline.entries.get(tried.case)
        return known is not None and known.foresees(tried)

    def _try(self, result: CaseResult, factor: float) -> CaseResult:
        if self._is_over or time.monotonic() > self._deadline:
            raise _OutOfTimeError
        self._target.settings = replace(self._settings, time_scale=self._settings.time_scale * factor)
        tried = run_case(all_cases()[result.case], self._target)
        self._is_over = tried.ends_run
        return tried

    def _change(self, result: CaseResult, tries: list[CaseResult]) -> None:
        _adopt(result, tries)
        result.foreseen = ""
        self._baseline.judge(result)


def _adopt(result: CaseResult, tries: list[CaseResult]) -> None:
    """Change a result according to further tries."""
    last = tries[-1]
    result.earlier = [each.as_try() for each in (result, *tries[:-1])]
    result.verdict, result.message, result.wanted, result.received = (
        last.verdict,
        last.message,
        last.wanted,
        last.received,
    )
    result.step, result.needed, result.watched = last.step, last.needed, last.watched
    result.late, result.trace = False, last.trace
    result.stopped, result.ends_run = last.stopped, last.ends_run
    if last.verdict is Verdict.PASS:
        is_slow = len(tries) > 1
        result.verdict = Verdict.SLOW if is_slow else Verdict.FLAKY
        how = f"with {MORE_TIME:g} times the time" if is_slow else "without other cases beside it"
        result.message = f"it was late ({result.earlier[0]['message']}), and passed {how}"
