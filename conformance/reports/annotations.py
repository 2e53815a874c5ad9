"""A run as annotations of a job of GitHub Actions: the causes first, then other unexpected outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from conformance.core.text import printable
from conformance.core.verdicts import ExitCode
from conformance.core.workflow_commands import command
from conformance.reports.causes import NAMED_CASES
from conformance.reports.failure import in_one_line
from conformance.reports.reporter import Reporter
from conformance.reports.summary import closing_lines
from conformance.results.case_result import CaseResult
from conformance.results.causes import Cause, is_bad
from conformance.results.run import Run

MOST = 10
"""Number of errors, and of warnings; GitHub shows no more than that of a step."""
LONGEST = 1000
"""Characters of a text of the target, such as what it sent."""
LONGEST_HEAD = 500
"""Characters of what stands before the command that repeats a case."""
LONGEST_COMMAND = 4000
"""Characters of an annotation; GitHub cuts it after 4096."""


class Annotations(Reporter):
    """Prints the annotations.

    Args:
        show: prints a line.
    """

    def __init__(self, show: Callable[[str], object]) -> None:
        self._show = show

    def done(self, run: Run) -> None:
        """Print them."""
        for line in as_annotations(run):
            self._show(line)


@dataclass(frozen=True)
class _Annotation:
    title: str
    text: str

    def line(self, kind: str) -> str:
        title, text = printable(self.title)[:LONGEST_HEAD], printable(self.text)[:LONGEST_COMMAND]
        while len(found := command(kind, text, title=title)) > LONGEST_COMMAND:
            text = text[:-100]
        return found


def as_annotations(run: Run) -> Iterator[str]:
    """Yield the lines: at most :data:`MOST` errors, as many warnings, and a notice with the verdict."""
    causes = run.causes()
    problems = [*run.kit_errors, *filter(None, [run.unreachable, run.interruption])]
    errors = [_Annotation("ipc-conformance", each) for each in problems]
    errors += [_of_cause(each) for each in causes if each.unexpected]
    errors += [_of_case(each) for each in _without_annotation(run, causes)]
    closing = closing_lines(run)[-1]
    if not (errors or run.exit_code() is ExitCode.CONFORMANT):
        errors = [_Annotation("ipc-conformance", closing)]
    yield from _limited("error", errors)
    yield from _limited("warning", [_of_cause(each) for each in causes if not (each.unexpected or _is_known(each))])
    yield _Annotation("ipc-conformance", closing).line("notice")


def _without_annotation(run: Run, causes: Iterable[Cause]) -> list[CaseResult]:
    """Return the unexpected outcomes that explain no cause; those without a cause come first."""
    explained = {_example(each).case for each in causes if each.unexpected}
    left = [each for each in run.results if not each.expected and each.case not in explained]
    return sorted(left, key=lambda each: (is_bad(each), -each.verdict.severity, each.case))


def _limited(kind: str, found: list[_Annotation]) -> Iterator[str]:
    """Yield the lines of some annotations, or of the first of many and one that counts the others."""
    shown = found if len(found) <= MOST else found[: MOST - 1]
    yield from (each.line(kind) for each in shown)
    if found[len(shown) :]:
        text = f"{len(found) - len(shown)} more {kind}s; the log and the results file have them"
        yield _Annotation("ipc-conformance", text).line(kind)


def _is_known(cause: Cause) -> bool:
    return all(each.known for each in cause.results)


def _of_cause(cause: Cause) -> _Annotation:
    number, named = len(cause.cases), ", ".join(cause.cases[:NAMED_CASES])
    more = f" and {number - NAMED_CASES} more" if number > NAMED_CASES else ""
    lines = [
        f"{printable(cause.sentence)[:LONGEST_HEAD]}. [{' '.join(cause.requirements)}]",
        f"{number} {'case' if number == 1 else 'cases'}: {named}{more}",
        *_about(_example(cause)),
    ]
    return _Annotation(cause.id, "\n".join(lines))


def _example(cause: Cause) -> CaseResult:
    """Return the example of a cause, or a case that makes the run fail if the example does not."""
    unexpected = [each for each in cause.results if not each.expected]
    return cause.example if cause.example in unexpected or not unexpected else unexpected[0]


def _of_case(result: CaseResult) -> _Annotation:
    return _Annotation(result.case, "\n".join([f"[{' '.join(result.requirements)}]", *_about(result)]))


def _about(result: CaseResult) -> Iterator[str]:
    yield in_one_line(result)[:LONGEST_HEAD]
    yield f"again: {printable(result.reproduce)[:LONGEST]}"
    told = {"foreseen": result.foreseen, "wanted": result.wanted, "received": result.received}
    yield from (f"{name}: {printable(text)[:LONGEST]}" for name, text in told.items() if text)
