"""The progress of a run: a bar on a terminal, elsewhere a line from time to time."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from conformance.core.terminal import NARROW
from conformance.core.text import printable
from conformance.core.verdicts import Verdict
from conformance.reports.reporter import Reporter
from conformance.results.case_result import CaseResult
from conformance.results.causes import NO_SURVEY, cause_id, is_bad, sentence_of
from conformance.results.run import Run

PLAIN_EVERY = 100
NAMED = 5
"""Number of failed cases that are named, even if their causes are known; a server can fail two thousand."""


class RunProgress(Reporter):
    """Shows the progress of a run; use it as a context manager.

    Args:
        console: the console to write to.
        run: the run, which knows how many cases will run, and later what the server can do.
    """

    def __init__(self, console: Console, run: Run) -> None:
        self._console = console
        self._run = run
        self._total = run.selected
        self._causes = set[str]()
        self._named = 0
        self._done = 0
        self._bad = 0
        numbers = (MofNCompleteColumn(), TextColumn("[red]{task.fields[bad]} not passed[/]"))
        others = (TimeElapsedColumn(), TextColumn("{task.description}"))
        self._bar = Progress(
            *(numbers if console.width < NARROW else (BarColumn(), *numbers, *others)),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("starting", total=run.selected, bad=0)

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
        if not result.expected or (result.verdict is Verdict.WARN and not result.known):
            self._tell(result)
        if not self._console.is_terminal and (self._done % PLAIN_EVERY == 0 or self._done == self._total):
            self._console.print(f"{self._done} of {self._total} cases, {self._bad} not passed", highlight=False)

    def _tell(self, result: CaseResult) -> None:
        """Name a failed case, if it is one of the first or has a new cause, and the new cause."""
        survey = self._run.survey or NO_SURVEY
        cause = cause_id(result, survey) if is_bad(result) else ""
        is_new = bool(cause) and cause not in self._causes
        self._causes.add(cause)
        self._named += 1
        if is_new or not cause or self._named <= NAMED:
            self._print(f"{result.verdict} {result.case}")
        if is_new:
            self._print(f"cause: {cause}: {sentence_of(result, survey)}")

    def _print(self, text: str) -> None:
        self._console.print(printable(text), markup=False, highlight=False, soft_wrap=True)
