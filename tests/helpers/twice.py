"""Run the tests, and those that failed once more, alone: ``python twice.py PYTEST_ARGUMENTS``.

Many tests run programs with deadlines. On a busy machine one of them may be late; a mistake fails twice.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

MOST_LATE = 5
"""More failures than this are not tried again: the machine is not to blame for all of them."""
SIDE_BY_SIDE = ("-n", "4", "--dist", "worksteal")
"""Twice as many workers as cores in CI: a third of the time of all tests is waiting. A fifth worker saves nothing."""
TESTS_FAILED = 1
"""pytest's exit status if tests failed, and nothing else went wrong."""


def run(arguments: Sequence[str]) -> int:
    """Run the tests, tell which of them passed at the second try only, and return pytest's last exit status."""
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-m", "pytest", "-o", f"cache_dir={cache}", *SIDE_BY_SIDE, *arguments]
        status = subprocess.run(command, check=False).returncode
        failed = failures(Path(cache))
        if status != TESTS_FAILED or not 0 < len(failed) <= MOST_LATE:
            return status
        click.echo(f"\nOnce more, alone: {len(failed)} that failed")
        status = subprocess.run([*command, "-n", "0", "--last-failed"], check=False).returncode
        for name in sorted(failed - failures(Path(cache))):
            click.echo(f"late, passed alone: {name}")
        return status


def failures(cache: Path) -> set[str]:
    """Return the tests that failed in the last run with this folder as pytest's cache."""
    file = cache / "v" / "cache" / "lastfailed"
    return set(json.loads(file.read_text("utf-8"))) if file.exists() else set()


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
