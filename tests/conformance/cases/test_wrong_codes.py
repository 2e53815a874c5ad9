"""Which requirement a server breaks that sends an error with a wrong code: that of the error, and no other."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from conformance.cases.catalogue import all_cases
from conformance.core.settings import Settings
from conformance.core.verdicts import Verdict
from conformance.runner.case_runner import run_case
from conformance.targets.config import TargetConfig
from conformance.targets.server import ServerTarget

SERVE = Path(__file__).parents[2] / "mutants" / "serve.py"


@pytest.mark.parametrize(
    ("mutant", "name", "verdict"),
    [
        ("REQ-012/code", "leftovers/refused-requests", Verdict.PASS),
        ("REQ-012/code", "many/messages-of-a-connection", Verdict.PASS),
        ("REQ-012/code", "survey/error.no-handler", Verdict.FAIL),
        ("REQ-013/code", "leftovers/failed-requests", Verdict.PASS),
        ("REQ-013/code", "survey/error.handler-failed", Verdict.FAIL),
    ],
)
def test_only_the_cases_of_the_error_judge_its_code(mutant: str, name: str, verdict: Verdict) -> None:
    command = shlex.join([sys.executable, str(SERVE), mutant, "--port", "{port}", "--responder"])
    with ServerTarget(TargetConfig(command=command), Settings(seed=1)) as target:
        target.responder = frozenset(["fail"])
        assert run_case(all_cases()[name], target).verdict is verdict


def test_without_the_error_its_absence_is_blamed() -> None:
    command = shlex.join([sys.executable, str(SERVE), "REQ-012", "--port", "{port}", "--responder"])
    with ServerTarget(TargetConfig(command=command), Settings(seed=1, time_scale=0.2)) as target:
        result = run_case(all_cases()["leftovers/refused-requests"], target)
    assert (result.verdict, result.needed) == (Verdict.FAIL, "error.no_handler")
