"""``ipc-conformance report``: several results files as one table, and as one HTML page."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from conformance.cli.outputs import FILE, refuse_unwritable, write
from conformance.core.terminal import fitted
from conformance.core.text import printable
from conformance.reports.causes import NAMED_CASES
from conformance.reports.html.page import page
from conformance.reports.html.views import Cases, Change, Column, changes_of, columns_of
from conformance.reports.summary import print_lines
from conformance.results.run import Run
from conformance.results.shards import merged


@click.command()
@click.argument("files", metavar="RESULTS.json...", nargs=-1, required=True, type=FILE)
@click.option(
    "--json", "merged_file", type=FILE, metavar="FILE", help="Write the merged shards of one run as a results file."
)
@click.option("--html", type=FILE, metavar="FILE", help="Write the report as one HTML file.")
@click.option(
    "--spec-url",
    metavar="URL",
    default="",
    help="Where the site is that nox -s docs builds; requirements in the HTML report then lead there, such as to "
    "URL/spec/07-publish-subscribe.html#SUB-003.",
)
def report(files: tuple[Path, ...], merged_file: Path | None, html: Path | None, spec_url: str) -> None:
    """Show the runs of several results files (run --json) together: of different targets, or of one target over time.

    If a target has several runs, the last two are compared. A target is known by its name and role. Shards of one run
    (run --shard) are merged into it; if some are missing, it is not decided, or not conformant if a case failed. The
    exit status does not depend on the verdicts; it is 2 if a file cannot be read or written, or shards do not fit
    together.
    """
    refuse_unwritable(html, merged_file)
    try:
        runs = merged(Run.read(each) for each in files)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if spec_url and not spec_url.startswith(("https://", "http://", "file://")):
        raise click.UsageError(f"--spec-url: {spec_url!r} is no https, http or file URL")
    if merged_file and len(runs) != 1:
        raise click.UsageError(f"--json is for the shards of one run, and these are {len(runs)} runs")
    write(merged_file, runs[0].as_text() if merged_file else "")
    write(html, page(runs, spec_url) if html else "")
    _print(Console(emoji=False), columns_of(runs))


def _print(console: Console, columns: list[Column]) -> None:
    table = Table("target", "role", "verdict", "causes", box=None, pad_edge=False)
    for column in columns:
        texts = (column.name, column.run.role, f"{column.mark.sign} {column.verdict}", str(len(column.causes)))
        table.add_row(*map(printable, texts))
    console.print(table, markup=False, highlight=False)
    for change in changes_of(columns):
        print_lines(console, ["", *map(fitted, _told(change))])


def _told(change: Change) -> list[str]:
    lines = [f"{len(each.ids):>6}  {each.title}{_named(each)}" for each in change.groups]
    settings = [f"        the runs differ: {'; '.join(change.cases.settings)}"] if change.cases.settings else []
    return [printable(line) for line in (f"{change.title}:", *settings, *lines)]


def _named(cases: Cases) -> str:
    """Return the ids of some cases, or of the first of many; none of those that are as they were."""
    if not cases.is_news:
        return ""
    more = len(cases.ids) - NAMED_CASES
    shown = ", ".join(cases.ids[:NAMED_CASES])
    return (f": {shown}" if shown else "") + (f" and {more} more" if more > 0 else "")
