"""What a terminal of 40 columns shows: no line is longer, unless it is one word or has to be pasted."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from kit_commands import invoke, mini, run_kit
from rich.console import Console

from conformance.bench.run import BenchRun
from conformance.bench.table import print_table
from conformance.cli.main import COMMANDS
from conformance.core.terminal import fitted, wrapped

WIDTH = 40
HELP = [
    (),
    *((name,) for name in COMMANDS),
    ("gate", "freeze"),
    ("gate", "rules"),
    ("spec", "check"),
    ("spec", "extract"),
]


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDTH))


def too_long(text: str) -> Iterator[str]:
    """Yield the lines that could be wrapped and are longer than the terminal."""
    for line in text.splitlines():
        if len(line) > WIDTH and len(line.split()) > 1:
            yield line


def words(text: str) -> list[str]:
    return text.split()


@pytest.mark.parametrize("command", HELP)
def test_help_fits_and_has_all_words(command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    shown = invoke(*command, "--help").output.split("\n\n", 1)[1]  # the usage is click's
    assert list(too_long(shown)) == []
    monkeypatch.setenv("COLUMNS", "400")
    assert words(shown) == words(invoke(*command, "--help").output.split("\n\n", 1)[1])


@pytest.mark.parametrize("command", [("list", "--case", "system/*"), ("gate", "rules"), ("requirements",)])
def test_lists_fit(command: tuple[str, ...]) -> None:
    result = invoke(*command)
    assert result.exit_code == 0
    assert list(too_long(result.output)) == []


def test_report_of_a_run_fits() -> None:
    done = run_kit("run", "--server-cmd", mini("time"), "--case", "system/*", "--case", "queue/one*", COLUMNS="40")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    trace = next(number for number, line in enumerate(lines) if line.startswith("  trace "))
    again = next(number for number, line in enumerate(lines) if line.startswith("  again "))
    assert list(too_long("\n".join([*lines[:trace], *lines[again + 1 :]]))) == []
    assert any(line.startswith("all  ") and " pass" in line for line in lines)


def test_figures_of_a_benchmark_fit(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(Console(), BenchRun([], [], 1, 1.0, "mine"))
    assert list(too_long(capsys.readouterr().out)) == []


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        ("short", ["short"]),
        ("  ab cd ef gh", ["  ab cd", "  ef gh"]),
        ("a  bb cc dd", ["a  bb cc", "   dd"]),
        ("a-label  bb cc dd", ["a-label", "  bb cc", "  dd"]),
        ("  a-long-word-that-stays", ["  a-long-word-that-stays"]),
    ],
)
def test_lines_continue_below_their_text(line: str, lines: list[str]) -> None:
    assert wrapped(line, 8) == "\n".join(lines)


def test_wide_terminals_and_pipes_get_lines_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert fitted("word " * 40) == "word " * 40
    monkeypatch.delenv("COLUMNS")
    assert fitted("word " * 40) == "word " * 40


def test_json_is_never_wrapped() -> None:
    assert json.loads(invoke("list", "--case", "system/ping", "--json").output)
