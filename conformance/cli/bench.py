"""``ipc-conformance bench``: compare the speed of servers."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console

from conformance.bench.run import BenchRun
from conformance.bench.table import print_table
from conformance.bench.workloads import WORKLOADS, BenchTarget
from conformance.cli.ends import ended_in_a_line
from conformance.cli.outputs import FILE, refuse_unwritable, write


@click.command()
@click.option(
    "--subject",
    "subjects",
    metavar="NAME=CMD",
    multiple=True,
    required=True,
    help="A server and the command that starts it; repeatable.",
)
@click.option("--raw", "raw", metavar="NAME", multiple=True, help="This subject echoes frames and has no handshake.")
@click.option("--queue", "queue", metavar="NAME", multiple=True, help="This subject has the profile queue.")
@click.option("--relative-to", metavar="NAME", help="Subject that the others are compared with.  [default: the first]")
@click.option(
    *("--workload", "names"),
    type=click.Choice([each.name for each in WORKLOADS]),
    multiple=True,
    metavar="NAME",
    help=f"Run only this workload; repeatable: {', '.join(each.name for each in WORKLOADS)}.",
)
@click.option("--rounds", type=click.IntRange(1, 1000), default=5, show_default=True, help="Number of rounds.")
@click.option(
    "--seconds", type=click.FloatRange(0.05, 60), default=1.0, show_default=True, help="Length of a measurement."
)
@click.option("--json", "json_file", type=FILE, metavar="FILE", help="Write the figures as JSON.")
def bench(
    *,
    subjects: tuple[str, ...],
    raw: tuple[str, ...],
    queue: tuple[str, ...],
    relative_to: str | None,
    names: tuple[str, ...],
    rounds: int,
    seconds: float,
    json_file: Path | None,
) -> None:
    """Compare the speed of servers under the same load.

    Each round measures every server once. Servers need the channel conformance.echo of the responder; the workload
    enqueue-64 also needs the profile queue.

    \b
    Example:
      ipc-conformance bench --subject 'mine=python my_server.py --port {port}' \\
        --subject 'reference=python -m reference_server --port {port} --responder'
    """
    refuse_unwritable(json_file)
    measured = _read_subjects(subjects, raw, queue)
    workloads = [each for each in WORKLOADS if not names or each.name in names]
    run = BenchRun(measured, workloads, rounds, seconds, relative_to or measured[0].name)
    _check_plan(run)
    with ended_in_a_line():
        run.execute(lambda number: click.echo(f"round {number} of {rounds}", err=True))
    write(json_file, json.dumps(run.as_json(), indent=1) + "\n")
    print_table(Console(width=None if sys.stdout.isatty() else 120), run)


def _read_subjects(texts: tuple[str, ...], raw: tuple[str, ...], queue: tuple[str, ...]) -> list[BenchTarget]:
    try:
        subjects = [BenchTarget.parse(text) for text in texts]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--subject") from None
    names = [subject.name for subject in subjects]
    if len(set(names)) != len(names):
        raise click.BadParameter(f"each subject needs its own name, got {', '.join(names)}", param_hint="--subject")
    _check_name("--raw", raw, names)
    _check_name("--queue", queue, names)
    return [replace(subject, raw=subject.name in raw, queue=subject.name in queue) for subject in subjects]


def _check_name(option: str, given: tuple[str, ...], names: list[str]) -> None:
    for name in given:
        if name not in names:
            raise click.BadParameter(f"no subject is named {name!r}; use one of {', '.join(names)}", param_hint=option)


def _check_plan(run: BenchRun) -> None:
    _check_name("--relative-to", (run.relative_to,), [subject.name for subject in run.subjects])
    if not any(workload.suits(subject) for workload in run.workloads for subject in run.subjects):
        raise click.UsageError("no subject supports any of these workloads (see --raw and --queue)")
