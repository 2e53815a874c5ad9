"""Known failures by cause: strict both ways, written briefly, read again, with the reasons that people gave."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from conformance.cases.catalogue import all_cases
from conformance.core.verdicts import Verdict
from conformance.protocol.files import read_toml
from conformance.results.baseline_file import write_baseline
from conformance.results.case_result import CaseResult
from conformance.results.known_failures import OPEN_REASON, Baseline, Known
from conformance.results.run import Run
from conformance.results.survey import Finding, State, Survey

LATE = "the server did not answer in time"
NO_ERRORS = Survey((Finding("errors", "answers with errors", "", State.NO, 0.0),))
SILENT = f"{LATE}, waiting for the error no_handler"
OTHER_CODE = f"{LATE}, waiting for the error forbidden"
ENDED = "the server ended the connection without the error no_handler"
ACCEPTED = "expected the error no_handler and got a response without an error"
IDS = sorted(all_cases())


def outcome(case: str, step: str, verdict: Verdict = Verdict.FAIL, **members: Any) -> CaseResult:
    message = step.partition(", waiting for ")[0]
    return CaseResult(case, ["REQ-012"], "must", verdict, True, 1, message=message, step=step, **members)


def run_of(*results: CaseResult, survey: Survey | None = NO_ERRORS, seed: int = 7) -> Run:
    return Run("server", seed, results=list(results), survey=survey)


def update(file: Path, run: Run, old: Baseline | None = None) -> int:
    return write_baseline(file, run, old or Baseline({}), IDS)


def read(file: Path) -> Baseline:
    return Baseline.read(file, IDS)


def is_expected(baseline: Baseline, result: CaseResult) -> bool:
    baseline.judge(result)
    return result.expected


@pytest.mark.parametrize(("step", "cause"), [(SILENT, "no-errors"), (LATE, "no-answer"), (SILENT, "stops-serving")])
def test_known_failure_whose_server_stopped_serving_is_still_foreseen(step: str, cause: str) -> None:
    known = Known(Verdict.FAIL, LATE, "a reason", cause=cause)
    assert is_expected(Baseline({"a/b": known}), outcome("a/b", step, late=True, stopped=True))


KNOWN = Known(Verdict.FAIL, LATE, "no errors", cause="no-errors")


@pytest.mark.parametrize(
    ("step", "verdict", "expected"),
    [
        (SILENT, Verdict.FAIL, True),
        (OTHER_CODE, Verdict.FAIL, True),
        (SILENT, Verdict.WARN, False),
        (ENDED, Verdict.FAIL, False),
        (ACCEPTED, Verdict.FAIL, False),
        (f"{LATE}, waiting for the pong", Verdict.FAIL, False),
        ("", Verdict.PASS, False),
        ("no handler", Verdict.UNSUPPORTED, False),
    ],
)
def test_case_that_leaves_its_cause_is_unexpected(step: str, verdict: Verdict, expected: bool) -> None:
    result = outcome("system/ping", step, verdict)
    assert is_expected(Baseline({"system/ping": KNOWN}), result) is expected
    assert (result.known == "no errors") is expected
    assert (result.foreseen == f"fail with {LATE!r}, cause no-errors, and it went differently") is not expected


def test_case_that_joins_a_cause_is_unexpected(tmp_path: Path) -> None:
    file = tmp_path / "known.toml"
    update(file, run_of(outcome("system/ping", SILENT)))
    assert is_expected(read(file), outcome("system/ping", SILENT))
    assert not is_expected(read(file), outcome("system/get-time", SILENT))


def test_file_expects_the_cause_even_if_no_survey_is_made(tmp_path: Path) -> None:
    file = tmp_path / "known.toml"
    update(file, run_of(outcome("system/ping", SILENT)))
    assert read(file).entries["system/ping"].cause == "no-errors"
    update(file, run_of(outcome("system/ping", SILENT), survey=None))
    assert read(file).entries["system/ping"].cause == "no-error-no-handler"
    assert is_expected(read(file), outcome("system/ping", SILENT))


def test_entries_are_one_per_cause_message_and_reason(tmp_path: Path) -> None:
    file = tmp_path / "known.toml"
    golden = [each for each in IDS if each.startswith("golden/json-")]
    results = [outcome(each, SILENT if number % 2 else OTHER_CODE) for number, each in enumerate(golden)]
    assert (
        update(file, run_of(*results, outcome("system/ping", ENDED), outcome("system/time", ACCEPTED)))
        == len(golden) + 2
    )
    content = read_toml(file, "tools/known-failures", "known failures")
    assert content["seed"] == 7
    assert [(each["id"], each["message"], each["cases"]) for each in content["cause"]] == [
        ("accepts-no-handler", ACCEPTED, ["system/time"]),
        ("no-errors", LATE, ["golden/json-*"]),
        ("no-errors", "the server ended the connection without the error", ["system/ping"]),
    ]
    assert {each["reason"] for each in content["cause"]} == {OPEN_REASON}
    assert all(each["requirements"] == ["REQ-012"] for each in content["cause"])


def test_update_keeps_reasons_and_the_words_that_a_person_wrote(tmp_path: Path) -> None:
    file = tmp_path / "known.toml"
    run = run_of(*(outcome(each, SILENT) for each in IDS[:9]), outcome("system/ping", 'odd "text" \\'))
    update(file, run)
    text = file.read_text().replace(OPEN_REASON, "server.py:12 drops it").replace(f'"{LATE}"', '"did not answer"')
    file.write_text(text)
    assert update(file, run, read(file)) == 0
    assert file.read_text() == text
    run.results.pop(0)
    assert update(file, run, read(file)) == 0
    assert "server.py:12 drops it" in file.read_text()
    assert len(read(file).entries) == 9


def test_old_entries_are_read_and_become_causes_with_their_reasons(tmp_path: Path) -> None:
    file = tmp_path / "known.toml"
    cases = json.dumps(["system/ping", "system/get-time"])
    file.write_text(f'[[known]]\nverdict = "fail"\nmessage = "not answer"\nreason = "deaf"\ncases = {cases}\n')
    results = [outcome(each, SILENT) for each in ("system/ping", "system/get-time")]
    assert all(is_expected(read(file), each) for each in results)
    assert update(file, run_of(*results), read(file)) == 0
    assert set(read(file).entries.values()) == {Known(Verdict.FAIL, LATE, "deaf", cause="no-errors")}


def test_faults_of_the_kit_stay_without_a_cause(tmp_path: Path) -> None:
    file = tmp_path / "known.toml"
    update(file, run_of(outcome("system/ping", "Traceback\nmore", Verdict.ERROR)))
    assert read(file).entries == {"system/ping": Known(Verdict.ERROR, "Traceback", OPEN_REASON)}


@pytest.mark.parametrize(
    ("cases", "excepted", "problem"),
    [
        (["system/pi*", "gone/*"], [], "there is no case 'gone/*'"),
        (["system/*"], ["system/gone"], "there is no case 'system/gone'"),
        (["system/*", "system/ping"], [], ""),
        (["system/ping"], ["system/ping"], ""),
    ],
)
def test_globs_that_match_nothing_are_refused(
    cases: list[str], excepted: list[str], problem: str, tmp_path: Path
) -> None:
    file = tmp_path / "known.toml"
    head = '[[cause]]\nid = "no-errors"\nverdict = "fail"\nmessage = "x"\nreason = "y"\n'
    rest = f"except = {json.dumps(excepted)}\n" if excepted else ""
    file.write_text(f"{head}cases = {json.dumps(cases)}\n{rest}")
    if problem:
        with pytest.raises(ValueError, match=r"known failures .*known.toml: ") as raised:
            read(file)
        assert problem in str(raised.value)
    else:
        assert "system/ping" in read(file).entries or excepted


def test_case_in_two_entries_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "known.toml"
    entry = '[[cause]]\nid = "no-errors"\nverdict = "fail"\nmessage = "x"\nreason = "y"\n'
    file.write_text(f'{entry}cases = ["system/ping"]\n{entry}cases = ["system/p*"]\n')
    with pytest.raises(ValueError, match="is listed twice"):
        read(file)


@pytest.mark.parametrize("seed", range(10))
def test_written_file_expects_exactly_the_run(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    file, steps = tmp_path / "known.toml", (SILENT, OTHER_CODE, ENDED, ACCEPTED, "it is red")
    chapters = {each: chance.choice(steps) for each in sorted({case.partition("-")[0] for case in IDS})}
    results = [
        outcome(case, chapters[case.partition("-")[0]] if chance.random() < 0.9 else chance.choice(steps))
        if chance.random() < 0.5
        else outcome(case, "", Verdict.PASS)
        for case in IDS
    ]
    update(file, run_of(*results))
    baseline, text = read(file), file.read_text()
    assert all(is_expected(baseline, each) for each in results)
    assert set(baseline.entries) == {each.case for each in results if each.verdict is Verdict.FAIL}
    chance.shuffle(results)
    update(file, run_of(*results), baseline)
    assert file.read_text() == text
