"""The summary of a run for GitHub: Markdown on the page of the job."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from conformance.core.text import printable
from conformance.reports.causes import TOP, abilities_by_state
from conformance.reports.reporter import Reporter
from conformance.reports.summary import closing_lines
from conformance.results.causes import Cause
from conformance.results.run import Run

VARIABLE = "GITHUB_STEP_SUMMARY"
"""The environment variable with the path of the file; GitHub sets it."""
_SPECIAL = "\\`*_{}[]<>()#+!|&~$"


class GithubSummary(Reporter):
    """Appends the summary to GitHub's file: the verdict, the survey and the top causes, known ones too.

    Args:
        path: the file. Several runs of a job share it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def done(self, run: Run) -> None:
        """Append it."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write("\n".join([*as_markdown(run), "", ""]))


def as_markdown(run: Run) -> Iterator[str]:
    """Yield the lines of the summary of a run."""
    *others, verdict = closing_lines(run)
    yield f"### {_text(verdict.splitlines()[0])}"
    yield from (f"\n{_text(line)}" for each in others for line in each.splitlines())
    if run.survey:
        yield from ("", "| survey | abilities |", "|---|---|")
        yield from (f"| {title} | {_text(names)} |" for title, names in abilities_by_state(run.survey))
    causes = run.causes()
    if causes:
        yield from ("", "| cases | unexpected | cause | requirements |", "|---:|---:|---|---|")
        yield from map(_row, causes[:TOP])
        rest = causes[TOP:]
        if rest:
            yield f"\nOther causes: {_text(', '.join(each.id for each in rest))}"


def _row(cause: Cause) -> str:
    told_as = _text(f"{cause.id}: {cause.sentence}.")
    return f"| {len(cause.results)} | {cause.unexpected} | {told_as} | {_text(' '.join(cause.requirements))} |"


def _text(text: str) -> str:
    """Return a text on one line, in which no character of the target is Markdown or HTML."""
    line = " ".join(printable(text).splitlines())
    return "".join(f"\\{c}" if c in _SPECIAL else c for c in line).replace("://", ":\u200b//").replace("@", "@\u200b")
