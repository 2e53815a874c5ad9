"""Try one mutant: does a case that claims its requirement fail, and do unrelated cases still pass?"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mutation import Mutant
from serve import CONTROL

from conformance.case import Case
from conformance.catalogue import all_cases, select
from conformance.report.failure import describe
from conformance.runner import CaseResult, run_case
from conformance.settings import Settings
from conformance.subject import TargetOptions
from conformance.target import Target
from conformance.verdicts import TargetError, Verdict

SANITY = (
    "system/ping",
    "publish/subscriber-gets-it-once-unchanged",
    "requests/echo-of-an-object",
    "requests/no-handler-for-an-object",
    "errors/fatal-error-then-end",
)
"""What a mutant has to get right all the same, unless it is about its requirement or the mutant says why not."""

OPTIONS = "--responder --handshake-timeout 1 --max-connections 120 --shutdown-grace 1 --log-level error"
SEED = 1
CAUGHT = (Verdict.FAIL, Verdict.WARN)


@dataclass(frozen=True)
class Knowledge:
    """What a run learns of a server at its start; of the mutants all this is what the control has."""

    acknowledgement: dict[str, Any]
    responder: frozenset[str]


@dataclass
class Outcome:
    """What came of a mutant.

    Attributes:
        name: the mutant's.
        killer: the first case that failed as it has to; empty for a survivor.
        message: what that case said.
        tried: how many cases that claim the requirement were run.
        broken: cases of the sanity set that failed, with their messages.
        problem: why nothing could be tried.
        seconds: how long it took.
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
        """Whether the mutant was seen, and for its own mistake."""
        return bool(self.killer and self.message) and not self.broken and not self.problem


def options(name: str) -> TargetOptions:
    """Return how to start the server with a mutant."""
    script = Path(__file__).with_name("serve.py")
    return TargetOptions(command=shlex.join([sys.executable, str(script), name]) + f" --port {{port}} {OPTIONS}")


def settings(time_scale: float) -> Settings:
    """Return how the cases are run."""
    return Settings(seed=SEED, time_scale=time_scale)


def claiming(requirement: str) -> list[Case]:
    """Return the server's cases that claim a requirement, the short ones first."""
    return [each for each in reversed(select()) if requirement in each.requirements]


def explore(time_scale: float) -> Knowledge:
    """Return what the server says of itself when it makes no mistake."""
    with Target(options(CONTROL), settings(time_scale)) as target:
        return Knowledge(target.acknowledgement, target.responder)


def control(names: Sequence[str], time_scale: float) -> list[CaseResult]:
    """Run cases on the server without a mistake, and return the results that are no pass."""
    with Target(options(CONTROL), settings(time_scale)) as target:
        results = [run_case(all_cases()[name], target) for name in names]
    return [each for each in results if each.verdict is not Verdict.PASS]


def attempt(mutant: Mutant, known: Knowledge, time_scale: float) -> Outcome:
    """Try one mutant on a server of its own."""
    outcome, start = Outcome(mutant.name), time.monotonic()
    target = Target(options(mutant.name), settings(time_scale))
    target.acknowledgement, target.responder = known.acknowledgement, known.responder
    try:
        target.start()
        _check_sanity(mutant, target, outcome)
        _hunt(mutant, target, outcome)
    except TargetError as error:
        outcome.problem = str(error)
    finally:
        target.stop()
    outcome.seconds = time.monotonic() - start
    return outcome


def _check_sanity(mutant: Mutant, target: Target, outcome: Outcome) -> None:
    for name in SANITY:
        case = all_cases()[name]
        if mutant.requirement in case.requirements or name in mutant.harms or "*" in mutant.harms:
            continue
        result = run_case(case, target)
        if result.verdict is not Verdict.PASS:
            outcome.broken.append(f"{name}: {result.message} {result.received}")


def _hunt(mutant: Mutant, target: Target, outcome: Outcome) -> None:
    for case in claiming(mutant.requirement):
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
