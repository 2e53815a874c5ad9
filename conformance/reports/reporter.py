"""The interface of reporters, which all output of a run goes through: the progress bar, the text, the files."""

from __future__ import annotations

from conformance.results.case_result import CaseResult
from conformance.results.run import Run


class Reporter:
    """Receives the events of a run; a report overrides the methods that it needs."""

    def started(self, case: str) -> None:
        """Handle the start of the case with that id."""

    def finished(self, result: CaseResult) -> None:
        """Handle the result of a case; it says whether the outcome was expected."""

    def done(self, run: Run) -> None:
        """Handle the end of the run.

        Raises:
            OSError: the report cannot be written.
        """
