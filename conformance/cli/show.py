"""``ipc-conformance show``: the report of an earlier run, one of its causes, or some of its cases."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from conformance.cli.outputs import FILE
from conformance.reports.causes import whole_cause
from conformance.reports.failure import describe
from conformance.reports.summary import print_lines, print_report
from conformance.results.case_globs import matcher
from conformance.results.run import Run


@click.command()
@click.argument("file", metavar="RESULTS.json", type=FILE)
@click.option("--cause", "causes", metavar="ID", multiple=True, help="Explain all cases of this cause; repeatable.")
@click.option("--case", "globs", metavar="GLOB", multiple=True, help="Explain the cases whose id matches; repeatable.")
def show(file: Path, causes: tuple[str, ...], globs: tuple[str, ...]) -> None:
    """Print the report of an earlier run from its results file (run --json), or explain a part of it.

    Without an option, it prints what the run printed at its end.
    """
    try:
        run = Run.read(file)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    console = Console(emoji=False)
    if not causes and not globs:
        print_report(console, run, file=file)
        return
    print_lines(console, [*_of_causes(run, causes), *_of_cases(run, globs)])


def _of_causes(run: Run, wanted: tuple[str, ...]) -> list[str]:
    try:
        return [line for cause in run.named_causes(wanted) for line in whole_cause(cause)]
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _of_cases(run: Run, globs: tuple[str, ...]) -> list[str]:
    is_wanted = matcher(globs)
    found = [each for each in run.results if is_wanted(each.case)]
    if globs and not found:
        raise click.UsageError(f"the run has no case that matches {' or '.join(globs)}")
    return [line for each in found for line in (*describe(each, trace_lines=None), "")]
