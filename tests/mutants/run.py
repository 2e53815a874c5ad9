"""Show that the suite sees every mistake: ``python tests/mutants/run.py [--only GLOB] [--json FILE]``.

First the server without a mistake has to pass every case in question; then each mutant has to fail at least one case
that claims its requirement. Exit status 1 when a mutant survives, when one breaks what it should not, when the
control fails, or when an active MUST of servers has neither a mutant nor a reason.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import click
from mutation import Mutant, all_mutants
from trial import SANITY, Knowledge, Outcome, attempt, claiming, control, explore

from conformance.catalogue import all_cases
from conformance.ledger import MUTANTS_FORMAT
from conformance.requirements import load
from conformance.runner import CaseResult

WITHOUT: dict[str, str] = {}
"""Why an active MUST of servers has no mutant."""


@click.command()
@click.option("--only", default="*", metavar="GLOB", help="Only mutants with such names.")
@click.option("--jobs", default=2, show_default=True, help="How many mutants are tried at a time.")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write a mutants file.")
@click.option("--time-scale", default=0.5, show_default=True, help="Factor on every deadline.")
def main(only: str, jobs: int, file: Path | None, time_scale: float) -> None:
    """Try every mutant of the reference server."""
    start = time.monotonic()
    chosen = [each for each in all_mutants().values() if fnmatchcase(each.name, only)]
    faults, outcomes = _experiment(chosen, jobs, time_scale)
    for fault in faults:
        click.echo(f"control: {fault.case}: {fault.verdict} {fault.message} {fault.received}")
    _show(outcomes)
    if file:
        file.write_text(json.dumps(_as_json(outcomes), indent=1) + "\n", "utf-8")
    missing = _without_mutant() if only == "*" else []
    killed = sum(outcome.is_good for outcome in outcomes)
    click.echo(f"{len(outcomes)} mutants, {killed} killed, {time.monotonic() - start:.0f} s")
    sys.exit(bool(faults or missing or killed < len(outcomes)))


def _experiment(chosen: Sequence[Mutant], jobs: int, time_scale: float) -> tuple[list[CaseResult], list[Outcome]]:
    names = [mutant.name for mutant in chosen]
    cases = _cases(chosen)
    with ProcessPoolExecutor(jobs) as pool:
        known = pool.submit(explore, time_scale).result()
        controls = [pool.submit(control, share, time_scale) for share in _shares(cases, jobs)]
        trials = pool.map(_attempt, names, [known] * len(names), [time_scale] * len(names))
        outcomes = [_told(outcome) for outcome in trials]
        return [fault for each in controls for fault in each.result()], outcomes


def _attempt(name: str, known: Knowledge, time_scale: float) -> Outcome:
    return attempt(all_mutants()[name], known, time_scale)


def _told(outcome: Outcome) -> Outcome:
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{outcome.name}", nl=False, err=True)
    return outcome


def _cases(mutants: Iterable[Mutant]) -> set[str]:
    """Return the ids of every case that a trial of these mutants may run."""
    return {case.id for mutant in mutants for case in claiming(mutant.requirement)} | set(SANITY)


def _shares(cases: Iterable[str], number: int) -> list[list[str]]:
    ordered = sorted(cases, key=lambda name: (-all_cases()[name].seconds, name))
    return [ordered[first::number] for first in range(number)]


def _show(outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        click.echo(f"{outcome.name:<22} {outcome.killer or 'SURVIVED':<58} {outcome.message}")
    for outcome in outcomes:
        if not outcome.killer:
            click.echo(f"survivor: {outcome.name} ({outcome.tried} cases): {all_mutants()[outcome.name].mistake}")
        for broken in (*outcome.broken, *([outcome.problem] if outcome.problem else [])):
            click.echo(f"breaks too much: {outcome.name}: {broken}")


def _as_json(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the content of a mutants file (schema ``tools/mutants``)."""
    mutants = [
        {
            "name": outcome.name,
            "requirement": all_mutants()[outcome.name].requirement,
            "mistake": all_mutants()[outcome.name].mistake,
            "killer": outcome.killer if outcome.is_good else "",
            "message": outcome.message,
        }
        for outcome in outcomes
    ]
    without = [{"requirement": name, "reason": reason} for name, reason in WITHOUT.items()]
    return {"format": MUTANTS_FORMAT, "role": "server", "mutants": mutants, "without": without}


def _without_mutant() -> list[str]:
    """Return the active MUSTs of servers without mutant and reason, and list those with a reason."""
    covered = {mutant.requirement for mutant in all_mutants().values()}
    active = [each for each in load().values() if each.is_active and each.binds("server") and each.id not in covered]
    for each in active:
        reason = WITHOUT.get(each.id, "no mutant" if each.is_must else "not a MUST")
        click.echo(f"without mutant: {each.id} ({each.level}): {reason}")
    return [each.id for each in active if each.is_must and each.id not in WITHOUT]


if __name__ == "__main__":
    main()
