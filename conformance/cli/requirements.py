"""``ipc-conformance requirements``: which requirement is checked by what, with which outcome, and did that bite."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from conformance.analysis import traceability
from conformance.analysis.traceability import Evidence, Ledger
from conformance.core.roles import Role
from conformance.core.verdicts import ExitCode

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("paths", metavar="[FILE]...", nargs=-1, type=FILE)
@click.option("--role", type=click.Choice(["server", "client"]), default="server", help="Whose requirements.")
@click.option("--missing", is_flag=True, help="Print only requirements that lack something.")
@click.option("--strict", is_flag=True, help="Exit with 1 when anything is missing.")
@click.option("--format", "output", type=click.Choice(["text", "json"]), default="text", help="What goes to stdout.")
def requirements(paths: tuple[Path, ...], role: Role, output: str, *, missing: bool, strict: bool) -> None:
    """Print the ledger: each requirement in force with its cases and their verdicts.

    FILE is a results file (run --json) or a mutants file (tests/mutants/run.py --json), any number of each. A results
    file gives a column with the worst verdict on its target, named after the file; a mutants file says which mutants
    of a requirement were noticed.

    \b
    A MUST lacks something when
      no case checks it, or none was executed in any of the results files;
      it has no mutant and no reason for that in the mutants files, or one survived.
    Cases with unknown requirements, and vectors and schemas that nothing uses, are missing something as well.
    """
    try:
        found = traceability.build(role, *traceability.read(paths, role))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if output == "json":
        click.echo(json.dumps(found.as_json(), indent=1))
    else:
        _print(found, missing=missing)
    if strict and found.all_problems:
        sys.exit(ExitCode.NOT_CONFORMANT)


def _print(found: Ledger, *, missing: bool) -> None:
    shown = [each for each in found.entries if each.problems or not missing]
    console = Console(soft_wrap=True)
    if shown:
        console.print(_table(found, shown))
    for problem in found.all_problems:
        console.print(problem, markup=False, highlight=False)
    musts = [each for each in found.entries if each.rule.is_must]
    console.print(
        f"{len(found.entries)} requirements in force for {found.role}s, {len(musts)} of them MUST; "
        f"{len(found.all_problems)} problems",
        highlight=False,
    )


def _table(found: Ledger, shown: list[Evidence]) -> Table:
    table = Table("requirement", "level", box=None, pad_edge=False)
    table.add_column("cases", justify="right")
    for column in (*found.targets, "mutants"):
        table.add_column(column)
    for each in shown:
        table.add_row(each.rule.id, each.rule.level, str(len(each.cases)), *each.verdicts.values(), _mutants(each))
    return table


def _mutants(entry: Evidence) -> str:
    if entry.mutants:
        return f"{sum(bool(each.killer) for each in entry.mutants)} of {len(entry.mutants)} noticed"
    return entry.reason or "-"
