"""TAP of a run, read by a parser of TAP: a point per case, directives, and the explanation as YAML."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kit_commands import mini, run_on
from tap.line import Diagnostic, Plan, Result, Version
from tap.parser import Parser

from conformance.core.text import printable
from conformance.core.verdicts import ExitCode, Verdict
from conformance.reports.summary import closing_lines
from conformance.reports.tap import as_tap
from conformance.results.case_result import CaseResult
from conformance.results.run import Run

HOSTILE = "a\nok 9 - b\n  ...\nBail out! c # SKIP d \\# TODO e: - {f\x00\x85\u2028\ud800\ufeff\U0001f600"
TEXT = r"(?:[^\\#\n]|\\\\|\\#)"
LINE = re.compile(
    rf"TAP version 14|1\.\.\d+|(?:not )?ok [1-9]\d* - {TEXT}+(?: # (?:SKIP|TODO) {TEXT}*)?"
    r"|#.*|  ---|  [a-z]+: .+|  \.\.\."
)
"""The grammar of TAP 14, as far as the kit uses it."""
TABLE = [
    (Verdict.PASS, True, "", "ok 1 - system/ping"),
    (Verdict.WARN, True, "", "ok 1 - system/ping"),
    (Verdict.UNSUPPORTED, True, "", "ok 1 - system/ping # SKIP wrong"),
    (Verdict.FAIL, True, "Issue #4.", r"not ok 1 - system/ping # TODO Issue \#4."),
    (Verdict.FAIL, False, "", "not ok 1 - system/ping"),
    (Verdict.PASS, False, "", "not ok 1 - system/ping"),
    (Verdict.ERROR, False, "", "not ok 1 - system/ping"),
]


def result(verdict: Verdict, *, expected: bool = False, case: str = "system/ping", **members: Any) -> CaseResult:
    stated = {"message": "wrong", "reproduce": "again"} | members
    return CaseResult(case, ["SYS-003"], "must", verdict, expected, 1500.0, **stated)


def run_of(*results: CaseResult, **members: Any) -> Run:
    return Run("server", 7, target_name="it", results=list(results), took=1.5, **members)


def parsed(text: str) -> list[Any]:
    """Return what a parser of TAP reads; every line is of a kind that it knows, and of our strict grammar."""
    assert [line for line in text.splitlines() if not LINE.fullmatch(line)] == []
    found = list(Parser().parse_text(text))
    assert {type(each) for each in found} <= {Version, Plan, Result, Diagnostic}
    points = [each for each in found if isinstance(each, Result)]
    (plan,) = (each for each in found if isinstance(each, Plan))
    assert (plan.expected_tests, [each.number for each in points]) == (len(points), [*range(1, len(points) + 1)])
    return found


def points(run: Run) -> list[Result]:
    return [each for each in parsed("\n".join(as_tap(run))) if isinstance(each, Result)]


@pytest.mark.parametrize(("verdict", "expected", "known", "line"), TABLE)
def test_verdict_becomes_a_test_point(verdict: Verdict, expected: bool, known: str, line: str) -> None:
    run = run_of(result(verdict, expected=expected, known=known))
    assert [*as_tap(run)][2] == line
    point, *_ = points(run)  # a run of no executed case has one more
    assert point.ok is not line.startswith("not")
    assert (point.skip, point.todo) == ("# SKIP" in line, "# TODO" in line)
    assert (point.yaml_block is not None) is not (expected and verdict in (Verdict.PASS, Verdict.UNSUPPORTED))


def test_block_of_a_failure_says_what_the_report_says() -> None:
    (point,) = points(run_of(result(Verdict.FAIL, wanted="a: b", received="- c\n# d")))
    block = point.yaml_block
    assert block.pop("explanation").startswith("FAIL system/ping\n  [SYS-003]")
    assert block == {
        "id": "system/ping", "verdict": "fail", "requirements": ["SYS-003"], "message": "wrong", "wanted": "a: b",
        "received": "- c\n# d", "again": "again",
    }  # fmt: skip


def test_points_are_in_the_order_of_ids_and_end_with_the_verdict() -> None:
    lines = [*as_tap(run_of(*(result(Verdict.PASS, expected=True, case=f"a/{each}") for each in "cab")))]
    assert lines[1:-1] == ["1..3", "ok 1 - a/a", "ok 2 - a/b", "ok 3 - a/c"]
    assert lines[-1] == "# it: conformant. 3 cases executed in 1.5 s, seed 7."


@pytest.mark.parametrize(
    "members",
    [{"unreachable": "no\nserver"}, {"kit_errors": ["boom\nhere"]}, {"is_interrupted": True, "selected": 9}, {}],
)
def test_a_run_that_failed_without_a_failed_case_has_a_point_that_is_not_ok(members: dict[str, Any]) -> None:
    for results in ([], [result(Verdict.UNSUPPORTED, expected=True)]):
        run = run_of(*results, **members)
        assert run.exit_code() is not ExitCode.CONFORMANT
        *others, last = points(run)
        assert (len(others), last.ok, last.todo) == (len(results), False, False)
        assert last.yaml_block["message"] in closing_lines(run)


@given(st.text())
@example(HOSTILE)
def test_no_words_of_a_target_are_a_line_of_tap(words: str) -> None:
    told: dict[str, Any] = {
        "wanted": words,
        "received": words,
        "foreseen": words,
        "step": words,
        "message": words,
        "known": words,
    }
    run = run_of(
        result(Verdict.FAIL, **told), result(Verdict.UNSUPPORTED, expected=True, **told),
        result(Verdict.FAIL, expected=True, **told), unreachable=words, kit_errors=[words],
    )  # fmt: skip
    run.target_name = words
    found = points(run)
    assert [each.ok for each in found] == [False, True, False]
    assert found[0].yaml_block.get("received", "") == printable(words)


def test_command_prints_tap_and_the_report_beside_it() -> None:
    done = run_on(mini("pong"), "--case", "system/ping", "--case", "queue/alike-*", "--format", "tap")
    assert done.returncode == ExitCode.NOT_CONFORMANT
    found = [each for each in parsed(done.stdout) if isinstance(each, Result)]
    assert [(each.ok, each.skip) for each in found][-2:] == [(True, True), (False, False)]
    assert found[-1].yaml_block["requirements"] == ["SYS-003"]
    assert "FAIL system/ping" in done.stderr
