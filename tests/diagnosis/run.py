"""Runs the suite on crippled reference servers, and checks the diagnosis: ``python tests/diagnosis/run.py``.

Each server lacks one ability (``tests/helpers/lacking_server.py``, or a mutant). The report must name that first, and
few other causes. A server that is only slow breaks no requirement: then the survey must name the ability, or measure
the time. ``--markdown`` prints the table of docs/diagnosis.md. Names of abilities choose servers.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

TESTS = Path(__file__).parents[1]
LACKING = TESTS / "helpers" / "lacking_server.py"
MUTANT = TESTS / "mutants" / "serve.py"
MOST_OTHERS = 3
"""The largest number of causes besides the first."""


@dataclass(frozen=True)
class Lack:
    """What a server lacks.

    Attributes:
        what: the server in words.
        first: the id of the first cause; empty if the server breaks no requirement.
        slow: the ability that the survey must show as slow; empty if none.
        answer_seconds: the least time that the survey must measure for an answer.
        mutant: the mutant that lacks it; empty for a server behind the relay.
    """

    what: str
    first: str
    slow: str = ""
    answer_seconds: float = 0.0
    mutant: str = ""


LACKS = {
    "ping": Lack("answers no ping", "no-ping"),
    "errors": Lack("sends no error answer", "no-errors"),
    "echo": Lack("does not answer the responder's echo", "no-echo"),
    "quick-acknowledgement": Lack("acknowledges 300 ms late", "", "acknowledgement"),
    "quick-answers": Lack("answers 300 ms late", "", answer_seconds=0.25),
    "many-connections": Lack("serves one connection at a time", "no-many-connections"),
    "long-life": Lack("ends after 50 messages", "process-ends"),
    "own-delivery": Lack("delivers nothing to its publisher", "no-own-delivery", mutant="SUB-010"),
    "many-connections-later": Lack("does not read from connections after the hundredth", "stops-serving"),
}


def results_of(name: str) -> dict[str, Any]:
    """Return the results file of a run with defaults on a server that lacks something."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "results.json"
        server = f"{MUTANT} {LACKS[name].mutant} --responder" if LACKS[name].mutant else f"{LACKING} {name}"
        command = f"{sys.executable} {server} --port {{port}}"
        options = ["--server-cmd", command, "--seed", "1", "--json", str(file)]
        with (Path(folder) / "output").open("w") as output:
            subprocess.run(
                [sys.executable, "-m", "conformance", "run", *options], stdout=output, stderr=output, check=False
            )
        if not file.exists():
            raise click.ClickException((Path(folder) / "output").read_text("utf-8"))
        content: dict[str, Any] = json.loads(file.read_text("utf-8"))
        return content


def problems(results: dict[str, Any], lack: Lack) -> list[str]:
    """Return what is wrong with a diagnosis."""
    ids = [each["id"] for each in results["causes"]]
    found = [f"the run did not finish: {reason}" for reason in _unfinished(results)]
    if not results["survey"]:
        return [*found, "there is no survey"]
    slow = [each["ability"] for each in results["survey"]["findings"] if each["state"] == "slowly"]
    if lack.first and ids[:1] != [lack.first]:
        found.append(f"the first cause is {', '.join(ids[:1]) or 'missing'}, not {lack.first}")
    if lack.slow and lack.slow not in slow:
        found.append(f"the survey does not show {lack.slow} as slow")
    if results["survey"]["answer_seconds"] < lack.answer_seconds:
        found.append(f"the survey measured answers of {results['survey']['answer_seconds']} s")
    if len(others(results, lack)) > MOST_OTHERS:
        found.append(f"{len(others(results, lack))} other causes: {', '.join(others(results, lack))}")
    if results["summary"]["error"]:
        found.append("cases ended with an error of the kit")
    return found


def _unfinished(results: dict[str, Any]) -> list[str]:
    """Return why a run says less than a whole one."""
    interrupted = ["interrupted"] if results["interrupted"] else []
    return interrupted + [
        each for each in (results["unreachable"], *results["kit_errors"], results["summary"]["stopped_after"]) if each
    ]


def others(results: dict[str, Any], lack: Lack) -> list[str]:
    """Return the ids of the causes besides the first."""
    return [each["id"] for each in results["causes"] if each["id"] != lack.first]


def row(results: dict[str, Any], lack: Lack) -> str:
    """Return a row of the table."""
    executed = sum(each["verdict"] != "unsupported" for each in results["results"])
    slow = f"shows `{lack.slow}` as slow" if lack.slow else f"measures answers of at least {lack.answer_seconds} s"
    first = f"`{lack.first}`" if lack.first else f"none; the survey {slow}"
    named = {each["id"]: len(each["cases"]) for each in results["causes"]}
    count = str(named[lack.first]) if lack.first in named else "-"
    rest = ", ".join(f"`{each}` ({named[each]})" for each in others(results, lack)) or "-"
    return f"| {lack.what} | {results['duration_s']:.0f} | {executed} | {first} | {count} | {rest} |"


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(LACKS)))
@click.option("--markdown", is_flag=True, help="Print only the table, as docs/diagnosis.md has it.")
def main(*, names: tuple[str, ...], markdown: bool) -> None:
    """Run the suite on each server, one after another; exit with status 1 if a diagnosis is wrong."""
    click.echo("| server | seconds | executed | first cause | cases | other causes (cases) |\n" + "|---" * 6 + "|")
    wrong = []
    for name in names or LACKS:
        results = results_of(name)
        click.echo(row(results, LACKS[name]))
        wrong += [f"{name}: {each}" for each in problems(results, LACKS[name])]
    if not markdown:
        click.echo(f"load at the end: {os.getloadavg()[0]:.0f}")
        click.echo("\n".join(wrong) or "Every diagnosis is right.")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
