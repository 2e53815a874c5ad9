"""The summary of a run as text: what is explained first, what is one line, and the closing line."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from conformance.core.verdicts import Verdict
from conformance.reports.summary import FEW, print_report
from conformance.results.case_result import CaseResult
from conformance.results.known_failures import OPEN_REASON, Baseline, Known
from conformance.results.run import Run

KNOWN = Known(Verdict.FAIL, "wrong", "issue 42")


def outcome(case: str, verdict: Verdict, **members: Any) -> CaseResult:
    """Return a result whose case is in no baseline."""
    result = CaseResult(case, ["SYS-003"], "must", verdict, expected=False, duration_ms=1, **members)
    Baseline({}).judge(result)
    return result


def judged(case: str, verdict: Verdict, known: Known = KNOWN) -> CaseResult:
    """Return a result whose case is a known failure."""
    result = outcome(case, verdict, message="" if verdict is Verdict.PASS else "wrong\nin detail")
    Baseline({case: known}).judge(result)
    return result


def run_of(*results: CaseResult, **members: Any) -> Run:
    return Run("server", 7, target_name="it", results=list(results), **members)


def lines_of(run: Run) -> list[str]:
    text = io.StringIO()
    print_report(Console(file=text, width=120), run)
    return text.getvalue().splitlines()


def test_unexpected_outcomes_come_first_and_known_ones_are_one_line() -> None:
    a_warning = judged("e/known-warning", Verdict.WARN, Known(Verdict.WARN, "wrong", "slow"))
    shown = lines_of(
        run_of(
            outcome("b/warning", Verdict.WARN, message="late"), a_warning, judged("a/known", Verdict.FAIL),
            judged("d/passed", Verdict.PASS), outcome("c/new", Verdict.FAIL, message="new"),
            outcome("z/error", Verdict.ERROR, message="Traceback"),
        )
    )  # fmt: skip
    heads = [line for line in shown if line.split(" ")[0] in ("FAIL", "WARN", "ERROR", "PASS")]
    assert heads == [
        "ERROR z/error", "FAIL c/new", "PASS d/passed", "FAIL a/known: wrong (known: issue 42)", "WARN b/warning",
        "WARN e/known-warning: wrong (known: slow)",
    ]  # fmt: skip
    assert shown[shown.index(heads[3]) + 1] == heads[4]
    assert sum(line.startswith("  what  ") for line in shown) == 3
    assert any(line.startswith("chapter ") for line in shown)
    assert shown[-1].startswith("it: not conformant: 3 unexpected, 1 known failures. ")


def test_explained_failures_end_with_what_shows_the_rule() -> None:
    shown = lines_of(run_of(FAILED, judged("a/known", Verdict.FAIL), outcome("z/other", Verdict.FAIL, message="x")))
    hint = "ipc-conformance spec show SYS-003 prints the rule, its section and its cases."
    assert shown.count(hint) == 1
    assert shown.index(hint) > max(number for number, line in enumerate(shown) if line.startswith("  again "))


@pytest.mark.parametrize(
    "result", [outcome("a/a", Verdict.PASS), judged("a/b", Verdict.FAIL), outcome("a/c", Verdict.ERROR, message="oops")]
)
def test_without_an_explained_failure_no_rule_is_named(result: CaseResult) -> None:
    assert not any("spec show" in line for line in lines_of(run_of(result)))


def test_unexpected_outcomes_are_named_again_above_the_closing_line_if_there_are_known_ones() -> None:
    new = [outcome(f"a/{number:02}", Verdict.FAIL, message="no", step="no") for number in range(11)]
    passed, known = judged("d/passed", Verdict.PASS), judged("c/known", Verdict.FAIL)
    assert lines_of(run_of(PASSED, new[0], passed, known))[-3:-1] == [
        "unexpected: FAIL a/00 (SYS-003)",
        "unexpected: PASS d/passed",
    ]
    shown = lines_of(run_of(*new, known))
    assert shown[-12:-1] == [*(f"unexpected: FAIL a/{number:02} (SYS-003)" for number in range(10)), "and 1 more"]
    for run in (run_of(*new), run_of(PASSED, known)):
        assert not any(line.startswith("unexpected: ") for line in lines_of(run))


def test_many_known_failures_are_one_line_per_reason() -> None:
    other = Known(Verdict.FAIL, "wrong", "issue 7")
    known = [judged(f"a/{number}", Verdict.FAIL) for number in range(FEW)]
    shown = lines_of(run_of(PASSED, *known, judged("a/other", Verdict.FAIL, other), FAILED))
    heads = [line for line in shown if line.startswith("FAIL ")]
    assert heads == [
        "FAIL a/b",
        f"FAIL {FEW} cases, such as a/0: wrong (known: issue 42)",
        "FAIL a/other: wrong (known: issue 7)",
    ]


PASSED, FAILED = outcome("a/a", Verdict.PASS), outcome("a/b", Verdict.FAIL, message="new")
OPEN = Known(Verdict.FAIL, "wrong", OPEN_REASON)
CLOSING = {
    "it: conformant. 1 cases": run_of(PASSED),
    "it: conformant, but known failures did not occur: 1 unexpected, 0 known failures. 2": run_of(
        PASSED, judged("a/c", Verdict.PASS)
    ),
    "it: conformant, with 1 warnings, but known failures did not occur: 1 unexpected, 0 known failures. 1": run_of(
        judged("a/c", Verdict.WARN)
    ),
    "it: not conformant: 0 unexpected, 1 known failures. 2": run_of(PASSED, judged("a/c", Verdict.FAIL)),
    "it: not conformant: 1 unexpected, 1 known failures, 1 known without a reason. 2": run_of(
        FAILED, judged("a/c", Verdict.FAIL, OPEN)
    ),
    "it: conformant, with 1 warnings: 0 unexpected, 0 known failures, 1 known without a reason. 1": run_of(
        judged("a/c", Verdict.WARN, Known(Verdict.WARN, "wrong", OPEN_REASON))
    ),
    "it: not decided, because the kit failed: 0 unexpected, 0 known failures. 1": run_of(PASSED, kit_errors=["oops"]),
    "it: not decided, because the kit failed: 1 unexpected, 0 known failures. 2": run_of(
        PASSED, outcome("a/c", Verdict.ERROR, message="oops")
    ),
    "it: no case was executed, so nothing is known about the target: 1 unexpected, 0 known failures. 0": run_of(
        judged("a/c", Verdict.UNSUPPORTED)
    ),
    "2 cases executed before that, 1 unexpected.": run_of(PASSED, FAILED, unreachable="gone"),
}


@pytest.mark.parametrize("text", CLOSING)
def test_closing_line_counts_unexpected_outcomes_unless_the_status_is_0(text: str) -> None:
    last = lines_of(CLOSING[text])[-1]
    assert last.startswith(text)
    assert (CLOSING[text].exit_code() == 0) or " unexpected" in last
    assert CLOSING[text].as_json()["summary"]["unexpected"] == CLOSING[text].unexpected
