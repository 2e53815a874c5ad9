"""``ipc-conformance run``: the suite on one target."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from conformance.cases.catalogue import all_cases, select
from conformance.cli.options import overlay_options
from conformance.core.settings import DEFAULT_EXAMPLES, SOAK_SECONDS, ChopMode, Settings
from conformance.core.verdicts import ExitCode
from conformance.reports.progress import RunProgress
from conformance.reports.summary import print_report
from conformance.results.known_failures import Baseline, write_baseline
from conformance.results.run import Run
from conformance.runner.session import PytestPlan, execute
from conformance.targets.config import TargetConfig

FILE = click.Path(dir_okay=False, path_type=Path)


@dataclass(frozen=True)
class Choice:
    """Which cases to run and how; the options of the command that are not about the target or the output."""

    globs: tuple[str, ...]
    profiles: tuple[str, ...]
    level: str | None
    settings: Settings
    known_failures: Path | None

    @property
    def is_filtered(self) -> bool:
        """Whether some of the cases are left out."""
        return bool(self.globs or self.profiles or self.level)

    def as_pytest_options(self) -> list[str]:
        """Return the choice in the spelling of the pytest plugin."""
        options = [f"--ipc-case={glob}" for glob in self.globs]
        options += [f"--ipc-profile={name}" for name in self.profiles]
        options += [f"--ipc-level={self.level}"] if self.level else []
        options += ["--ipc-trace"] if self.settings.traces else []
        if self.known_failures and self.known_failures.exists():  # a file that is yet to be written foresees nothing
            options.append(f"--ipc-known-failures={self.known_failures}")
        return [*options, *(word.replace("--", "--ipc-", 1) for word in self.settings.as_options())]


def _target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "--target", "target_file", type=FILE, metavar="FILE", help="A target file (TOML) that says one of these."
        ),
        click.option("--client-cmd", metavar="CMD", help="Test the client that the driver started by this drives."),
        click.option(
            "--server-cmd",
            metavar="CMD",
            help="Start this for the run; {port} becomes a free port, {state} a file that outlives the server.",
        ),
        click.option(
            "--tls-ca",
            type=FILE,
            metavar="FILE",
            help="Connect with TLS and trust the certificates in this PEM file.",
        ),
        click.option("--token-file", type=FILE, metavar="FILE", help="Show the token on this file's only line."),
        click.option("--server", metavar="HOST:PORT", help="Test the server that runs there."),
    ):
        command = option(command)
    return command


def _chop_mode(_context: click.Context, _option: click.Parameter, text: str) -> ChopMode:
    try:
        return ChopMode.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--trace", "traces", is_flag=True, help="Print the wire trace of every case."),
        click.option(
            *("--soak", "soak_seconds"),
            type=click.FloatRange(0),
            is_flag=False,
            flag_value=SOAK_SECONDS,
            default=0.0,
            metavar="[SECONDS]",
            help=f"Let cases that watch time take so long; {SOAK_SECONDS:g} seconds if not said.",
        ),
        click.option(
            "--chop",
            metavar="MODE",
            default="whole",
            show_default=True,
            callback=_chop_mode,
            help="Divide what the kit writes: whole, octets, header, random:SEED, or coalesce, which merges.",
        ),
        click.option(
            "--examples",
            type=click.IntRange(1),
            default=DEFAULT_EXAMPLES,
            show_default=True,
            help="How many examples each property is tried with.",
        ),
        click.option("--seed", type=int, help="Seed of the cases that use chance; printed at the end of each run."),
        click.option("--time-scale", type=click.FloatRange(0.01, 1000), default=1.0, help="Factor on every deadline."),
    ):
        command = option(command)
    return command


@click.command()
@_target_options
@click.option("--case", "globs", metavar="GLOB", multiple=True, help="Only cases whose id matches; repeatable.")
@click.option(
    "--profile", "profiles", metavar="NAME", multiple=True, help="Only this profile's cases; core for the rest."
)
@click.option("--level", type=click.Choice(["must", "should"]), help="Only cases of this level.")
@overlay_options
@_settings_options
@click.option("-n", "workers", type=click.IntRange(1, 64), help="Worker processes. [default: 2; 1 with --server]")
@click.option("--json", "json_file", type=FILE, metavar="FILE", help="Write the results file.")
@click.option("--junit", type=FILE, metavar="FILE", help="Write a JUnit XML file.")
@click.option("--format", "output", type=click.Choice(["text", "json"]), default="text", help="What goes to stdout.")
@click.option("--known-failures", type=FILE, metavar="FILE", help="Foreseen failures (TOML), strict both ways.")
@click.option(
    "--update-known-failures", is_flag=True, help="Rewrite that file from this run, which must be unfiltered."
)
@click.option("--dry-run", is_flag=True, help="List the chosen cases and run none.")
def run(
    *,
    server: str | None,
    server_cmd: str | None,
    target_file: Path | None,
    client_cmd: str | None,
    token_file: Path | None,
    tls_ca: Path | None,
    workers: int | None,
    json_file: Path | None,
    junit: Path | None,
    output: str,
    update_known_failures: bool,
    dry_run: bool,
    globs: tuple[str, ...],
    profiles: tuple[str, ...],
    level: str | None,
    known_failures: Path | None,
    **further: Any,
) -> None:
    """Run the conformance suite on a server, or on a client through its driver.

    \b
    Exit status:
      0  conformant, or not conformant exactly as --known-failures foresees
      1  not conformant
      2  wrong use
      3  the server, or the client's driver, could not be started or reached
      4  no case was executed
      5  the kit itself failed
    """
    options, target_arguments = _read_target(
        target_file, token_file, tls_ca, server=server, command=server_cmd, client=client_cmd
    )
    further["seed"] = random.getrandbits(31) if further["seed"] is None else further["seed"]
    chosen = Choice(globs, profiles, level, Settings(**further), known_failures)
    cases = select(chosen.globs, role=options.role, level=chosen.level, profiles=chosen.profiles)
    old = _read_baseline(chosen, update=update_known_failures)
    _check_writable(json_file, junit, chosen.known_failures if update_known_failures else None)
    if not cases:
        raise click.UsageError("the selection matches no case; 'ipc-conformance list' shows them all")
    if dry_run:
        click.echo("\n".join(sorted(each.id for each in cases)))
        return
    console = Console(stderr=output == "json", soft_wrap=False)
    outcome = Run(
        role=options.role, seed=chosen.settings.seed, chop=str(chosen.settings.chop), target_name=options.title
    )
    plan = PytestPlan(
        [*target_arguments, *chosen.as_pytest_options()],
        workers or (1 if options.server else min(2, os.cpu_count() or 1)),
        junit,
    )
    _run_interruptibly(plan, outcome, len(cases))
    _check_completeness(outcome, len(cases))
    print_report(console, outcome, traces=chosen.settings.traces)
    if json_file:
        _write(json_file, outcome)
    if output == "json":
        click.echo(json.dumps(outcome.as_json(), indent=1))
    if update_known_failures and chosen.known_failures and not outcome.unreachable and not outcome.kit_errors:
        open_reasons = write_baseline(chosen.known_failures, outcome.results, old)
        click.echo(f"{chosen.known_failures} rewritten; {open_reasons} cases wait for a reason", err=True)
    sys.exit(outcome.exit_code())


def _run_interruptibly(plan: PytestPlan, outcome: Run, cases: int) -> None:
    """Run the plan; Ctrl-C and SIGTERM end everything that was started and exit with 130."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with RunProgress(Console(stderr=True), cases) as progress:
            execute(plan, outcome, progress)
    except KeyboardInterrupt:
        click.echo("interrupted; everything that was started has been ended", err=True)
        sys.exit(130)


def _read_target(
    file: Path | None, token_file: Path | None, tls_ca: Path | None, **means: str | None
) -> tuple[TargetConfig, list[str]]:
    """Return the target's options and the arguments that say the same to the pytest plugin."""
    options = {"server": "--ipc-server", "command": "--ipc-server-cmd", "client": "--ipc-client-cmd"}
    arguments = [f"{options[name]}={value}" for name, value in means.items() if value]
    arguments += [f"--ipc-target={file}"] if file else []
    if len(arguments) != 1:
        raise click.UsageError(
            "say what to test: one of --server HOST:PORT, --server-cmd 'CMD {port}', --client-cmd CMD, --target FILE"
        )
    try:
        target = (
            TargetConfig.from_file(file) if file else TargetConfig(means["server"], means["command"], means["client"])
        )
        target = target.with_access(token_file, tls_ca)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    arguments += [f"--ipc-token-file={token_file}"] if token_file else []
    arguments += [f"--ipc-tls-ca={tls_ca}"] if tls_ca else []
    return target, arguments


def _read_baseline(choice: Choice, *, update: bool) -> Baseline:
    if update and (choice.is_filtered or not choice.known_failures):
        raise click.UsageError("--update-known-failures needs --known-failures FILE and a run of all cases")
    if not choice.known_failures or (update and not choice.known_failures.exists()):
        return Baseline({})
    try:
        return Baseline.read(choice.known_failures, all_cases())
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _check_writable(*files: Path | None) -> None:
    """Refuse, before the run and not after it, a file that cannot be written."""
    for file in files:
        if file and not os.access(file if file.exists() else file.parent, os.W_OK):
            raise click.UsageError(f"cannot write {file}")


def _check_completeness(outcome: Run, chosen: int) -> None:
    """Note when a chosen case was never reported; it must not pass unnoticed."""
    missing = chosen - len(outcome.results)
    if missing and not outcome.unreachable and not outcome.kit_errors:
        outcome.kit_errors.append(f"{missing} of {chosen} chosen cases were never run")


def _write(path: Path, outcome: Run) -> None:
    try:
        outcome.write(path)
    except OSError as error:
        click.echo(f"cannot write the results file {path}: {error.strerror}", err=True)
        sys.exit(ExitCode.USAGE)
