"""Mutation-test the suite: ``python tests/mutants/run.py [--role client] [--only GLOB] [--json FILE]``.

Each mutant must fail at least one case that claims its requirement. Then the control, the server or client without a
mistake, must pass each case that detected a mutant. The exit status is 1 if a mutant survives, if one breaks unrelated
cases, if the control fails, or if a MUST in force has neither a mutant nor a reason for having none.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import click
from clients import ClientLaboratory
from kill_check import Laboratory, Outcome, attempt, control
from mutation import Mutant
from servers import ServerLaboratory

from conformance.analysis.traceability import MUTANTS_FORMAT
from conformance.cases.catalogue import all_cases
from conformance.core.roles import Role
from conformance.protocol.requirements import load
from conformance.results.case_result import CaseResult

LABORATORIES: dict[Role, Laboratory] = {"server": ServerLaboratory(), "client": ClientLaboratory()}


@click.command()
@click.option("--role", type=click.Choice(["server", "client"]), default="server", help="The role of the mutants.")
@click.option("--only", default="*", metavar="GLOB", help="Test only mutants whose name matches.")
@click.option("--jobs", default=2, show_default=True, help="Number of mutants to test at a time.")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write a mutants file.")
@click.option("--time-scale", default=0.5, show_default=True, help="Multiply every deadline by this factor.")
def main(role: Role, only: str, jobs: int, file: Path | None, time_scale: float) -> None:
    """Mutation-test the suite with mutants of the reference server, or of the Node.js client."""
    start, mutants = time.monotonic(), LABORATORIES[role].mutants()
    chosen = [each for each in mutants.values() if fnmatchcase(each.name, only)]
    faults, outcomes = _experiment(role, chosen, jobs, time_scale)
    for fault in faults:
        click.echo(f"control: {fault.case}: {fault.verdict} {fault.message} {fault.received}")
    _show(outcomes, mutants)
    if file:
        file.write_text(json.dumps(_as_json(role, outcomes), indent=1) + "\n", "utf-8")
    missing = _without_mutant(role) if only == "*" else []
    killed = sum(outcome.is_good for outcome in outcomes)
    click.echo(f"{len(outcomes)} mutants, {killed} killed, {time.monotonic() - start:.0f} s")
    sys.exit(bool(faults or missing or killed < len(outcomes)))


def _experiment(
    role: Role, chosen: Sequence[Mutant], jobs: int, time_scale: float
) -> tuple[list[CaseResult], list[Outcome]]:
    number = len(chosen)
    with ProcessPoolExecutor(jobs) as pool:
        known = pool.submit(_explore, role, time_scale).result()
        names = [mutant.name for mutant in chosen]
        trials = pool.map(_attempt, [role] * number, names, [known] * number, [time_scale] * number)
        outcomes = [_told(outcome) for outcome in trials]
        # Other cases detected nothing that the control could refute.
        noticed = {outcome.killer for outcome in outcomes if outcome.killer} | set(LABORATORIES[role].sanity)
        controls = [pool.submit(_control, role, known, share, time_scale) for share in _shares(noticed, jobs)]
        return [fault for each in controls for fault in each.result()], outcomes


def _explore(role: Role, time_scale: float) -> Any:
    return LABORATORIES[role].explore(time_scale)


def _control(role: Role, known: Any, names: Sequence[str], time_scale: float) -> list[CaseResult]:
    return control(LABORATORIES[role], known, names, time_scale)


def _attempt(role: Role, name: str, known: Any, time_scale: float) -> Outcome:
    laboratory = LABORATORIES[role]
    return attempt(laboratory, laboratory.mutants()[name], known, time_scale)


def _told(outcome: Outcome) -> Outcome:
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{outcome.name}", nl=False, err=True)
    return outcome


def _shares(cases: Iterable[str], number: int) -> list[list[str]]:
    ordered = sorted(cases, key=lambda name: (-all_cases()[name].seconds, name))
    return [ordered[first::number] for first in range(number)]


def _show(outcomes: Sequence[Outcome], mutants: Mapping[str, Mutant]) -> None:
    for outcome in outcomes:
        click.echo(f"{outcome.name:<22} {outcome.killer or 'SURVIVED':<58} {outcome.message}")
    for outcome in outcomes:
        if not outcome.killer:
            click.echo(f"survivor: {outcome.name} ({outcome.tried} cases): {mutants[outcome.name].mistake}")
        for broken in (*outcome.broken, *([outcome.problem] if outcome.problem else [])):
            click.echo(f"breaks too much: {outcome.name}: {broken}")


def _as_json(role: Role, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the content of a mutants file (schema ``tools/mutants``)."""
    known = LABORATORIES[role].mutants()
    mutants = [
        {
            "name": outcome.name,
            "requirement": known[outcome.name].requirement,
            "mistake": known[outcome.name].mistake,
            "killer": outcome.killer if outcome.is_good else "",
            "message": outcome.message,
        }
        for outcome in outcomes
    ]
    reasons = LABORATORIES[role].without
    without = [{"requirement": name, "reason": reason} for name, reason in reasons.items()]
    return {"format": MUTANTS_FORMAT, "role": role, "mutants": mutants, "without": without}


def _without_mutant(role: Role) -> list[str]:
    """Return the MUSTs in force for a role that have neither a mutant nor a reason; list those with a reason."""
    laboratory = LABORATORIES[role]
    covered = {mutant.requirement for mutant in laboratory.mutants().values()}
    bare = [each for each in load().values() if each.is_in_force and each.binds(role) and each.id not in covered]
    for each in bare:
        reason = laboratory.without.get(each.id, "no mutant" if each.is_must else "not a MUST")
        click.echo(f"without mutant: {each.id} ({each.level}): {reason}")
    return [each.id for each in bare if each.is_must and each.id not in laboratory.without]


if __name__ == "__main__":
    main()
