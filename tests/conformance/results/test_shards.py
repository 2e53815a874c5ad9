"""Shards: each case is in exactly one, whatever their number; and their runs become one run with one verdict."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit_commands import invoke, mini, run_kit, run_on

from conformance.cases.catalogue import all_cases, select
from conformance.core.settings import Selection
from conformance.core.shards import Part, Shard
from conformance.core.verdicts import ExitCode, Verdict
from conformance.reports.html.marks import UNDECIDED
from conformance.reports.html.views import columns_of
from conformance.reports.summary import verdict_of
from conformance.results.case_result import CaseResult
from conformance.results.run import Run
from conformance.results.shards import merged
from conformance.results.survey import Finding, State, Survey

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
IDS = [f"a/{number}" for number in range(20)]


def shards(number: int) -> list[Shard]:
    return [Shard(each, number) for each in range(1, number + 1)]


@given(st.integers(1, 9999), st.data())
@settings(deadline=None)
def test_every_case_is_in_exactly_one_shard_of_any_number_of_them(number: int, data: st.DataObject) -> None:
    for case in data.draw(st.lists(st.sampled_from(sorted(all_cases())) | st.text(), max_size=3)):
        assert [each.has(case) for each in shards(number)].count(True) == 1


@pytest.mark.parametrize("number", range(1, 13))
def test_shards_of_all_cases_are_disjoint_and_complete(number: int) -> None:
    found = Counter(case for each in shards(number) for case in all_cases() if each.has(case))
    assert found == Counter(all_cases().keys())


@pytest.mark.parametrize("role", ["server", "client"])
def test_selections_of_shards_are_disjoint_and_complete(role: Any) -> None:
    found = Counter(case.id for each in shards(3) for case in select(Selection(shard=each), role=role))
    assert found == Counter(case.id for case in select(role=role))


def test_shards_of_cases_never_change() -> None:
    """Or a merge of runs by two versions of Python, or of the kit, would lose cases."""
    chosen = ("system/ping", "survey/echo", "publish/subscribing-twice-delivers-once")
    assert [next(each.number for each in shards(8) if each.has(case)) for case in chosen] == [5, 5, 2]


@pytest.mark.parametrize("number", [2, 3, 4, 8, 16])
def test_shards_have_about_as_many_cases(number: int) -> None:
    sizes = [sum(map(each.has, all_cases())) for each in shards(number)]
    assert max(sizes) < 1.3 * sum(sizes) / number


@pytest.mark.parametrize(
    "text", ["9/8", "0/8", "x", "", "3", "3/", "/8", "-1/8", "1/0", "1/99999", "1/8/9", "1 /8", "٣/٨"]
)
def test_what_is_no_shard_is_wrong_use(text: str) -> None:
    done = invoke("run", "--server-cmd", mini(), "--seed", "1", "--shard", text)
    assert done.exit_code == ExitCode.USAGE
    assert done.output.splitlines()[-1].startswith("Error: Invalid value for '--shard': ")
    assert repr(text) in done.output or f"there is no shard {text}" in done.output


def test_shards_need_a_seed_and_cases() -> None:
    done = invoke("run", "--server-cmd", mini(), "--shard", "1/8")
    assert (done.exit_code, "--shard needs --seed N" in done.output) == (ExitCode.USAGE, True)
    empty = next(each for each in shards(2) if not each.has("system/ping"))
    done = invoke("run", "--server-cmd", mini(), "--case", "system/ping", "--seed", "1", "--shard", str(empty))
    assert (done.exit_code, f"shard {empty} has none of the 1 selected cases" in done.output) == (ExitCode.USAGE, True)


def result(case: str, verdict: Verdict = Verdict.PASS, **members: Any) -> CaseResult:
    return CaseResult(case, ["SUB-003"], "must", verdict, verdict is Verdict.PASS, 1, reproduce="again", **members)


def shard_runs(number: int, *, cases: int = len(IDS), **members: Any) -> list[Run]:
    """Return a run for each shard of a run of all ids."""
    found = []
    for each in shards(number):
        results = [result(case) for case in IDS if each.has(case)]
        run = Run("server", 7, target_name="it", results=results, selected=len(results), took=1.5, **members)
        run.part, run.started = Part((each.number,), number, cases), NOON + timedelta(minutes=each.number)
        found.append(run)
    return found


def test_all_shards_are_one_run() -> None:
    run, other = merged([*reversed(shard_runs(4)), Run("server", 7, target_name="other")])[::-1]
    assert other.target_name == "other"
    assert sorted(each.case for each in run.results) == sorted(IDS)
    assert (run.selected, run.duration_s, run.started, run.gap) == (20, 6.0, NOON + timedelta(minutes=1), "")
    assert run.is_conformant
    assert verdict_of(run) == "conformant"


@pytest.mark.parametrize(
    ("left_out", "gap"),
    [
        ({3}, "shard 3 of 4 is missing"),
        ({1, 4}, "shards 1, 4 of 4 are missing"),
        ({2, 3, 4}, "it is shard 1 of 4 only"),
    ],
)
def test_missing_shards_are_told_and_there_is_no_verdict(left_out: set[int], gap: str) -> None:
    there = [run for number, run in enumerate(shard_runs(4), start=1) if number not in left_out]
    (run,) = merged(there)
    assert not run.is_conformant
    assert run.exit_code() is ExitCode.CONFORMANT
    assert verdict_of(run) == f"not decided, because {gap}: 0 unexpected, 0 known failures"
    assert columns_of([run])[0].mark is UNDECIDED
    there[0].results[0] = result(there[0].results[0].case, Verdict.FAIL)
    (run,) = merged(there)
    assert verdict_of(run) == f"not conformant ({gap}): 1 unexpected, 0 known failures"


def test_many_missing_shards_are_ranges() -> None:
    assert Part((1, 5, 9), 9, 0).gap == "shards 2-4, 6-8 of 9 are missing"
    assert Part((1,), 1, 0).gap == ""


@pytest.mark.parametrize(
    "change", [{"seed": 8}, {"chop": "octets"}, {"kit": "0.0"}, {"role": "client"}, {"target_name": "b"}]
)
def test_shards_of_other_runs_are_not_merged(change: dict[str, Any]) -> None:
    runs = shard_runs(2)
    assert len(merged([runs[0], replace(runs[1], **change)])) == 2


def test_shards_of_another_division_or_selection_are_not_merged() -> None:
    assert len(merged([shard_runs(2)[0], shard_runs(3)[1]])) == 2
    assert len(merged([shard_runs(2)[0], shard_runs(2, cases=21)[1]])) == 2


def test_two_runs_of_all_shards_are_two_runs_in_the_order_of_time() -> None:
    later = shard_runs(3)
    for each in later:
        each.started += timedelta(hours=1)
    runs = merged(run for pair in zip(later, shard_runs(3), strict=True) for run in pair)
    assert [(each.is_conformant, each.started.hour) for each in runs] == [(True, 12), (True, 13)]


@pytest.mark.parametrize("kept", [{1}, {1, 2}])
def test_shards_of_two_runs_are_no_whole_run(kept: set[int]) -> None:
    earlier = [run for number, run in enumerate(shard_runs(3), start=1) if number in kept]
    with pytest.raises(ValueError, match=r"^shard 1/3 of it is there twice; give the files of one run$"):
        merged([*earlier, *shard_runs(3)])
    with pytest.raises(ValueError, match=r"^shard 1/3 of it is there 3 times; give the files of one run$"):
        merged([*earlier, *shard_runs(3), *shard_runs(3)])


def test_shards_that_do_not_fit_together_are_refused() -> None:
    one, other = shard_runs(2)
    with pytest.raises(ValueError, match=r"two of them have the case a/"):
        merged([one, replace(other, results=one.results)])
    with pytest.raises(ValueError, match=r"they have 19 of 20 cases"):
        merged([one, replace(other, results=other.results[1:], selected=other.selected - 1)])
    with pytest.raises(ValueError, match=r"judged by different protocols: 1\.0, 1\.1"):
        merged([replace(one, protocol="1.0"), replace(other, protocol="1.1")])


@pytest.mark.parametrize(
    "trouble",
    [
        {"unreachable": "no"},
        {"kit_errors": ["boom"]},
        {"cut_short": "5 s"},
        {"is_interrupted": True},
        {"is_unfinished": True},
    ],
)
def test_trouble_of_one_shard_is_trouble_of_all(trouble: dict[str, Any]) -> None:
    one, other = shard_runs(2)
    (run,) = merged([one, replace(other, results=[], selected=0, **trouble)])
    assert not run.is_conformant
    assert not run.is_whole
    ((name, value),) = trouble.items()
    assert "shard 2/2: " in str(getattr(run, name)) or value is True


def test_survey_is_what_explains_failures_of_any_shard() -> None:
    def survey(*states: State) -> Survey:
        return Survey(tuple(Finding(f"a{n}", "", "", each, 0.1) for n, each in enumerate(states)), 0.1 * len(states))

    for one, other in product(State, State):
        runs = shard_runs(2)
        runs[0].survey, runs[1].survey = survey(one), survey(other, State.YES)
        (run,) = merged(runs)
        assert run.survey
        assert run.survey.lacks("a0") == (State.NO in (one, other))
        assert run.survey.has("a1")
        assert run.survey.answer_seconds == pytest.approx(0.2)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The results files of three shards, the second of which has a failure."""
    folder = tmp_path_factory.mktemp("shards")
    paths = [folder / f"{number}.json" for number in (1, 2, 3)]
    common = ("--case", "system/*", "--seed", "5")
    done = [
        run_on(mini("pong"), *common, "--shard", f"{number}/3", "--json", str(path))
        for number, path in enumerate(paths, start=1)
    ]
    assert sorted(each.returncode for each in done) == [0, 0, 1]
    return paths


def test_every_shard_makes_the_survey(files: list[Path]) -> None:
    surveys = [json.loads(each.read_text())["survey"] for each in files]
    assert all(len(each["findings"]) > 10 for each in surveys)


def test_one_shard_has_no_verdict(files: list[Path]) -> None:
    good = next(run for run in map(Run.read, files) if not run.unexpected)
    assert good.part
    assert f"shard {good.part.numbers[0]} of 3 only" in verdict_of(good)
    assert not json.loads(good.as_text())["summary"]["conformant"]


def test_report_merges_the_shards_and_writes_one_results_file(files: list[Path], tmp_path: Path) -> None:
    whole = tmp_path / "whole.json"
    done = run_kit("report", *map(str, files), "--json", str(whole), COLUMNS="300")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("not conformant: 1 unexpected, 0 known failures") == 1
    run = Run.read(whole)
    assert {each.case for each in run.results} == {each.id for each in select(Selection(globs=("system/*",)))}
    assert verdict_of(run) == "not conformant: 1 unexpected, 0 known failures"
    assert run_kit("report", str(whole), COLUMNS="300").stdout == done.stdout


def test_report_says_which_shard_is_missing(files: list[Path], tmp_path: Path) -> None:
    done = run_kit("report", *map(str, files[:2]), COLUMNS="200")
    assert "shard 3 of 3 is missing" in done.stdout
    other = tmp_path / "other.json"
    other.write_text(files[0].read_text().replace('"seed": 5', '"seed": 6'))
    done = run_kit("report", str(files[1]), str(other), "--json", str(tmp_path / "whole.json"))
    assert (done.returncode, "these are 2 runs" in done.stderr) == (ExitCode.USAGE, True)
