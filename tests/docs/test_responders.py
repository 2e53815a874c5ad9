"""The page docs/responder.md: its code is that of the programs, and its commands are those that their session runs."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "responders"
RUNNER = ROOT / "tests" / "responders" / "run.py"
TEXT = (ROOT / "docs" / "responder.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)
ENDINGS = {"python": "py", "js": "js", "go": "go", "rust": "rs", "java": "java", "csharp": "cs"}
HANDLERS = re.findall(
    r"^\| `conformance\.(\w+)` \|", (ROOT / "spec" / "13-responder.md").read_text("utf-8"), re.MULTILINE
)


@pytest.fixture
def runner() -> dict[str, Any]:
    return runpy.run_path(str(RUNNER))


def test_page_has_code_of_every_language() -> None:
    assert [language for language, _ in BLOCKS] == list(ENDINGS)


@pytest.mark.parametrize(("language", "code"), BLOCKS)
def test_code_of_the_page_is_that_of_the_program(language: str, code: str) -> None:
    (program,) = FOLDER.glob(f"*.{ENDINGS[language]}")
    assert code in program.read_text("utf-8")


def test_page_and_session_name_every_program_and_start_it_alike(runner: dict[str, Any]) -> None:
    rows = re.findall(r"^\| ([\w.#]+) \| \[(\S+)\]\(responders/(\S+)\) \| (.+) \|$", TEXT, re.MULTILINE)
    listed = [(language, file, re.findall("`(.+?)`", commands)) for language, file, _, commands in rows]
    programs = runner["PROGRAMS"]
    assert listed == [(each.language, each.file, [*filter(None, (each.build, each.run))]) for each in programs]
    assert {file for _, file, link, _ in rows if file == link} == {each.name for each in FOLDER.iterdir()}


@pytest.mark.parametrize("ending", ENDINGS.values())
def test_programs_have_every_handler_of_the_core(ending: str) -> None:
    (program,) = FOLDER.glob(f"*.{ending}")
    source = program.read_text("utf-8")
    missing = [name for name in HANDLERS if not re.search(rf"\bconformance\.{name}\b|\b{name}\b", source)]
    assert missing == ["services"], "which is for servers with the profile discovery"


def run(runner: dict[str, Any], absent: set[str], problems: list[str]) -> Result:
    """Run the session on programs of which some have no tool, and that have these problems."""
    names = runner["main"].callback.__globals__
    names["find"] = lambda tool: None if tool in absent else tool
    names["judge"] = lambda *_: (1.0, 144, problems)
    return CliRunner().invoke(runner["main"], [])


def test_programs_without_a_tool_are_named_and_counted(runner: dict[str, Any]) -> None:
    done = run(runner, {"go"}, [])
    assert "Go: not run, go is not installed\n" in done.output
    assert "5 of 6 programs ran, " in done.output
    assert done.exit_code == 0


def test_session_fails_if_a_case_fails_or_too_few_programs_ran(runner: dict[str, Any]) -> None:
    assert run(runner, {"go", "rustc", "javac", "mcs", "node"}, []).exit_code == 1
    done = run(runner, set(), ["fail requests/echo-of-null: no answer"])
    assert done.exit_code == 1
    assert "  fail requests/echo-of-null: no answer\n" in done.output
