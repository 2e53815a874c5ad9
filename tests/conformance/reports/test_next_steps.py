"""What people do after a red run: each is one command of the first screen, and works as it is printed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from shlex import quote

import pytest
from kit_commands import run_kit, run_on

from conformance.protocol.requirements import load

TESTS = Path(__file__).parents[2]
LACKING = f"{quote(sys.executable)} {quote(str(TESTS / 'helpers' / 'lacking_server.py'))} {{}} --port {{{{port}}}}"
ERRORS = ("--case", "errors/*-is-not-fatal", "--case", "survey/errors", "--seed", "1")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results file of a server without error answers; what was printed is beside it."""
    folder = tmp_path_factory.mktemp("next steps")
    done = run_on(LACKING.format("errors"), *ERRORS, "--json", str(folder / "today.json"))
    assert done.returncode == 1, done.stderr
    (folder / "printed").write_text(done.stdout, "utf-8")
    return folder / "today.json"


def printed(results: Path) -> str:
    return results.with_name("printed").read_text("utf-8")


def followed(line: str, **names: str) -> subprocess.CompletedProcess[str]:
    """Run a command as it is printed, with files in place of their names."""
    for name, value in names.items():
        line = line.replace(name, value)
    program, *arguments = shlex.split(line)
    assert program == "ipc-conformance"
    return run_kit(*arguments)


def test_rule_that_broke_is_on_the_first_screen_and_one_command_tells_what_it_means(results: Path) -> None:
    head = printed(results)[: printed(results).index("CAUSE ")]
    (rule,) = re.findall(r"no-errors: .*\[([A-Z]{3}-\d{3})\]", head)
    (line,) = re.findall(r"^(ipc-conformance spec show \S+)", printed(results), re.MULTILINE)
    shown = followed(line.replace(line.split()[-1], rule))
    assert shown.returncode == 0
    assert " ".join(load()[rule].text.split())[:60] in " ".join(shown.stdout.split())


def test_case_runs_again(results: Path) -> None:
    case, line = re.findall(r"^FAIL (\S+)$.*?^  again +([^\n]*)$", printed(results), re.MULTILINE | re.DOTALL)[0]
    again = followed(line)
    assert again.returncode == 1
    assert f"FAIL {case}" in again.stdout
    assert "1 cases executed" in again.stdout


def test_all_cases_of_a_cause_are_explained(results: Path) -> None:
    (line,) = re.findall(r"^(ipc-conformance show .* --cause ID) explains", printed(results), re.MULTILINE)
    explained = followed(line, ID="no-errors")
    assert explained.returncode == 0
    assert explained.stdout.count("\n  purpose ") > printed(results).count("\n  purpose ")


def test_what_changed_since_yesterday_is_told(results: Path) -> None:
    (line,) = re.findall(r"^(ipc-conformance report OLD.json NEW.json)", printed(results), re.MULTILINE)
    told = followed(line, **{"OLD.json": quote(str(results)), "NEW.json": quote(str(results))})
    assert told.returncode == 0
    assert "fail as before" in told.stdout


def test_failures_can_be_expected_from_then_on(results: Path) -> None:
    (words,) = re.findall(r"^run (--known-failures FILE --update-known-failures) ", printed(results), re.MULTILINE)
    guide = (TESTS.parent / "docs" / "in-your-ci.md").read_text("utf-8")  # which the session your-ci follows
    assert words.replace("FILE", "known-failures.toml") in guide
