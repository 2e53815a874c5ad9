"""The results of a run as TAP, version 14: one test point per case."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from conformance.core.text import printable
from conformance.core.verdicts import ExitCode, Verdict
from conformance.reports.failure import describe
from conformance.reports.reporter import Reporter
from conformance.reports.summary import closing_lines
from conformance.results.case_result import CaseResult
from conformance.results.run import Run


class TapText(Reporter):
    """Prints the results as TAP.

    Args:
        show: prints a line.
    """

    def __init__(self, show: Callable[[str], object]) -> None:
        self._show = show

    def done(self, run: Run) -> None:
        """Print them."""
        for line in as_tap(run):
            self._show(line)


def as_tap(run: Run) -> Iterator[str]:
    """Yield a run as lines of TAP.

    An unexpected outcome is ``not ok``. A known failure is ``not ok`` with ``TODO`` and its reason, which does not fail
    the run. A case that the target does not support is ``ok`` with ``SKIP``. All outcomes but these and a pass have a
    YAML block. A run that fails without an unexpected outcome, for instance since the target was not reached, has one
    more point that is ``not ok``: some parsers ignore ``Bail out!`` after the last planned point.
    """
    results, closing = sorted(run.results, key=lambda each: each.case), closing_lines(run)
    has_failed_otherwise = not (run.unexpected or run.exit_code() is ExitCode.CONFORMANT)
    yield "TAP version 14"
    yield f"1..{len(results) + has_failed_otherwise}"
    for number, result in enumerate(results, start=1):
        yield _point(number, result)
        if not result.verdict.is_clean or not result.expected:
            yield from _block(_about(result))
    if has_failed_otherwise:
        yield f"not ok {len(results) + 1} - ipc-conformance"
        yield from _block({"message": closing[-1]})
    yield from (f"# {line}" for each in closing for line in printable(each).splitlines())


def _point(number: int, result: CaseResult) -> str:
    point = f"{number} - {_text(result.case)}"
    if not result.expected:
        return f"not ok {point}"
    if result.verdict is Verdict.UNSUPPORTED:
        return f"ok {point} # SKIP {_text(result.message)}"
    return f"ok {point}" if result.verdict.is_good else f"not ok {point} # TODO {_text(result.known)}"


def _about(result: CaseResult) -> Mapping[str, str | list[str]]:
    return {
        "id": result.case,
        "verdict": str(result.verdict),
        "requirements": result.requirements,
        "message": result.message or result.foreseen,
        "wanted": result.wanted,
        "received": result.received,
        "known": result.known,
        "again": result.reproduce,
        "explanation": "" if result.expected else "\n".join(describe(result)),
    }


def _block(values: Mapping[str, str | list[str]]) -> Iterator[str]:
    """Yield the lines of a YAML block; each value is JSON, which is YAML too."""
    yield "  ---"
    for name, value in values.items():
        if value:
            shown = printable(value) if isinstance(value, str) else value
            yield f"  {name}: {json.dumps(shown, ensure_ascii=False)}"
    yield "  ..."


def _text(text: str) -> str:
    """Return a text on one line, in which nothing begins a directive."""
    return " ".join(printable(text).split()).replace("\\", "\\\\").replace("#", "\\#")
