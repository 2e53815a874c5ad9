"""The summary of a run on the terminal: failures one by one or by cause, and at the end the verdict on one line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from conformance import PROTOCOL_VERSION
from conformance.core.terminal import fitted, is_narrow
from conformance.core.text import printable
from conformance.core.verdicts import Verdict
from conformance.protocol.requirements import load
from conformance.reports.causes import TOP, example, first_screen, known_lines
from conformance.reports.failure import TRACE_LINES, describe, in_one_line, show_command
from conformance.reports.reporter import Reporter
from conformance.results.case_result import CaseResult
from conformance.results.causes import NO_SURVEY, cause_id, causes_of, is_bad
from conformance.results.known_failures import is_open
from conformance.results.run import Run, count

RARE = (Verdict.SLOW, Verdict.FLAKY)
"""Verdicts that have no column in the table unless a case has them."""
FEW = 5
"""Number of failures that are explained one by one. More than this are explained by their causes."""
LISTED = 25
"""Number of outcomes without a cause that are listed."""
NAMED = 10
"""Number of unexpected outcomes that are named again at the end."""
NEXT = (
    "ipc-conformance report OLD.json NEW.json shows what changed between two runs.",
    "run --known-failures FILE --update-known-failures expects these failures from then on.",
)
"""What else people do who have seen the first screen."""


class Summary(Reporter):
    """Prints the summary of a run.

    Args:
        console: the console to write to.
        traces: whether to print the wire trace of every case, not only of failed ones.
        file: the results file of the run, if it writes one.
    """

    def __init__(self, console: Console, *, traces: bool = False, file: Path | None = None) -> None:
        self._console = console
        self._traces = traces
        self._file = file

    def done(self, run: Run) -> None:
        """Print it."""
        print_report(self._console, run, traces=self._traces, file=self._file)


def print_report(console: Console, run: Run, *, traces: bool = False, file: Path | None = None) -> None:
    """Print the summary of ``run``.

    Args:
        console: the console to write to.
        run: a finished run.
        traces: whether to print the wire trace of every case, not only of failed ones.
        file: its results file, if there is one.
    """
    shown = sorted((each for each in run.results if traces or _is_worth_a_line(each)), key=_importance)
    fresh = [each for each in shown if not each.known]
    is_by_cause = sum(map(is_bad, fresh)) > FEW and not traces
    if is_by_cause:
        _print_causes(console, run, fresh, file)
    known = [each for each in shown if each.known]
    for result in shown if traces or len(known) <= FEW else fresh:
        if not is_by_cause or result.known:
            most = None if traces else TRACE_LINES
            _print_result(
                console, result, describe(result, trace_lines=most, file=file) if traces or not result.known else []
            )
    if not is_by_cause:
        print_lines(console, [*map(fitted, rule), ""] if (rule := _rule_hint(fresh)) else [])
    if len(known) > FEW and not traces:
        print_lines(console, known_lines(known))
    if run.results and not is_by_cause:
        _print_table(console, run.results)
    *others, verdict = closing_lines(run)
    print_lines(console, (fitted(printable(line)) for line in [*others, *_unexpected_lines(run), verdict]))


def _rule_hint(explained: Iterable[CaseResult]) -> list[str]:
    """Return what shows more about the first requirement of explained failures; nothing without any."""
    broken = (identity for each in explained if is_bad(each) for identity in each.requirements if identity in load())
    identity = next(broken, "")
    return [f"ipc-conformance spec show {identity} prints the rule, its section and its cases."] if identity else []


def _unexpected_lines(run: Run) -> list[str]:
    """Return a line for each of the first unexpected outcomes, if known failures were printed since."""
    if not any(each.known for each in run.results):
        return []
    survey = run.survey or NO_SURVEY
    found = sorted((each for each in run.results if not each.expected), key=_importance)
    lines = [
        f"unexpected: {each.verdict.upper()} {each.case}{f' ({cause_id(each, survey)})' if is_bad(each) else ''}"
        for each in found[:NAMED]
    ]
    return [*lines, f"and {len(found) - NAMED} more"] if len(found) > NAMED else lines


def _print_causes(console: Console, run: Run, fresh: list[CaseResult], file: Path | None) -> None:
    """Print the causes of failures and warnings that are not known, with an example of each that explains most."""
    causes = causes_of((each for each in run.results if not each.known), run.survey)
    print_lines(console, first_screen(run, verdict_of(run), causes, console.width))
    for cause in causes[:TOP]:
        head, *rest = example(cause, file)
        console.print(head, style=cause.example.verdict.style, markup=False, highlight=False, soft_wrap=True)
        print_lines(console, [*rest, ""])
    others = [each for each in fresh if not is_bad(each)]
    for number, result in enumerate(others[:LISTED]):
        is_explained = result.verdict is Verdict.ERROR and number < FEW
        _print_result(console, result, describe(result, file=file) if is_explained else [])
    if len(others) > LISTED:
        print_lines(console, [f"... and {len(others) - LISTED} more of these"])
    how = show_command(file) if file else "--json FILE writes all results; ipc-conformance show FILE"
    hints = [f"{how} --cause ID explains a cause.", *_rule_hint(each.example for each in causes), *NEXT]
    print_lines(console, [*map(fitted, hints), ""])


def _print_result(console: Console, result: CaseResult, explained: list[str]) -> None:
    """Print the lines that explain a result, or else one line."""
    lines = explained or [fitted(in_one_line(result))]
    console.print(lines[0], style=result.verdict.style, markup=False, highlight=False, soft_wrap=True)
    print_lines(console, [*lines[1:], ""] if lines[1:] else [])


def print_lines(console: Console, lines: Iterable[str]) -> None:
    """Print lines as they are."""
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _is_worth_a_line(result: CaseResult) -> bool:
    return not result.expected or bool(result.known) or _is_warning(result)


def _is_warning(result: CaseResult) -> bool:
    return result.verdict.is_executed and result.verdict.is_good and not result.verdict.is_clean


def _importance(result: CaseResult) -> tuple[bool, int, bool, str]:
    """Order unexpected outcomes first, then failures, then warnings; among equals, known outcomes last."""
    return result.expected, -result.verdict.severity, bool(result.known), result.case


def _print_table(console: Console, results: list[CaseResult]) -> None:
    """Print the numbers of each chapter as a table, or as lines if the terminal is too narrow for it."""
    if not is_narrow():
        console.print(_table(results))
        return
    for chapter, members in [*sorted(_by_chapter(results).items()), ("all", results)]:
        numbers = ", ".join(f"{number} {verdict}" for verdict, number in count(members).items() if number)
        console.print(fitted(f"{chapter}  {numbers}"), markup=False, highlight=False, soft_wrap=True)


def _by_chapter(results: list[CaseResult]) -> dict[str, list[CaseResult]]:
    chapters = defaultdict[str, list[CaseResult]](list)
    for result in results:
        chapters[result.case.partition("/")[0]].append(result)
    return chapters


def _table(results: list[CaseResult]) -> Table:
    table = Table("chapter", box=None, pad_edge=False)
    verdicts = [each for each, number in count(results).items() if number or each not in RARE]
    for verdict in verdicts:
        table.add_column(verdict, justify="right")
    for chapter, members in sorted(_by_chapter(results).items()):
        table.add_row(chapter, *_cells(members, verdicts))
    table.add_section()
    table.add_row("all", *_cells(results, verdicts), style="bold")
    return table


def _cells(results: list[CaseResult], verdicts: list[str]) -> list[str]:
    numbers = count(results)
    return [f"[{Verdict(each).style}]{numbers[each]}[/]" if numbers[each] else "-" for each in verdicts]


def closing_lines(run: Run) -> list[str]:
    """Return what a report ends with: errors of the kit, what could not be tested, and at last the verdict."""
    lines = list(run.kit_errors)
    if run.unreachable:
        return [*lines, f"{run.unreachable}{_before_that(run)}"]
    missing = sorted({result.message for result in run.results if result.verdict is Verdict.UNSUPPORTED})
    lines += [f"unsupported: {reason}" for reason in missing]
    if any("no handler on conformance." in reason for reason in missing):
        lines.append("docs/responder.md has the responder to paste into a server, in Python and in Node.js.")
    if run.cut_short:
        lines.append(f"stopped after {run.cut_short}; {run.not_run} selected cases were not run")
    if run.protocol not in ("", PROTOCOL_VERSION):
        lines.append(f"judged by protocol {run.protocol}; this kit knows {PROTOCOL_VERSION}")
    numbers = f"{run.executed} cases executed in {run.duration_s:.1f} s, seed {run.seed}"
    return [*lines, f"{run.target_name}: {verdict_of(run)}. {numbers}."]


def _before_that(run: Run) -> str:
    return f"\n{run.executed} cases executed before that, {run.unexpected} unexpected." if run.results else ""


def verdict_of(run: Run) -> str:
    """Return the verdict, with the number of unexpected outcomes unless the exit status is 0."""
    known = [each for each in run.results if each.known]
    unreasoned = sum(is_open(each.known) for each in known)
    counts = f"{run.unexpected} unexpected, {sum(not each.verdict.is_good for each in known)} known failures"
    counts += f", {unreasoned} known without a reason" if unreasoned else ""
    if run.is_interrupted:
        return f"{run.interruption}; so far {counts}"
    if run.is_conformant:
        numbers = count(run.results)
        noted = {"warnings": numbers["warn"], "slow": numbers["slow"], "flaky": numbers["flaky"]}
        notes = ", ".join(f"{number} {what}" for what, number in noted.items() if number)
        verdict = "conformant" + (f", with {notes}" if notes else "")
        verdict += ", but known failures did not occur" if run.unexpected else ""
        return f"{verdict}: {counts}" if run.unexpected or unreasoned else verdict
    if not run.executed:
        return f"no case was executed, so nothing is known about the target: {counts}"
    failed = f"not conformant ({run.gap})" if run.gap else "not conformant"
    return f"{failed if run.has_failed else f'not decided, because {_obstacle(run)}'}: {counts}"


def _obstacle(run: Run) -> str:
    """Return why a run without failures has no verdict."""
    if run.kit_errors or any(each.verdict is Verdict.ERROR for each in run.results):
        return "the kit failed"
    if run.gap and run.is_whole:
        return run.gap
    return "the run did not finish" if run.unreachable or run.is_unfinished else "the run stopped early"
