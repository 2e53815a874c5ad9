"""``ipc-conformance requirements``: which requirement is checked by what, and with which outcome."""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import click

from conformance import results
from conformance.case import Role
from conformance.catalogue import all_cases
from conformance.requirements import Requirement, load

WORST = ("error", "fail", "warn", "unsupported", "pass")


@click.command()
@click.argument("results_file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--role", type=click.Choice(["server", "client"]), default="server", help="Whose requirements.")
@click.option("--missing", is_flag=True, help="Print only requirements without evidence.")
@click.option(
    "--strict", is_flag=True, help="Exit with 1 when an active MUST lacks a case, or lacks evidence in RESULTS_FILE."
)
def requirements(results_file: Path | None, role: Role, *, missing: bool, strict: bool) -> None:
    """Print each requirement with its cases and, given RESULTS_FILE, the worst verdict among them."""
    try:
        outcome = _verdicts(results_file) if results_file else None
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    cases = _cases_by_requirement(role)
    without = []
    for rule in load().values():
        if not rule.binds(role) or not rule.is_active:
            continue
        verdict = _evidence(rule, outcome, bool(cases[rule.id]))
        lacks = rule.verify != "excluded" and verdict in ("no case", "not executed")
        if lacks or not missing:
            click.echo(f"{rule.id}  {rule.level:6}  {len(cases[rule.id]):3} cases  {verdict}")
        if lacks and rule.is_must:
            without.append(rule.id)
    click.echo(f"active MUSTs without evidence: {', '.join(without) or 'none'}")
    if strict and without:
        sys.exit(1)


def _evidence(rule: Requirement, outcome: dict[str, list[str]] | None, has_cases: bool) -> str:
    if rule.verify == "excluded":
        return f"excluded: {rule.reason}"
    if not has_cases:
        return "no case"
    if outcome is None:
        return ""
    executed = [verdict for verdict in outcome[rule.id] if verdict != "unsupported"]
    return next((verdict for verdict in WORST if verdict in executed), "not executed")


def _cases_by_requirement(role: Role) -> dict[str, list[str]]:
    found = defaultdict[str, list[str]](list)
    for case in all_cases().values():
        for identity in case.requirements if case.role == role else ():
            found[identity].append(case.id)
    return found


def _verdicts(path: Path) -> dict[str, list[str]]:
    found = defaultdict[str, list[str]](list)
    for entry in results.read(path)["results"]:
        for identity in entry["requirements"]:
            found[identity].append(entry["verdict"])
    return found
