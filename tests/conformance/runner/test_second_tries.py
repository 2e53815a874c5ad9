"""What was late is tried again: alone, then with more time."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
from kit_commands import mini

from conformance.cases.catalogue import select
from conformance.core.settings import Selection, Settings
from conformance.core.verdicts import Verdict
from conformance.results.case_result import CaseResult
from conformance.results.known_failures import Baseline, Known
from conformance.results.run import Run
from conformance.results.survey import Finding, State, Survey
from conformance.runner import second_tries
from conformance.runner.case_runner import run_case
from conformance.targets.config import TargetConfig
from conformance.targets.server import ServerTarget

TRIES = 2
"""Alone, and with more time."""
SETTINGS = Settings(time_scale=0.15)  # a patience of 0.45 s; four times that is more than the server takes
CASE = "system/get-time"


def ran(wrong: str, baseline: Baseline | None = None) -> CaseResult:
    """Return the result of the case on a server that answers late, after the further tries."""
    config = TargetConfig(command=mini(wrong))
    (case,) = select(Selection(globs=(CASE,)))
    with ServerTarget(config, SETTINGS) as target:
        result = run_case(case, target)
    known = baseline or Baseline({})
    known.judge(result)
    run = Run(role="server", seed=0, results=[result])
    assert result.late
    second_tries.try_again(config, SETTINGS, known, run)
    return result


def test_a_server_that_answers_late_is_slow() -> None:
    result = ran("slow")
    assert (result.verdict, result.expected, result.late) == (Verdict.SLOW, True, False)
    assert result.message == "it was late (the server did not answer in time), and passed with 4 times the time"
    assert [each["verdict"] for each in result.earlier] == ["fail", "fail"]
    assert all(each["trace"] for each in result.earlier)


def test_a_server_that_was_late_once_is_flaky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATE_ONCE", str(tmp_path / "was-late"))
    result = ran("late-once")
    assert (result.verdict, result.expected) == (Verdict.FLAKY, True)
    assert [each["verdict"] for each in result.earlier] == ["fail"]


def test_a_server_that_never_answers_has_failed() -> None:
    result = ran("silent")
    assert (result.verdict, result.expected, result.late) == (Verdict.FAIL, False, True)
    assert not result.earlier


def test_a_late_answer_to_a_known_failure_is_no_pass() -> None:
    known = Known(Verdict.FAIL, "the server says something wrong", "a reason")
    result = ran("slow", Baseline({CASE: known}))
    assert (result.verdict, result.expected) == (Verdict.SLOW, False)
    assert result.foreseen


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Return a function that has further tries end as scripted, and returns the cases that were tried."""
    tried: list[str] = []

    class Nobody:
        def __init__(self, *_: object, **__: object) -> None:
            self.settings = SETTINGS

        def __enter__(self) -> Nobody:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    def play(
        results: list[CaseResult],
        later: Callable[[CaseResult], CaseResult],
        baseline: Baseline | None = None,
        load: float = 0.0,
    ) -> list[str]:
        by_case = {each.case: later(replace(each)) for each in results}

        def run_again(case: object, _target: object) -> CaseResult:
            identity = getattr(case, "id", "")
            tried.append(identity)
            return by_case[identity]

        monkeypatch.setattr(second_tries, "other_processes", lambda: load)
        monkeypatch.setattr(second_tries, "run_case", run_again)
        monkeypatch.setattr(second_tries, "ServerTarget", Nobody)
        run = Run(role="server", seed=0, results=results)
        second_tries.try_again(TargetConfig(command="x {port}"), SETTINGS, baseline or Baseline({}), run)
        return tried

    return play


def late(number: int) -> list[CaseResult]:
    """Return results of cases that were late."""
    return [
        CaseResult(
            each.id, ["SYS-003"], "must", Verdict.FAIL, expected=False, duration_ms=1.0, late=True, message="late"
        )
        for each in select()[:number]
    ]


def test_one_case_that_is_late_again_speaks_for_those_late_at_the_same_step(scripted: Callable[..., list[str]]) -> None:
    assert len(scripted(late(10), lambda result: result)) == TRIES


def test_each_step_is_tried_rare_ones_first(scripted: Callable[..., list[str]]) -> None:
    results = [replace(each, step="often" if number else "once") for number, each in enumerate(late(10))]
    tried = scripted(results, lambda result: result)
    assert len(tried) == 2 * TRIES
    assert tried[0] == results[0].case


def test_each_step_is_tried_alone_before_any_gets_more_time(scripted: Callable[..., list[str]]) -> None:
    results = [replace(each, step=each.case) for each in late(3)]
    tried = scripted(results, lambda result: result)
    assert tried == [each.case for each in results] * TRIES


def test_a_case_that_takes_longer_than_all_tries_may_is_not_tried(scripted: Callable[..., list[str]]) -> None:
    long, short = (replace(each, step=each.case) for each in late(2))
    long.duration_ms = (second_tries.BUDGET_SECONDS + 1) * 1000
    assert set(scripted([long, short], lambda result: result)) == {short.case}


@pytest.mark.parametrize(("load", "factor"), [(0.1, 1), (2.0, 1), (6.0, 3), (100.0, second_tries.BUSIEST)])
def test_a_busy_machine_has_more_time(
    load: float, factor: float, scripted: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    clock = iter(count(0.0, 9.0))  # each try takes so long
    monkeypatch.setattr(second_tries, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    results = [replace(each, step=each.case) for each in late(20)]
    tries = scripted(results, lambda result: result, load=load)
    assert len(tries) == second_tries.BUDGET_SECONDS * factor // 9


@pytest.mark.parametrize(
    ("certain", "tries"), [(second_tries.CERTAIN_FAILURES - 1, 6), (second_tries.CERTAIN_FAILURES, 2)]
)
def test_a_server_with_many_certain_failures_has_less_time(
    certain: int, tries: int, scripted: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(count(0.0, 3.0))  # each try takes so long
    monkeypatch.setattr(second_tries, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    results = late(20 + certain)
    for number, each in enumerate(results):
        each.step, each.late = each.case, number < 20
    assert len(scripted(results, lambda result: result)) == tries


@pytest.mark.parametrize(
    ("certain", "tries"), [(second_tries.CERTAIN_FAILURES - 1, 2), (second_tries.CERTAIN_FAILURES, 1)]
)
def test_only_a_server_that_has_failed_gets_no_try_that_would_last_too_long(
    certain: int, tries: int, scripted: Callable[..., list[str]]
) -> None:
    long, *others = late(1 + certain)
    long.duration_ms = second_tries.SMALL_BUDGET_SECONDS * 1000 / second_tries.MORE_TIME
    for each in others:
        each.late = False
    assert scripted([long, *others], lambda result: result) == [long.case] * tries


def test_a_case_that_took_long_on_a_busy_machine_is_tried(scripted: Callable[..., list[str]]) -> None:
    (long,) = late(1)
    long.duration_ms = (second_tries.BUDGET_SECONDS + 1) * 1000
    assert scripted([long], lambda result: result, load=100.0)


def test_a_case_that_starts_servers_is_tried_however_long_it_took(scripted: Callable[..., list[str]]) -> None:
    (spawned, *_) = (each for each in select() if each.spawned)
    (result,) = late(1)
    result.case, result.duration_ms = spawned.id, (second_tries.BUDGET_SECONDS + 1) * 1000
    assert set(scripted([result], lambda result: result)) == {spawned.id}


def test_what_the_survey_saw_is_not_tried_again() -> None:
    survey = Survey((Finding("ping", "answers pings", "survey/ping", State.NO, 1.5),))
    run = Run(role="server", seed=0, results=[replace(each, needed="ping") for each in late(3)], survey=survey)
    assert not second_tries.late_cases(run)
    run.results[0].needed = "time"
    assert second_tries.late_cases(run) == run.results[:1]


def test_a_known_failure_that_was_late_instead_is_tried_again_by_itself() -> None:
    survey = Survey((Finding("ping", "answers pings", "survey/ping", State.NO, 1.5),))
    results = [replace(each, needed="ping") for each in late(3)]
    results[1].foreseen = "fail with 'a wrong pong', and it went differently"
    assert second_tries.late_cases(Run(role="server", seed=0, results=results, survey=survey)) == results[1:2]
    assert second_tries.in_groups(results) == [[results[0], results[2]], [results[1]]]


def test_a_known_failure_that_is_late_is_taken_when_it_comes_again(scripted: Callable[..., list[str]]) -> None:
    (result,) = results = late(1)
    result.foreseen = "fail with 'nothing came', and it went differently"
    known = Baseline({result.case: Known(Verdict.FAIL, "nothing came", "a reason")})
    assert len(scripted(results, lambda earlier: replace(earlier, message="nothing came"), known)) == 1
    assert (result.expected, result.known, result.foreseen) == (True, "a reason", "")


def test_no_try_begins_when_the_target_is_gone(scripted: Callable[..., list[str]]) -> None:
    results = [replace(each, step=each.case) for each in late(3)]
    tried = scripted(results, lambda result: replace(result, late=False, stopped=True, ends_run=True))
    assert tried == [results[0].case]


def test_a_late_warning_is_tried_again_unless_it_is_known() -> None:
    results = [replace(each, verdict=Verdict.WARN, expected=True) for each in late(3)]
    results[1].known = "it is slow"
    results[2].late = False
    assert second_tries.late_cases(Run(role="server", seed=0, results=results)) == results[:1]


def test_what_the_run_itself_refutes_is_tried_again() -> None:
    survey = Survey(
        (
            Finding("error.no_handler", "answers", "survey/error.no-handler", State.NO, 1.5),
            Finding("errors", "answers with errors", "", State.NO, 0.0),
        )
    )
    results = [replace(each, needed="error.no_handler") for each in late(2)]
    run = Run(role="server", seed=0, results=results, survey=survey)
    assert not second_tries.late_cases(run)
    passed = replace(results[0], case="survey/error.no-handler", verdict=Verdict.PASS, late=False, expected=True)
    run.results.append(replace(passed, verdict=Verdict.UNSUPPORTED))  # it refutes nothing
    assert not second_tries.late_cases(run)
    run.results.append(passed)
    assert second_tries.late_cases(run) == results[:2]


def test_every_case_is_tried_while_they_pass(scripted: Callable[..., list[str]]) -> None:
    results = late(10)
    tried = scripted(results, lambda result: replace(result, verdict=Verdict.PASS, late=False))
    assert sorted(tried) == sorted(result.case for result in results)
    assert {result.verdict for result in results} == {Verdict.FLAKY}


def test_another_failure_replaces_a_late_one(scripted: Callable[..., list[str]]) -> None:
    (result,) = results = late(1)
    wrong = {"message": "it said something wrong", "step": "it said something wrong, waiting for tea", "needed": "tea"}
    scripted(results, lambda earlier: replace(earlier, **wrong, late=False, stopped=True, ends_run=True))
    assert (result.verdict, result.message, result.expected) == (Verdict.FAIL, "it said something wrong", False)
    assert (result.step, result.needed) == ("it said something wrong, waiting for tea", "tea")
    assert (result.stopped, result.ends_run) == (True, True)
    assert result.earlier[0]["message"] == "late"
