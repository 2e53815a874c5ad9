"""The first screen of a report with many failures: the survey and the causes; and one explained example of each."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from conformance.core.text import printable
from conformance.reports.failure import describe, in_one_line
from conformance.results.case_result import CaseResult
from conformance.results.causes import Cause
from conformance.results.run import Run
from conformance.results.survey import ANY_ERROR, ERROR, Finding, State, Survey

TOP = 8
"""Number of causes that have a line of their own and an example; they explain most failures."""
WIDTH = 100
TRACE_LINES = 12
NAMED_CASES = 4
STATES = {State.YES: "yes", State.SLOWLY: "slowly", State.NO: "no", State.UNKNOWN: "unknown"}


def first_screen(run: Run, verdict: str, causes: Sequence[Cause], width: int) -> list[str]:
    """Return the lines that say most: the verdict, what the server can do, and the causes.

    Args:
        run: the run.
        verdict: the verdict in a few words.
        causes: the causes to show, the most important first.
        width: the width of the terminal.
    """
    wide = min(width, WIDTH)
    number = sum(len(each.results) for each in causes)
    lines = [
        f"{run.target_name}: {verdict}",
        f"{number} failures and warnings have {_count(len(causes), 'cause')}.",
        "",
    ]
    if run.survey:
        lines += [*_survey_table(run.survey, wide), ""]
    return [printable(line) for line in [*lines, *_cause_table(causes, wide), ""]]


def example(cause: Cause, file: Path | None = None) -> list[str]:
    """Return the lines that explain a cause with its smallest case.

    Args:
        cause: the cause.
        file: the results file that has it, if there is one.
    """
    shown = ", ".join(cause.cases[:NAMED_CASES])
    more = len(cause.cases) - NAMED_CASES
    lines = _heading(cause, f"{shown} and {more} more" if more > 0 else shown)
    return [*lines, *describe(cause.example, trace_lines=TRACE_LINES, file=file)]


def whole_cause(cause: Cause) -> list[str]:
    """Return the lines that explain all cases of a cause, the smallest one first."""
    others = [each for each in cause.results if each is not cause.example]
    explained = [line for each in (cause.example, *others) for line in (*describe(each, trace_lines=None), "")]
    return [*_heading(cause, ", ".join(cause.cases)), "", *explained]


def _heading(cause: Cause, cases: str) -> list[str]:
    lines = [f"CAUSE {cause.id}: {cause.sentence}.", *_hanging("  cases     ", cases, WIDTH)]
    if cause.untested:
        lines += _hanging(
            "  untested  ", f"the results of {_count(len(cause.untested), 'case')} say less because of it", WIDTH
        )
    return [printable(line) for line in lines]


def known_lines(results: Iterable[CaseResult]) -> list[str]:
    """Return a line for the known failures with one reason."""
    groups = defaultdict[tuple[str, str], list[CaseResult]](list)
    for result in sorted(results, key=lambda each: (-each.verdict.severity, each.case)):
        groups[result.verdict, result.known].append(result)
    return [
        in_one_line(first, f"{len(others) + 1} cases, such as {first.case}" if others else "")
        for first, *others in groups.values()
    ]


def _survey_table(survey: Survey, width: int) -> list[str]:
    lines: list[str] = []
    for title, names in abilities_by_state(survey):
        lines += _hanging(f"{'' if lines else 'survey':8}{title:9}", names, width)
    return lines


def abilities_by_state(survey: Survey) -> Iterator[tuple[str, str]]:
    """Yield each state that an ability is in, as its title, with the names of these abilities."""
    for state, title in STATES.items():
        names = ", ".join(each.ability for each in _told(survey) if each.state is state)
        if names:
            yield title, names


def _told(survey: Survey) -> list[Finding]:
    """Return the findings without errors that go like all errors."""
    umbrella = survey.finding(ANY_ERROR)
    return [
        each
        for each in survey.findings
        if not (umbrella and each.ability.startswith(ERROR) and each.state is umbrella.state)
    ]


def _cause_table(causes: Sequence[Cause], width: int) -> list[str]:
    lines = [" cases  cause"]
    for cause in causes[:TOP]:
        text = f"{cause.id}: {cause.sentence}. [{' '.join(cause.requirements)}]"
        lines += _hanging(f"{len(cause.results):>6}  ", text, width)
    rest = causes[TOP:]
    if rest:
        names = ", ".join(each.id for each in rest)
        number = sum(len(each.results) for each in rest)
        lines += _hanging(f"{number:>6}  ", f"{_count(len(rest), 'other cause')}: {names}", width)
    return lines


def _hanging(label: str, text: str, width: int) -> list[str]:
    blank = " " * len(label)
    return textwrap.wrap(
        text, width, initial_indent=label, subsequent_indent=blank, break_long_words=False, break_on_hyphens=False
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
