"""The status of runs that stopped early, and what their files say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from conformance.core.verdicts import ExitCode, Verdict
from conformance.protocol import schemas
from conformance.results.case_result import CaseResult
from conformance.results.run import Run

PASSED = CaseResult("system/ping", ["SYS-003"], "must", Verdict.PASS, expected=True, duration_ms=1.0)
KNOWN = replace(PASSED, case="system/get-time", verdict=Verdict.FAIL, message="late", known="no clock")


def made(*results: CaseResult, **attributes: object) -> Run:
    run = Run("server", 1, results=list(results), selected=10)
    for name, value in attributes.items():
        setattr(run, name, value)
    return run


def test_budget_that_ends_without_a_failure_is_no_failure_and_no_verdict() -> None:
    run = made(PASSED, cut_short="5 seconds (--budget)")
    assert run.exit_code() is ExitCode.CONFORMANT
    assert (run.is_conformant, run.is_whole, run.not_run) == (False, False, 9)


def test_server_that_serves_nobody_any_more_is_not_conformant_even_if_the_failure_is_known() -> None:
    run = made(PASSED, replace(KNOWN, ends_run=True), cut_short="system/get-time: ...")
    assert run.exit_code() is ExitCode.NOT_CONFORMANT
    assert made(PASSED, KNOWN).exit_code() is ExitCode.CONFORMANT


def test_interrupted_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = made(PASSED, is_interrupted=True)
    run.write(tmp_path / "r.json")
    assert schemas.problem("tools/results", run.as_json()) is None
    assert Run.read(tmp_path / "r.json").interruption == run.interruption
    assert "1 of 10" in run.interruption


def test_unreachable_target_and_errors_of_the_kit_are_read_as_they_were_written(tmp_path: Path) -> None:
    run = made(PASSED, unreachable="gone", kit_errors=["it broke"])
    run.write(tmp_path / "r.json")
    assert schemas.problem("tools/results", run.as_json()) is None
    read = Run.read(tmp_path / "r.json")
    assert (read.unreachable, read.kit_errors, read.is_whole) == ("gone", ["it broke"], False)
    assert read.exit_code() is run.exit_code() is ExitCode.UNREACHABLE
