"""Commands and programs of all pages name what exists. Pages that are followed to the letter have further tests."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from pathlib import Path

import click
import pytest

from conformance.cli.main import main
from reference_server import cli

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "docs/decisions/*.md", "spec/*.md", "schemas/*.md", "node_harness/**/*.md")
    for path in ROOT.glob(pattern)
    if "node_modules" not in path.parts
)
BLOCK = re.compile(r"^ *```(\w+)[^\n]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SESSIONS = (ROOT / "noxfile.py").read_text("utf-8")
OURS = ("conformance", "reference_server")


def blocks(language: str) -> list[tuple[str, str]]:
    """Return the blocks of a language on all pages, with the names of their pages."""
    found = ((path, BLOCK.findall(path.read_text("utf-8"))) for path in PAGES)
    return [
        (path.relative_to(ROOT).as_posix(), text) for path, each in found for kind, text in each if kind == language
    ]


def commands() -> list[tuple[str, str]]:
    """Return every command of a console block with the name of its page."""
    return [
        (page, line.strip().removeprefix("$ ").removeprefix(".venv/bin/"))
        for page, text in blocks("console")
        for line in text.replace("\\\n", " ").splitlines()
        if line.strip().startswith("$ ")
    ]


def parse(command: click.Command, arguments: list[str]) -> None:
    """Parse the arguments of a command without running it. Raises click.UsageError for what it does not know."""
    context = click.Context(command)
    if isinstance(command, click.Group) and arguments and (named := command.get_command(context, arguments[0])):
        parse(named, arguments[1:])
    else:
        command.make_parser(context).parse_args(list(arguments))


@pytest.mark.parametrize(("page", "command"), commands())
def test_command_has_what_it_is_given(page: str, command: str) -> None:
    program, *arguments = shlex.split(command, comments=True)
    if program == "ipc-conformance":
        assert main.get_command(click.Context(main), arguments[0]), page
        parse(main, arguments)
    elif program == "nox":
        named = re.findall(r"(?:^| )-s ((?:[\w-]+ ?)+?)(?= --|$)", " ".join(arguments))
        for name in " ".join(named).split():
            assert re.search(rf'^def {name.replace("-", "_")}\(|name="{name}"', SESSIONS, re.MULTILINE), page
    elif program.startswith("python") and arguments[:2] == ["-m", "reference_server"]:
        parse(cli.main, arguments[2:])
    elif program.startswith("python") and arguments[0].startswith("tests/"):
        assert (ROOT / arguments[0]).is_file(), page


@pytest.mark.parametrize(("page", "program"), blocks("python"), ids=lambda each: each if each.endswith(".md") else "")
def test_program_can_be_read_and_imports_what_there_is(page: str, program: str) -> None:
    for each in ast.walk(ast.parse(program, page)):
        if isinstance(each, ast.ImportFrom) and each.module and each.module.partition(".")[0] in OURS:
            module = importlib.import_module(each.module)
            assert [name.name for name in each.names if not hasattr(module, name.name)] == []


def test_pages_with_commands_and_programs_are_found() -> None:
    assert {"README.md", "docs/gate.md"} <= {page for page, _ in commands()}
    assert "docs/reference-server.md" in {page for page, _ in blocks("python")}


def test_what_does_not_exist_is_noticed() -> None:
    with pytest.raises(click.UsageError):
        parse(main, ["run", "--serverr", "x"])
    with pytest.raises(click.UsageError):
        parse(main, ["gate", "freeze", "--treee", "x"])
