"""Tests one mutant: a case that claims its requirement must fail, and unrelated cases must pass."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from unittest.mock import patch

from killers import killer_of
from mutation import CONTROL, Mutant

from conformance import PROTOCOL_VERSION
from conformance.cases.catalogue import all_cases, select
from conformance.cases.server import leftovers
from conformance.core.roles import Role
from conformance.core.settings import Settings
from conformance.core.verdicts import TargetError, Verdict
from conformance.harness.case import Case
from conformance.reports.failure import describe
from conformance.results.case_result import CaseResult
from conformance.runner.case_runner import run_case
from conformance.runner.second_tries import MORE_TIME
from conformance.specification import drafts
from conformance.targets.base import Target

SEED = 1
CAUGHT = (Verdict.FAIL, Verdict.WARN)
ENOUGH_BATCHES = 3
"""What our server keeps shows in so many batches of connections: its heap does not wait for a collection."""


class Laboratory(Protocol):
    """Creates the mutants of a role."""

    @property
    def name(self) -> str:
        """Its name in commands."""

    @property
    def role(self) -> Role:
        """The role of the mutants."""

    @property
    def sanity(self) -> Sequence[str]:
        """Cases that every mutant must pass, unless they check its requirement or it lists them with a reason."""

    @property
    def without(self) -> Mapping[str, str]:
        """Why a MUST of the role has no mutant."""

    def mutants(self) -> Mapping[str, Mutant]:
        """Return every mutant by name."""

    def explore(self, time_scale: float) -> Any:
        """Return the common properties of all mutants, for :meth:`made`."""

    def made(self, name: str, known: Any, settings: Settings) -> AbstractContextManager[Target]:
        """Start a mutant, or the control, and end it."""


@dataclass
class Outcome:
    """The result of a mutant.

    Attributes:
        name: the mutant's name.
        killer: the first case that failed as required; empty for a survivor.
        message: the message of that case.
        tried: number of executed cases that claim the requirement.
        broken: cases of the sanity set that failed, with their messages.
        problem: why it could not be tested.
        seconds: the time that it took.
    """

    name: str
    killer: str = ""
    message: str = ""
    tried: int = 0
    broken: list[str] = field(default_factory=list)
    problem: str = ""
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        """True if a case detected the mutant, because of its own mistake."""
        return bool(self.killer and self.message) and not self.broken and not self.problem


def _settings(time_scale: float) -> Settings:
    """Return settings that judge by the newest version, which a mutant need not state."""
    newest = drafts.chosen_version() or PROTOCOL_VERSION
    return Settings(seed=SEED, time_scale=time_scale, protocol=newest)


def claiming(requirement: str, role: Role) -> list[Case]:
    """Return a role's cases that claim a requirement, short ones first."""
    return [each for each in reversed(select(role=role)) if requirement in each.requirements]


def few_batches() -> AbstractContextManager[Any]:
    """Let cases about leftovers end after a few batches; the control shows that these are enough."""
    return patch.multiple(leftovers, ENOUGH_BATCHES=ENOUGH_BATCHES, ENOUGH_SECONDS=0.0)


def control(laboratory: Laboratory, known: Any, names: Sequence[str], time_scale: float) -> list[CaseResult]:
    """Run cases on the control, late ones once more with more time; return those that fail, but no unsupported ones."""
    usual = _settings(time_scale)
    with few_batches(), laboratory.made(CONTROL, known, usual) as target:
        results = [run_case(all_cases()[name], target) for name in names]
        target.settings = replace(usual, time_scale=time_scale * MORE_TIME)
        results = [run_case(all_cases()[each.case], target) if each.late else each for each in results]
    return [each for each in results if each.verdict not in (Verdict.PASS, Verdict.SLOW, Verdict.UNSUPPORTED)]


def attempt(laboratory: Laboratory, mutant: Mutant, known: Any, time_scale: float) -> Outcome:
    """Test one mutant."""
    outcome, start = Outcome(mutant.name), time.monotonic()
    try:
        with few_batches(), laboratory.made(mutant.name, known, _settings(time_scale)) as target:
            _check_sanity(mutant, target, laboratory.sanity, outcome)
            _hunt(mutant, target, laboratory, outcome)
    except TargetError as error:
        outcome.problem = str(error)
    outcome.seconds = time.monotonic() - start
    return outcome


def _check_sanity(mutant: Mutant, target: Target, sanity: Sequence[str], outcome: Outcome) -> None:
    for name in sanity:
        case = all_cases()[name]
        if mutant.requirement in case.requirements or name in mutant.harms or "*" in mutant.harms:
            continue
        result = run_case(case, target)
        if result.verdict is not Verdict.PASS:
            outcome.broken.append(f"{name}: {result.message} {result.received}")


def _hunt(mutant: Mutant, target: Target, laboratory: Laboratory, outcome: Outcome) -> None:
    likely = killer_of(laboratory.name, mutant.name)
    for case in sorted(claiming(mutant.requirement, laboratory.role), key=lambda each: each.id != likely):
        result = run_case(case, target)
        outcome.tried += 1
        if result.verdict in CAUGHT:
            outcome.killer, outcome.message = case.id, result.message
            if f"[{mutant.requirement}]" not in "\n".join(describe(result)):
                outcome.problem = f"the report of {case.id} does not name {mutant.requirement}"
            return
        if result.verdict is Verdict.ERROR:
            outcome.problem = f"{case.id}: {result.message}"
            return
