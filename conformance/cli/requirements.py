"""``ipc-conformance requirements``: the cases of each requirement, their verdicts, and the mutants they detect."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from conformance.analysis import traceability
from conformance.analysis.traceability import Evidence, Ledger
from conformance.cli.outputs import FILE
from conformance.core.roles import Role
from conformance.core.terminal import fitted, is_narrow
from conformance.core.verdicts import ExitCode


@click.command()
@click.argument("paths", metavar="[FILE]...", nargs=-1, type=FILE)
@click.option(
    "--role",
    type=click.Choice(["server", "client"]),
    default="server",
    show_default=True,
    help="List the requirements for this role.",
)
@click.option("--missing", is_flag=True, help="Print only requirements with gaps.")
@click.option("--strict", is_flag=True, help="Exit with status 1 if there is any gap.")
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Output on stdout.",
)
def requirements(paths: tuple[Path, ...], role: Role, output: str, *, missing: bool, strict: bool) -> None:
    """List the requirements in force with cases and verdicts.

    FILE is a results file (run --json) or a mutants file (tests/mutants/run.py --json); any number of each is allowed.
    A results file adds a column, named after the file, with the worst verdict on its target. A mutants file adds how
    many mutants of a requirement were detected.

    \b
    A MUST has a gap if
      no case checks it, or no results file has an executed case for it;
      the mutants files have neither a mutant of it nor a reason for having none, or a mutant survived.
    Cases with unknown requirements and unused vectors and schemas are gaps, too.
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
        _print_entries(console, found, shown)
    for problem in found.all_problems:
        console.print(fitted(problem), markup=False, highlight=False)
    musts = [each for each in found.entries if each.rule.is_must]
    totals = f"{len(found.entries)} requirements in force for {found.role}s, {len(musts)} of them MUST"
    console.print(fitted(f"{totals}; {len(found.all_problems)} problems"), highlight=False)


def _print_entries(console: Console, found: Ledger, shown: list[Evidence]) -> None:
    """Print a table, or a line for each requirement if the terminal is too narrow for it."""
    if not is_narrow():
        console.print(_table(found, shown))
        return
    for each in shown:
        parts = [each.rule.level, f"{len(each.cases)} cases"]
        parts += [f"{target} {verdict}" for target, verdict in each.verdicts.items()]
        line = f"{each.rule.id}  {', '.join(parts)}, mutants {_mutants(each)}"
        console.print(fitted(line), markup=False, highlight=False)


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
