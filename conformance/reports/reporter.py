"""What comes out of a run goes through reporters: the bar, the text, the files."""

from __future__ import annotations

from conformance.results.case_result import CaseResult
from conformance.results.run import Run


class Reporter:
    """Is told what happens in a run; a report overrides what it needs."""

    def started(self, case: str) -> None:
        """Be told that the case of that id begins."""

    def finished(self, result: CaseResult) -> None:
        """Be told what came of a case, and whether that was expected."""

    def done(self, run: Run) -> None:
        """Be told that the run is over.

        Raises:
            OSError: what the report is written to cannot be written.
        """
