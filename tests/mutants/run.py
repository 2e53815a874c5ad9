"""Mutation-test the suite: ``python tests/mutants/run.py [--role ROLE] [--only GLOB] [--draft DIR] [--json FILE]``.

Each mutant must fail at least one case that claims its requirement; the one that ``killers.json`` names is tried first.
A few mutants that survive are tried once more, alone. Then the control, the server or client without a mistake, must
pass each case that detected a mutant. The exit status is 1 if a mutant survives, if one breaks unrelated cases, if the
control fails, or if a MUST in force has neither a mutant nor a reason for having none. Mutants about the requirements
of a draft are tested with that draft only.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import click
from clients import ClientLaboratory, PythonClientLaboratory
from forks import end_with_parent
from kill_check import Laboratory, Outcome, attempt, control
from killers import renew
from mutation import Mutant
from servers import ServerLaboratory

from conformance.analysis.traceability import MUTANTS_FORMAT
from conformance.cases.catalogue import all_cases
from conformance.core.verdicts import ExitCode
from conformance.protocol.requirements import load
from conformance.results.case_result import CaseResult
from conformance.runner.second_tries import MORE_TIME
from conformance.specification import drafts

LABORATORIES: dict[str, Laboratory] = {
    "server": ServerLaboratory(),
    "client": ClientLaboratory(),
    "python-client": PythonClientLaboratory(),
}

MOST_LATE = 5
"""More survivors than this are not tried again: the machine is not to blame for all of them."""


@click.command()
@click.option("--role", type=click.Choice(list(LABORATORIES)), default="server", help="The mutants; client is Node's.")
@click.option("--only", default="*", metavar="GLOB", help="Test only mutants whose name matches.")
@click.option("--jobs", default=4, show_default=True, help="Number of mutants to test at a time.")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write a mutants file.")
@click.option(
    "--draft", type=click.Path(file_okay=False, exists=True, path_type=Path), help="Add the cases of a draft."
)
@click.option("--time-scale", default=0.5, show_default=True, help="Multiply every deadline by this factor.")
@click.option("--renew", "renews", is_flag=True, help="Write the cases that killed all mutants into killers.json.")
def main(  # noqa: PLR0917 - one for each option
    role: str, only: str, jobs: int, file: Path | None, draft: Path | None, time_scale: float, renews: bool
) -> None:
    """Mutation-test the suite with mutants of the reference server, the Node.js client or the asyncio client."""
    if renews and (only != "*" or draft):
        raise click.UsageError("--renew needs all mutants: omit --only and --draft")
    start, mutants = time.monotonic(), LABORATORIES[role].mutants()
    if draft:
        drafts.choose(drafts.DRAFT, draft)
    all_cases()  # which adds the requirements of the draft
    known = load()
    chosen = [each for each in mutants.values() if fnmatchcase(each.name, only) and each.requirement in known]
    faults, outcomes = _experiment(role, chosen, jobs, time_scale)
    for fault in faults:
        click.echo(f"control: {fault.case}: {fault.verdict} {fault.message} {fault.received}")
    _show(outcomes, mutants)
    if file:
        file.write_text(json.dumps(_as_json(role, outcomes), indent=1) + "\n", "utf-8")
    missing = _without_mutant(role) if only == "*" else []
    killed = sum(outcome.is_good for outcome in outcomes)
    if renews and killed == len(outcomes):
        renew(role, {outcome.name: outcome.killer for outcome in outcomes})
    click.echo(f"{len(outcomes)} mutants, {killed} killed, {time.monotonic() - start:.0f} s")
    sys.exit(bool(faults or missing or killed < len(outcomes)))


def _experiment(
    role: str, chosen: Sequence[Mutant], jobs: int, time_scale: float
) -> tuple[list[CaseResult], list[Outcome]]:
    pool = ProcessPoolExecutor(jobs, initializer=end_with_parent, initargs=(os.getpid(),))
    try:
        found = _outcomes(pool, role, chosen, jobs, time_scale)
    except KeyboardInterrupt:  # which reaches the workers too, and a pool whose workers end may wait for ever
        click.echo("interrupted", err=True)
        os._exit(ExitCode.INTERRUPTED)  # they end with it
    pool.shutdown()
    return found


def _outcomes(
    pool: ProcessPoolExecutor, role: str, chosen: Sequence[Mutant], jobs: int, time_scale: float
) -> tuple[list[CaseResult], list[Outcome]]:
    number = len(chosen)
    known = pool.submit(_explore, role, time_scale).result()
    names = [mutant.name for mutant in chosen]
    trials = pool.map(_attempt, [role] * number, names, [known] * number, [time_scale] * number)
    outcomes = _tried_twice(pool, role, known, [_told(outcome) for outcome in trials], time_scale)
    # Other cases detected nothing that the control could refute.
    noticed = {outcome.killer for outcome in outcomes if outcome.killer} | set(LABORATORIES[role].sanity)
    controls = [pool.submit(_control, role, known, share, time_scale) for share in _shares(noticed, jobs)]
    return [fault for each in controls for fault in each.result()], outcomes


def _tried_twice(
    pool: ProcessPoolExecutor, role: str, known: Any, outcomes: Sequence[Outcome], time_scale: float
) -> list[Outcome]:
    """Try a few mutants that nothing killed once more, one after the other, with more time; name what was late."""
    late = [each.name for each in outcomes if not each.is_good]
    if not 0 < len(late) <= MOST_LATE:
        return list(outcomes)
    again = {name: pool.submit(_attempt, role, name, known, time_scale * MORE_TIME).result() for name in late}
    for name in (name for name, outcome in again.items() if outcome.is_good):
        click.echo(f"late, killed alone: {name}")
    return [again.get(each.name, each) for each in outcomes]


def _explore(role: str, time_scale: float) -> Any:
    return LABORATORIES[role].explore(time_scale)


def _control(role: str, known: Any, names: Sequence[str], time_scale: float) -> list[CaseResult]:
    return control(LABORATORIES[role], known, names, time_scale)


def _attempt(role: str, name: str, known: Any, time_scale: float) -> Outcome:
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


def _as_json(role: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
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
    return {"format": MUTANTS_FORMAT, "role": LABORATORIES[role].role, "mutants": mutants, "without": without}


def _without_mutant(role: str) -> list[str]:
    """Return the MUSTs in force for a role that have neither a mutant nor a reason; list those with a reason."""
    laboratory = LABORATORIES[role]
    covered = {mutant.requirement for mutant in laboratory.mutants().values()}
    bare = [
        each for each in load().values() if each.is_in_force and each.binds(laboratory.role) and each.id not in covered
    ]
    for each in bare:
        reason = laboratory.without.get(each.id, "no mutant" if each.is_must else "not a MUST")
        click.echo(f"without mutant: {each.id} ({each.level}): {reason}")
    return [each.id for each in bare if each.is_must and each.id not in laboratory.without]


if __name__ == "__main__":
    main()
