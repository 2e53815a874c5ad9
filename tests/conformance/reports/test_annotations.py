"""Annotations of a run on GitHub: causes first, few enough to be shown, and no command of the target among them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from github_runner import Command, commands_in
from hypothesis import example, given
from hypothesis import strategies as st
from kit_commands import mini, run_on, script

from conformance.core.text import printable
from conformance.core.verdicts import ExitCode, Verdict
from conformance.core.workflow_commands import command
from conformance.reports.annotations import MOST, as_annotations
from conformance.results.case_result import CaseResult
from conformance.results.run import Run

HOSTILE = "%0A::error::a\n::set-output name=x::y\r\n ::add-mask::z ##[error]b \u2028::stop-commands::t\x85::error::c"
LATE = "the server did not answer in time"


def bad(case: str, message: str, rule: str = "SUB-010", **members: Any) -> CaseResult:
    stated: dict[str, Any] = {"verdict": Verdict.FAIL, "expected": False} | members
    return CaseResult(case, [rule], "must", duration_ms=1, message=message, reproduce="again", **stated)


def annotated(*results: CaseResult, **members: Any) -> list[Command]:
    run = Run("server", 7, target_name="it", results=list(results), took=1.5, **members)
    return commands_in("\n".join(as_annotations(run)))


def test_causes_come_first_then_other_outcomes_and_at_last_the_verdict() -> None:
    stray = bad("a/0", "", verdict=Verdict.PASS, foreseen="fail with 'x', and it went differently")
    late = [bad(f"a/{number}", LATE, step=f"{LATE}, waiting for the pong") for number in (1, 2)]
    found = annotated(*late, bad("b/1", "it is red", wanted="green", received="red"), stray)
    assert [(each.name, each.properties["title"]) for each in found] == [
        ("error", "no-pong"), ("error", "SUB-010"), ("error", "a/0"), ("error", "a/2"), ("notice", "ipc-conformance"),
    ]  # fmt: skip
    assert found[0].message.startswith("The server is silent where it must send the pong. [SUB-010]\n2 cases: a/1, a/2")
    assert "\nagain: again\nwanted: green\nreceived: red" in found[1].message
    assert "it went differently" in found[2].message
    assert found[-1].message.startswith("it: not conformant: 4 unexpected")


def test_no_more_than_github_shows_and_the_rest_is_counted() -> None:
    results = [bad(f"a/{number}", "red", rule=f"SUB-{number:03}") for number in range(10, 25)]
    warned = [bad(f"b/{n}", "no", rule=f"ERR-{n:03}", verdict=Verdict.WARN, expected=True) for n in range(10, 25)]
    found = annotated(*results, *warned)
    for kind in ("error", "warning"):
        shown = [each for each in found if each.name == kind]
        assert len(shown) == MOST
        assert shown[-1].message == f"6 more {kind}s; the log and the results file have them"
    assert found[-1].name == "notice"


@pytest.mark.parametrize("number", [MOST - 1, MOST, MOST + 1])
def test_as_many_as_fit_are_shown_without_a_count(number: int) -> None:
    found = annotated(*(bad(f"a/{each}", "red", rule=f"SUB-{each:03}") for each in range(10, 10 + number)))
    assert len(found) == min(number, MOST) + 1
    assert ("more errors" in found[-2].message) == (number > MOST)


def test_known_failures_are_no_annotations() -> None:
    known = bad("a/1", "red", expected=True, known="Issue 42.")
    assert [each.name for each in annotated(known)] == ["notice"]


def test_example_of_a_cause_is_a_case_that_makes_the_run_fail() -> None:
    known = bad("a/1", "red", expected=True, known="Issue 42.")
    found = annotated(known, bad("a/2", "red", trace=[{"text": ""}]))
    assert [each.name for each in found] == ["error", "notice"]
    assert "\nFAIL a/2: red" in found[0].message


def test_what_kept_the_run_from_a_verdict_is_an_error() -> None:
    found = annotated(unreachable="cannot connect", kit_errors=["Traceback\n  boom"], is_interrupted=True, selected=9)
    assert [each.message for each in found[:3]] == [
        "Traceback\n  boom",
        "cannot connect",
        "interrupted: 0 of 9 cases ended, so there is no verdict",
    ]


def test_failed_run_without_a_failed_case_has_an_error() -> None:
    known = bad("a/1", "red", expected=True, known="Issue 42.", ends_run=True)
    for run in (annotated(cut_short="0 cases"), annotated(known)):
        assert [each.name for each in run] == ["error", "notice"]
        assert run[0].message == run[1].message


@pytest.mark.parametrize("text", ["x" * 9999, "\x01" * 9999, "%" * 9999])
def test_long_texts_leave_room_for_the_command_that_repeats_the_case(text: str) -> None:
    run = Run("server", 7, target_name=text, took=1.5, kit_errors=[text])
    run.results = [bad("a/1", text, wanted=text, received=text, foreseen=text)]
    lines = list(as_annotations(run))
    assert max(map(len, lines)) < 4096
    assert "\nagain: again\n" in commands_in(lines[1])[0].message


@given(st.text(), st.text())
@example(HOSTILE, HOSTILE)
def test_a_command_says_what_it_was_given_and_nothing_else(title: str, message: str) -> None:
    title, message = printable(title), printable(message)
    assert commands_in(command("error", message, title=title)) == [Command("error", {"title": title}, message)]


@given(st.text(min_size=1))
@example(HOSTILE)
def test_no_words_of_a_target_are_a_command(words: str) -> None:
    told = {"wanted": words, "received": words, "foreseen": words, "step": words}
    run = Run("server", 7, target_name=words, took=1.5, unreachable=words, kit_errors=[words])
    run.results = [bad("a/1", words, **told), bad("a/2", words, known=words, expected=True, **told)]
    found = commands_in("\n".join(as_annotations(run)))
    assert [each.name for each in found] == ["error", "error", "error", "notice"]


@pytest.mark.parametrize("form", ["text", "github"])
def test_output_of_a_target_is_no_command_in_any_stream(form: str, tmp_path: Path) -> None:
    source = f"import sys\nfor end in (sys.stdout, sys.stderr):\n    print({HOSTILE!r}, file=end)\nsys.exit(3)"
    done = run_on(script(tmp_path, source), "--case", "system/ping", "--format", form)
    assert done.returncode == ExitCode.UNREACHABLE
    found = commands_in(done.stdout + done.stderr)
    assert [each.name for each in found] == (["error", "notice"] if form == "github" else [])


def test_command_prints_annotations_and_the_report_beside_them() -> None:
    done = run_on(mini("pong"), "--case", "system/ping", "--format", "github")
    assert done.returncode == ExitCode.NOT_CONFORMANT
    assert [each.name for each in commands_in(done.stdout)] == ["error", "notice"]
    assert all(line.startswith("::") for line in done.stdout.splitlines())
    assert "FAIL system/ping" in done.stderr
    assert commands_in(done.stderr) == []
