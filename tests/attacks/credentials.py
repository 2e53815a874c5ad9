"""Attacks on what a client has to show."""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path

import frames
from attack import Finding, attack
from scene import SECONDS, Scene, at_once, scene

TOKEN = "the right one"  # noqa: S105
ATTACKERS = 16


@attack("16 connections at a time guess tokens, each on a new connection")
def guessed_tokens() -> Finding:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "token")
        file.write_text(TOKEN + "\n", "utf-8")
        file.chmod(0o600)
        with scene("--token-file", str(file), token=TOKEN) as acting:
            deadline = time.monotonic() + SECONDS
            guesses = list[int]()
            at_once(ATTACKERS, lambda number: guesses.append(_guess(acting, number, deadline)))
            acting.finding.facts["guesses/s"] = sum(guesses) / SECONDS
            acting.finding.facts["lines of log"] = acting.victim.log.count(b"token")
            if not acting.finding.facts["lines of log"]:
                acting.finding.faults.append("the log says nothing of it")
    return acting.finding


def _guess(acting: Scene, number: int, deadline: float) -> int:
    count = 0
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), contextlib.closing(acting.link()) as link:
            link.sendall(frames.connect(f"c{number}", token=f"{number}-{count}"))
            link.recv(65536)
            count += 1
    return count
