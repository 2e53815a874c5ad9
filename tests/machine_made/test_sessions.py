"""A session with machine-made mutants: what it does when the kit, a worker or its user is wrong."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from machine_edits import Edit, MachineMutant, Place

from conformance.core.settings import Settings
from conformance.core.verdicts import ExitCode, Verdict
from conformance.results.case_result import CaseResult

mutate, machine_trial = __import__("mutate"), __import__("machine_trial")
EDITS = [Edit(Place("a.py", "AddNot", line, 0, "limit"), "core/AddNot", "{}", line) for line in range(5)]


def attempt_of(edits: list[Edit], *_: Any) -> Any:
    line = edits[0].place.line
    if line == 3:
        raise RuntimeError("the kit failed")
    mutant = MachineMutant("a.py", line, "limit", "core/AddNot", "if full:", "if not full:", "")
    return mutant, machine_trial.Trial("limits/full", "", 1.0)


def test_trial_that_fails_is_counted_and_the_other_results_stay(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    instead = {
        "ProcessPoolExecutor": ThreadPoolExecutor,
        "_begin": lambda *_: None,
        "_edits": lambda: EDITS,
        "_baseline": lambda *_: machine_trial.Baseline(),
        "_attempt": attempt_of,
    }
    for name, value in instead.items():
        monkeypatch.setattr(mutate, name, value)
    settings = Settings(seed=1)
    places, results, failed = mutate._experiment(1, slice(None), only="", jobs=2, settings=settings, end=0)
    assert (len(places), sorted(each.line for each in results), failed) == (5, [0, 1, 2, 4], 1)
    assert "a trial failed: RuntimeError('the kit failed')" in capsys.readouterr().err
    assert mutate._report(results, [], failed, 1.0)
    assert capsys.readouterr().out == "4 mutants, 4 killed, 1 to do, 1 s\n"


def test_unknown_module_is_wrong_use() -> None:
    done = CliRunner().invoke(mutate.main, ["--only", "nowhere.py"])
    assert (done.exit_code, "no module 'nowhere.py'" in done.output) == (ExitCode.USAGE, True)


def test_error_of_the_kit_kills_no_mutant(monkeypatch: pytest.MonkeyPatch) -> None:
    target = SimpleNamespace(profiles=(), responder=())
    instead = {
        "TreeTarget": lambda *_: nullcontext(target),
        "_config": lambda *_: None,
        "_patiently": lambda case, *_: CaseResult(case.id, [], "must", Verdict.ERROR, False, 1, message="boom"),
    }
    for name, value in instead.items():
        monkeypatch.setattr(machine_trial, name, value)
    known = machine_trial.Baseline({"default": ["system/ping"]}, {"default": "profiles [], responder []"})
    with pytest.raises(RuntimeError, match="system/ping: the kit failed: boom"):
        machine_trial._killer_in(machine_trial.ROUNDS[0], None, known, Settings(seed=1))
