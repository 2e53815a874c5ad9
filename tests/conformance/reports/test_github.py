"""The summary on GitHub: verdict, survey and causes, appended to the file that the environment names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kit_commands import mini, run_on

from conformance.core.verdicts import Verdict
from conformance.reports.causes import TOP
from conformance.reports.github import VARIABLE, as_markdown
from conformance.results.case_result import CaseResult
from conformance.results.run import Run
from conformance.results.survey import Finding, State, Survey

SURVEY = Survey((
    Finding("ping", "answers pings", "survey/ping", State.NO, 0.1),
    Finding("own_delivery", "delivers", "survey/own-delivery", State.YES, 0.1),
))  # fmt: skip


def bad(case: str, message: str, rule: str = "SUB-010", **members: Any) -> CaseResult:
    return CaseResult(case, [rule], "must", Verdict.FAIL, expected=False, duration_ms=1, message=message, **members)


def text_of(*results: CaseResult) -> str:
    return "\n".join(as_markdown(Run("server", 7, target_name="it", results=list(results), survey=SURVEY, took=1.5)))


def test_verdict_survey_and_causes_are_told() -> None:
    late = "the server did not answer in time"
    text = text_of(bad("a/1", late, step=f"{late}, waiting for the pong", needed="ping"), bad("a/2", "it is red"))
    assert text.startswith("### it: not conformant: 2 unexpected, 0 known failures. 2 cases executed in 1.5 s, seed 7.")
    assert "| yes | own\\_delivery |\n| no | ping |" in text
    assert "| 1 | 1 | no-ping: The server does not answer pings. | SUB-010 |" in text
    assert text.index("no-ping") < text.index("It is red")


def test_a_good_run_has_no_table_of_causes() -> None:
    text = text_of(CaseResult("a/1", ["SUB-010"], "must", Verdict.PASS, expected=True, duration_ms=1))
    assert text.startswith("### it: conformant. ")
    assert "cause" not in text


def test_rare_causes_are_only_named() -> None:
    text = text_of(*(bad(f"a/{number}", "it is red", rule=f"SUB-{number + 10:03}") for number in range(TOP + 2)))
    assert text.count("| 1 | 1 | SUB-") == TOP
    assert "Other causes: SUB-018, SUB-019" in text


def test_words_of_a_target_are_no_markup() -> None:
    text = text_of(bad("a/1", "a | `b` <img src=x> [c](http://d)\x1b[2J ::error::e"))
    assert r"A \| \`b\` \<img src=x\> \[c\]\(http:" in text
    assert "http://" not in text
    assert "\x1b" not in text


def test_an_unreachable_target_and_errors_of_the_kit_are_told() -> None:
    run = Run("server", 7, target_name="it", unreachable="cannot connect", kit_errors=["Traceback\n  boom"])
    assert list(as_markdown(run)) == ["### cannot connect", "\nTraceback", "\n  boom"]


def test_runs_of_a_job_share_the_file(tmp_path: Path) -> None:
    file = tmp_path / "summary.md"
    for _ in range(2):
        assert run_on(mini(), "--case", "system/ping", **{VARIABLE: str(file)}).returncode == 0
    assert file.read_text().count("### ") == 2


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    done = run_on(mini(), "--case", "system/ping", **{VARIABLE: str(tmp_path)})
    assert done.returncode == 2
    assert f"cannot write ${VARIABLE}" in done.stderr


def test_an_empty_variable_names_no_file() -> None:
    assert run_on(mini(), "--case", "system/ping", **{VARIABLE: ""}).returncode == 0
