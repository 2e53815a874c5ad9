"""The results of a run as JSON (schema ``tools/results``)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from conformance.reports.reporter import Reporter
from conformance.results.run import Run


class JsonFile(Reporter):
    """Writes the results file.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def done(self, run: Run) -> None:
        """Write it."""
        run.write(self._path)


class JsonText(Reporter):
    """Prints the results.

    Args:
        show: prints a text.
    """

    def __init__(self, show: Callable[[str], object]) -> None:
        self._show = show

    def done(self, run: Run) -> None:
        """Print them."""
        self._show(json.dumps(run.as_json(), indent=1))
