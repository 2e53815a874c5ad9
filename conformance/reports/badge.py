"""The verdict of a run as a badge: the JSON that an endpoint badge of shields.io reads."""

from __future__ import annotations

import json
from pathlib import Path

from conformance.core.files import write_whole
from conformance.core.verdicts import Verdict
from conformance.reports.reporter import Reporter
from conformance.results.run import Run

NAME = "IPC Framework"


class BadgeFile(Reporter):
    """Writes the badge.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def done(self, run: Run) -> None:
        """Write it."""
        write_whole(self._path, as_badge(run) + "\n")


def as_badge(run: Run) -> str:
    """Return the badge of a run; it has no words of the target, except the version of the protocol."""
    message, color = _message(run)
    return json.dumps(
        {"schemaVersion": 1, "label": f"{NAME} {run.protocol}".strip(), "message": message, "color": color}
    )


def _message(run: Run) -> tuple[str, str]:
    """Return what the badge says, and its colour; known failures are failures, in another colour."""
    failed = run.counts()[Verdict.FAIL]
    match run.verdict:
        case "conformant":
            return run.verdict, "yellowgreen" if run.counts()[Verdict.WARN] else "brightgreen"
        case "not conformant":
            number = f"{failed} {'failure' if failed == 1 else 'failures'}"
            return f"{run.verdict}: {number}", "red" if run.unexpected else "orange"
        case _:
            return run.verdict, "lightgrey"
