"""What a test shows of a command that hangs, and that a fork does what a new process does."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from kit_commands import ENVIRONMENT, finish, mini, run_kit, started
from kit_forks import IS_POSSIBLE, forks

CHILD = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(5)']); "


@pytest.mark.parametrize("first", ["", CHILD], ids=["alone", "with a child that keeps the pipes open"])
def test_hung_command_shows_its_output_and_its_stack(first: str) -> None:
    source = first + "import time; print('began', flush=True); time.sleep(60)"
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    shown = r"did not end in 1 s(?s:.*)began(?s:.*)Current thread"
    with (
        subprocess.Popen([sys.executable, "-c", source], env=ENVIRONMENT, **pipes) as process,
        pytest.raises(AssertionError, match=shown),
    ):
        finish(process, 1.0)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--version",),
        ("run", "--help"),
        ("run", "--server", "127.0.0.1:1", "--case", "system/ping"),
        ("run", "--case", "no-such-case"),
        ("show", "no-such-file"),
    ],
    ids=" ".join,
)
def test_fork_prints_and_ends_like_a_new_process(arguments: tuple[str, ...]) -> None:
    forked = run_kit(*arguments, COLUMNS="50")
    with started(*arguments, COLUMNS="50") as process:
        assert (forked.stdout, forked.stderr) == finish(process)
    assert forked.returncode == process.returncode


@pytest.mark.skipif(not IS_POSSIBLE, reason="commands are no forks here")
def test_hung_fork_shows_its_stacks() -> None:
    with pytest.raises(AssertionError, match=r"did not end in 1 s(?s:.*)most recent call first"):
        forks().run(("serve", "--port", "0", "--server-cmd", mini()), ENVIRONMENT, 1.0)
