"""docs/command-line.md: its table has every command and status, statuses are as it says, and completion works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from conformance.cli.main import main
from conformance.core.verdicts import ExitCode

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "command-line.md").read_text("utf-8")
HEAD, *ROWS = [[cell.strip() for cell in line.split(" | ")] for line in PAGE.splitlines() if line.startswith("| ")][:8]
PROGRAM = str(Path(sys.executable).with_name("ipc-conformance"))
BAD_SERVER = f"{sys.executable} -c 'import sys; sys.exit(1)  # {{port}}'"


def test_table_has_every_command_and_status() -> None:
    named = {text.split()[0] for text in re.findall(r"`([^`]+)`", " ".join(HEAD))}
    assert named == set(main.list_commands(click.Context(main)))
    assert [int(row[0].removeprefix("| ")) for row in ROWS] == sorted(ExitCode)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (("spec", "check", str(ROOT / "spec")), 0),
        (("spec", "check", "nowhere"), 2),
        (("gate", "--tree", "nowhere"), 2),
        (("gate", "rules"), 0),
        (("run",), 2),
        (("run", "--server", "127.0.0.1:1"), 3),
        (("run", "--server-cmd", BAD_SERVER), 3),
        (("interop", "--server-cmd", BAD_SERVER), 3),
        (("serve", "--server", "127.0.0.1"), 2),
        (("serve", "--server-cmd", BAD_SERVER), 3),
        (("bench", "--subject", f"bad={BAD_SERVER}"), 3),
        (("report", "nowhere.json"), 2),
        (("list",), 0),
        (("requirements", "--strict"), 0),
    ],
)
def test_commands_end_with_the_status_of_the_table(command: tuple[str, ...], status: int, tmp_path: Path) -> None:
    done = subprocess.run([PROGRAM, *command], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == status, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("ipc-conformance re", {"report", "requirements"}), ("ipc-conformance run --kn", {"--known-failures"})],
)
def test_shells_complete_commands_and_options(typed: str, offered: set[str]) -> None:
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" ")), "_IPC_CONFORMANCE_COMPLETE": "bash_complete"}
    done = subprocess.run([PROGRAM], env=os.environ | words, capture_output=True, text=True, check=True, timeout=60)
    assert {line.partition(",")[2] for line in done.stdout.splitlines()} == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_page_has_the_line_of_every_shell(shell: str) -> None:
    assert f"_IPC_CONFORMANCE_COMPLETE={shell}_source ipc-conformance" in PAGE
    environment = os.environ | {"_IPC_CONFORMANCE_COMPLETE": f"{shell}_source"}
    done = subprocess.run([PROGRAM], env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert "ipc-conformance" in done.stdout
