"""The progress of a run: a bar on a terminal, elsewhere a line from time to time."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from conformance.core.verdicts import Verdict
from conformance.reports.reporter import Reporter
from conformance.results.case_result import CaseResult

PLAIN_EVERY = 100


class RunProgress(Reporter):
    """Shows the progress of a run; use it as a context manager.

    Args:
        console: the console to write to.
        total: number of cases that will run.
    """

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._done = 0
        self._bad = 0
        self._bar = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("[red]{task.fields[bad]} not passed[/]"),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("starting", total=total, bad=0)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def started(self, case: str) -> None:
        """Show which case began."""
        self._bar.update(self._task, description=case)

    def finished(self, result: CaseResult) -> None:
        """Count a finished case."""
        self._done += 1
        self._bad += not result.verdict.is_clean
        self._bar.update(self._task, advance=1, bad=self._bad)
        if not result.expected or result.verdict is Verdict.WARN:
            self._console.print(f"{result.verdict} {result.case}", markup=False, highlight=False)
        if not self._console.is_terminal and (self._done % PLAIN_EVERY == 0 or self._done == self._total):
            self._console.print(f"{self._done} of {self._total} cases, {self._bad} not passed", highlight=False)
