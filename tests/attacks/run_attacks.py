"""Attack the reference server: ``python tests/attacks/run_attacks.py [--only GLOB] [--json FILE]``.

Each attack has a server of its own, on loopback, with a limit of memory. The exit status is 1 if a server ended, needed
or kept more memory than the attack may cost, logged too much, or served nobody. Times are shown and not judged.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path

import click
import connections
import credentials
import floods
import jobs
import messages
from attack import ATTACKS, Attack, Finding

MODULES = (messages, connections, floods, jobs, credentials)
"""The modules with attacks; importing them registers them."""
FORMAT = "ipc-attacks/1"


@click.command()
@click.option("--only", default="*", metavar="GLOB", help="Run only attacks whose name matches.")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures to a file.")
def main(only: str, file: Path | None) -> None:
    """Attack the reference server, and show what each attack cost it."""
    began = time.monotonic()
    chosen = [each for each in ATTACKS.values() if fnmatchcase(each.name, only)]
    if not chosen:
        raise click.UsageError(f"no attack is called {only}; there are {', '.join(ATTACKS)}")
    click.echo(f"{'attack':<28} {'peak':>7} {'kept':>7}   {'ping p50':>8} {'p99':>8} {'max':>8}   {'log':>8}")
    click.echo(f"{'':<28} {'MiB':>7} {'MiB':>7}   {'ms':>8} {'ms':>8} {'ms':>8}   {'octets/s':>8}")
    found = [(each, _run(each)) for each in chosen]
    faults = sum(bool(finding.faults) for _, finding in found)
    if file:
        attacks = [{"name": each.name, "what": each.what} | asdict(finding) for each, finding in found]
        report = {"format": FORMAT, "attacks": attacks}
        file.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    click.echo(f"{len(found)} attacks, {faults} did harm, {time.monotonic() - began:.0f} s")
    sys.exit(bool(faults))


def _run(each: Attack) -> Finding:
    finding = each.run()
    finding.judge(each.peak, each.kept)
    pings = finding.pings or (None,) * 3
    figures = [f"{_shown(value):>{width}}" for value, width in zip((finding.peak, finding.kept), (7, 7), strict=True)]
    waits = [f"{_shown(value):>8}" for value in pings]
    click.echo(f"{each.name:<28} {' '.join(figures)}   {' '.join(waits)}   {_shown(finding.log):>8}")
    for name, value in finding.facts.items():
        click.echo(f"{'':<28} {name}: {_shown(value) if isinstance(value, float) else value}")
    for fault in finding.faults:
        click.echo(f"{'':<28} FAULT: {fault}")
    return finding


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}" if value < 1000 else f"{value:.0f}"


if __name__ == "__main__":
    main()
