"""The report of a run with many failures: its first screen, an example of each cause, and what shows more."""

from __future__ import annotations

import io
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from conformance.cli.main import main
from conformance.core.verdicts import Verdict
from conformance.reports.causes import TOP
from conformance.reports.progress import NAMED, RunProgress
from conformance.reports.summary import FEW, print_report
from conformance.results.case_result import CaseResult
from conformance.results.known_failures import Baseline, Known
from conformance.results.run import Run
from conformance.results.survey import Finding, State, Survey

LATE = "the server did not answer in time, waiting for "
ABILITIES = {
    "acknowledgement": State.YES,
    "ping": State.NO,
    "delivery": State.SLOWLY,
    "echo": State.UNKNOWN,
    "error.no_handler": State.NO,
    "errors": State.NO,
}
SURVEY = Survey(tuple(Finding(name, f"does {name}", f"survey/{name}", state, 0.1) for name, state in ABILITIES.items()))
LINE = {"at": 0.0, "peer": "A", "direction": "event", "octets": 0, "hex": "", "text": "end of stream"}


def outcome(case: str, step: str, verdict: Verdict = Verdict.FAIL, rule: str = "SYS-003", **members: Any) -> CaseResult:
    message = step.partition(", waiting for ")[0]
    result = CaseResult(
        case, [rule], "must", verdict, expected=False, duration_ms=1, message=message, step=step, **members
    )
    Baseline({}).judge(result)
    return result


def naive(**members: Any) -> Run:
    """Return the run of a server without pings and errors."""
    results = [
        *(outcome(f"golden/{number}", f"{LATE}the error no_handler", trace=[LINE] * 20) for number in range(12)),
        *(outcome(f"system/{number}", f"{LATE}the pong", needed="ping") for number in range(3)),
        outcome("publish/red", "it is red", rule="SUB-010"),
        outcome("publish/slow", "it is slow", Verdict.WARN, rule="FRM-004"),
        outcome("publish/good", "", Verdict.PASS, watched=True),
    ]
    return Run("server", 7, target_name="it", results=results, survey=SURVEY, took=1.5, **members)


def lines_of(run: Run, width: int = 80) -> list[str]:
    text = io.StringIO()
    print_report(Console(file=text, width=width), run)
    return text.getvalue().splitlines()


def test_first_screen_has_the_verdict_the_survey_and_the_causes() -> None:
    shown = lines_of(naive())
    assert shown[:17] == [
        "it: not conformant: 16 unexpected, 0 known failures",
        "17 failures and warnings have 4 causes.",
        "",
        "survey  yes      acknowledgement",
        "        slowly   delivery",
        "        no       ping, errors",
        "        unknown  echo",
        "",
        " cases  cause",
        "    12  no-errors: The server sends no error answers. [ERR-001]",
        "     3  no-ping: The server does not answer pings. [SYS-003]",
        "     1  SUB-010: It is red. [SUB-010]",
        "     1  FRM-004: It is slow. [FRM-004]",
        "",
        "CAUSE no-errors: The server sends no error answers.",
        "  cases     golden/0, golden/1, golden/10, golden/11 and 8 more",
        "FAIL golden/0",
    ]
    assert "    ... 8 earlier lines: --trace shows them" in shown
    assert [line for line in shown if line.startswith(("CAUSE", "FAIL", "WARN"))] == [
        "CAUSE no-errors: The server sends no error answers.", "FAIL golden/0",
        "CAUSE no-ping: The server does not answer pings.", "FAIL system/0",
        "CAUSE SUB-010: It is red.", "FAIL publish/red",
        "CAUSE FRM-004: It is slow.", "WARN publish/slow",
    ]  # fmt: skip
    assert "  untested  the results of 1 case say less because of it" in shown
    assert not any(line.startswith("chapter ") for line in shown)
    assert shown[-1] == "it: not conformant: 16 unexpected, 0 known failures. 18 cases executed in 1.5 s, seed 7."


@pytest.mark.parametrize("width", [60, 80, 200])
def test_first_screen_is_narrow_and_short(width: int) -> None:
    run = naive()
    run.results += [
        outcome(f"publish/{number}", f"it is {number}", rule=f"SUB-0{number:02}") for number in range(1, 22)
    ]
    shown = lines_of(run, width)
    screen = shown[: next(number for number, line in enumerate(shown) if line.startswith("CAUSE"))]
    assert len(screen) <= 30
    assert max(map(len, screen)) <= min(width, 100)
    assert sum(line.startswith("CAUSE") for line in shown) == TOP
    assert any("16 other causes: " in line for line in screen)


def test_few_failures_are_explained_one_by_one() -> None:
    run = naive()
    del run.results[:-4]
    run.results += [outcome(f"system/more-{number}", f"{LATE}the pong", needed="ping") for number in range(FEW - 3)]
    shown = lines_of(run)
    assert sum(line.startswith(("FAIL", "WARN")) for line in shown) == FEW
    assert not any(line.startswith("CAUSE") for line in shown)
    run.results.append(outcome("system/one-more", f"{LATE}the pong", needed="ping"))
    assert any(line.startswith("CAUSE") for line in lines_of(run))


def test_known_failures_have_lines_of_their_own_and_what_has_no_cause_is_listed() -> None:
    run = naive()
    baseline = Baseline({
        "golden/0": Known(Verdict.FAIL, "in time", "issue 42", cause="no-errors"),
        "publish/good": Known(Verdict.FAIL, "it is wrong", "issue 7"),
    })  # fmt: skip
    for result in run.results:
        baseline.judge(result)
    run.results.append(outcome("z/error", "Traceback", Verdict.ERROR))
    shown = lines_of(run, 120)
    assert "    11  no-errors: The server sends no error answers. [ERR-001]" in shown
    assert "FAIL golden/0: the server did not answer in time (known: issue 42)" in shown
    assert "ERROR z/error" in shown
    assert any(line.startswith("PASS publish/good: fail with 'it is wrong', and it went") for line in shown)


def progress_of(run: Run) -> list[str]:
    text = io.StringIO()
    with RunProgress(Console(file=text, width=80), run) as progress:
        for result in run.results:
            progress.finished(result)
    return text.getvalue().splitlines()


def test_progress_names_each_cause_when_it_appears() -> None:
    lines = progress_of(naive(selected=18))
    assert lines == [
        "fail golden/0",
        "cause: no-errors: The server sends no error answers",
        *(f"fail golden/{number}" for number in range(1, NAMED)),
        "fail system/0",
        "cause: no-ping: The server does not answer pings",
        "fail publish/red",
        "cause: SUB-010: It is red",
        "warn publish/slow",
        "cause: FRM-004: It is slow",
        "18 of 18 cases, 17 not passed",
    ]


def show(file: Path, *arguments: str) -> tuple[int, list[str]]:
    result = CliRunner().invoke(main, ["show", str(file), *arguments])
    return result.exit_code, result.output.splitlines()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The results file of a naive server."""
    path = tmp_path / "results.json"
    naive().write(path)
    return path


def test_show_prints_what_the_run_printed(file: Path) -> None:
    status, shown = show(file)
    hints = [line for line in shown if "ipc-conformance show" in line]
    assert (status, len(shown)) == (0, len(lines_of(naive())))
    assert [line for line in shown if line not in hints] == [
        line for line in lines_of(naive()) if "--trace" not in line and "ipc-conformance show" not in line
    ]


def test_show_names_its_own_file_and_no_option_of_run(file: Path) -> None:
    _, shown = show(file)
    command = f"ipc-conformance show {shlex.quote(str(file))}"
    assert f"{command} --cause ID explains a cause." in shown
    assert f"    ... 8 earlier lines: {command} --case 'golden/0' shows them" in shown
    assert not any("--json" in line or "--trace" in line for line in shown)


def test_hints_below_the_causes_name_a_rule() -> None:
    shown = lines_of(naive())
    hint = next(number for number, line in enumerate(shown) if line.endswith(" --cause ID explains a cause."))
    assert shown[hint + 1] == "ipc-conformance spec show SYS-003 prints the rule, its section and its cases."


def test_show_explains_every_case_of_a_cause(file: Path) -> None:
    status, lines = show(file, "--cause", "no-ping", "--cause", "no-errors")
    assert status == 0
    assert [line for line in lines if line.startswith(("CAUSE", "FAIL"))] == [
        "CAUSE no-ping: The server does not answer pings.",
        *(f"FAIL system/{number}" for number in range(3)),
        "CAUSE no-errors: The server sends no error answers.",
        *(f"FAIL golden/{number}" for number in (0, 1, 10, 11, *range(2, 10))),
    ]
    assert sum("end of stream" in line for line in lines) == 12 * 20


def test_show_explains_cases(file: Path) -> None:
    status, lines = show(file, "--case", "publish/*")
    assert [status, *(line for line in lines if line[:1].isupper())] == [
        0, "PASS publish/good", "FAIL publish/red", "WARN publish/slow",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--cause", "no-echo"], "there is no cause 'no-echo'; the run had no-errors, no-ping, SUB-010, FRM-004"),
        (["--case", "x/*"], "the run has no case that matches x/*"),
    ],
)
def test_show_says_what_there_is_not(arguments: list[str], text: str, file: Path) -> None:
    status, lines = show(file, *arguments)
    assert (status, text in lines[-1]) == (2, True)
    assert show(file.with_name("gone.json"))[0] == 2
