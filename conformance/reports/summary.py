"""The summary of a run on the terminal: a table by chapter, explained failures, and the verdict on one line."""

from __future__ import annotations

from collections import defaultdict

from rich.console import Console
from rich.table import Table

from conformance.core.verdicts import Verdict
from conformance.reports.failure import describe
from conformance.reports.reporter import Reporter
from conformance.results.case_result import CaseResult
from conformance.results.run import Run, count

EXPLAINED = 25
"""Number of failures that are explained: more than this often have one cause, and a list is easier to read."""


class Summary(Reporter):
    """Prints the summary of a run.

    Args:
        console: the console to write to.
        traces: whether to print the wire trace of every case, not only of failed ones.
    """

    def __init__(self, console: Console, *, traces: bool = False) -> None:
        self._console = console
        self._traces = traces

    def done(self, run: Run) -> None:
        """Print it."""
        print_report(self._console, run, traces=self._traces)


def print_report(console: Console, run: Run, *, traces: bool = False) -> None:
    """Print the summary of ``run``.

    Args:
        console: the console to write to.
        run: a finished run.
        traces: whether to print the wire trace of every case, not only of failed ones.
    """
    shown = [each for each in run.results if traces or not each.expected or each.verdict is Verdict.WARN]
    for number, result in enumerate(sorted(shown, key=lambda result: result.case)):
        head, *rest = describe(result, whole_trace=traces)
        if number >= EXPLAINED and not traces:
            head, rest = f"{head}: {result.message.partition(chr(10))[0]}", []
        console.print(head, style=result.verdict.style, markup=False, highlight=False, soft_wrap=True)
        console.print("\n".join([*rest, ""]) if rest else "", markup=False, highlight=False, soft_wrap=True, end="")
    if len(shown) > EXPLAINED and not traces:
        console.print(f"Only the first {EXPLAINED} are explained; --case ID explains any, --json FILE has them all.\n")
    if run.results:
        console.print(_table(run.results))
    for line in _closing_lines(run):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _table(results: list[CaseResult]) -> Table:
    chapters = defaultdict[str, list[CaseResult]](list)
    for result in results:
        chapters[result.case.partition("/")[0]].append(result)
    table = Table("chapter", box=None, pad_edge=False)
    for verdict in Verdict:
        table.add_column(str(verdict), justify="right")
    for chapter, members in sorted(chapters.items()):
        table.add_row(chapter, *_cells(members))
    table.add_section()
    table.add_row("all", *_cells(results), style="bold")
    return table


def _cells(results: list[CaseResult]) -> list[str]:
    return [f"[{Verdict(name).style}]{number}[/]" if number else "-" for name, number in count(results).items()]


def _closing_lines(run: Run) -> list[str]:
    lines = list(run.kit_errors)
    if run.unreachable:
        return [*lines, run.unreachable]
    missing = sorted({result.message for result in run.results if result.verdict is Verdict.UNSUPPORTED})
    lines += [f"unsupported: {reason}" for reason in missing]
    if any("no handler on conformance." in reason for reason in missing):
        lines.append("docs/responder.md has the responder to paste into a server, in Python and in Node.js.")
    unforeseen = sum(not result.expected for result in run.results)
    foreseen = sum(result.expected and not result.verdict.is_good for result in run.results)
    if run.is_conformant:
        warnings = count(run.results)["warn"]
        verdict = "conformant" + (f", with {warnings} warnings" if warnings else "")
    elif not run.executed:
        verdict = "no case was executed, so nothing is known about the target"
    else:
        verdict = f"not conformant: {unforeseen} unexpected, {foreseen} known failures"
    lines.append(
        f"{run.target_name}: {verdict}. {run.executed} cases executed in {run.duration_s:.1f} s, seed {run.seed}."
    )
    return lines
