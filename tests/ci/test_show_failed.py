"""The end of CI's output shows what failed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / ".ci" / "show_failed.py"


def shown(output: bytes) -> list[str]:
    done = subprocess.run([sys.executable, SCRIPT], input=output, capture_output=True, check=True, timeout=60)
    return done.stdout.decode().splitlines()


def test_failed_sessions_are_shown_again() -> None:
    output = [
        "nox > Running session gate",
        "all well",
        "nox > Session gate was successful in 4 seconds.",
        "nox > Running session attack",
        "FAULT: kept 17 MiB",
        "nox > Session attack failed.",
        "nox > * attack: failed, took 2 minutes",
    ]
    again = ["", "attack failed. The end of its output:", *output[3:6]]
    assert shown("".join(f"{line}\n" for line in output).encode()) == output + again


def test_long_outputs_are_shown_in_part() -> None:
    began, ended = "nox > Running session fuzz", "nox > Session fuzz aborted."
    lines = [began, "x" * 1000, *map(str, range(500)), "y" * 1000, ended]
    again = shown("".join(f"{line}\n" for line in lines).encode())[len(lines) + 2 :]
    assert len(again) == 80
    assert again[-3:] == ["499", "y" * 400 + " […]", ended]


def test_outputs_without_failures_pass_unchanged() -> None:
    assert shown(b"nox > Running session lint\n\xff\n") == ["nox > Running session lint", "\\xff"]
