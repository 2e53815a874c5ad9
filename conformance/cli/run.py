"""``ipc-conformance run``: run the suite on one target."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from conformance.cases.catalogue import all_cases, select
from conformance.cli.options import FILE, draft_options, report_options, stated_option, table_options
from conformance.core.options import as_arguments, from_options
from conformance.core.settings import Selection, Settings
from conformance.core.verdicts import ExitCode
from conformance.reports.files import FORMATS
from conformance.reports.json import JsonText
from conformance.reports.progress import RunProgress
from conformance.reports.reporter import Reporter
from conformance.reports.summary import Summary
from conformance.results.known_failures import Baseline, write_baseline
from conformance.results.run import Run
from conformance.runner.session import PytestPlan, execute
from conformance.targets.config import TARGET_FILE, TargetConfig

INTERRUPTED = 130


@click.command()
@table_options(TargetConfig)
@stated_option(TARGET_FILE, "target_file")
@table_options(Selection)
@draft_options
@table_options(Settings)
@click.option(
    "-n", "workers", type=click.IntRange(1, 64), help="Number of worker processes.  [default: 2; 1 with --server]"
)
@report_options
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Output on stdout.",
)
@click.option(
    "--known-failures", type=FILE, metavar="FILE", help="Expected failures (TOML); an unexpected pass fails too."
)
@click.option(
    "--update-known-failures",
    is_flag=True,
    help="Rewrite the --known-failures file from this run; the run must include all cases.",
)
@click.option("--dry-run", is_flag=True, help="List the selected cases without running them.")
def run(
    *,
    target_file: Path | None,
    workers: int | None,
    output: str,
    known_failures: Path | None,
    update_known_failures: bool,
    dry_run: bool,
    **values: Any,
) -> None:
    """Test a server, or a client through its driver.

    \b
    Exit status:
      0    conformant, or exactly the failures that --known-failures expects
      1    not conformant
      2    wrong usage
      3    the server, or the client's driver, could not be started or reached
      4    no case was executed
      5    the kit itself failed
      130  interrupted
    """
    target = _target(target_file, values)
    selection, settings = from_options(Selection, values), from_options(Settings, values)
    cases = select(selection, role=target.role)
    old = _baseline(known_failures, selection, update=update_known_failures)
    files = {name: values[f"{name}_file"] for name in FORMATS if values[f"{name}_file"]}
    _check_writable(*files.values(), known_failures if update_known_failures else None)
    if not cases:
        raise click.UsageError("the selection matches no case; 'ipc-conformance list' lists all cases")
    if dry_run:
        click.echo("\n".join(sorted(each.id for each in cases)))
        return
    outcome = Run(role=target.role, seed=settings.seed, chop=str(settings.chop), target_name=target.title)
    plan = PytestPlan(
        plugin_arguments(target, selection, settings, known_failures),
        workers or (1 if target.server else min(2, os.cpu_count() or 1)),
    )
    _run_interruptibly(plan, outcome, len(cases))
    _check_completeness(outcome, len(cases))
    reporters: list[Reporter] = [Summary(Console(stderr=output == "json", soft_wrap=False), traces=settings.traces)]
    reporters += [FORMATS[name].reporter(path) for name, path in files.items()]
    reporters += [JsonText(click.echo)] if output == "json" else []
    _report(outcome, reporters)
    if update_known_failures and known_failures and not outcome.unreachable and not outcome.kit_errors:
        open_reasons = write_baseline(known_failures, outcome.results, old)
        click.echo(f"{known_failures} rewritten; {open_reasons} cases still need a reason", err=True)
    sys.exit(outcome.exit_code())


def plugin_arguments(
    target: TargetConfig, selection: Selection, settings: Settings, known_failures: Path | None
) -> list[str]:
    """Return the chosen options as arguments of the pytest plugin."""
    given: list[tuple[str, str | None]] = [("--ipc-target-json", json.dumps(target.as_json()))]
    given += [pair for table in (selection, settings) for pair in as_arguments(table, prefix="--ipc-")]
    if known_failures and known_failures.exists():  # a file that this run will create expects nothing
        given.append(("--ipc-known-failures", str(known_failures)))
    return [name if value is None else f"{name}={value}" for name, value in given]


def _run_interruptibly(plan: PytestPlan, outcome: Run, cases: int) -> None:
    """Run the plan; on Ctrl-C and SIGTERM, stop all started processes and exit with 130."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with RunProgress(Console(stderr=True), cases) as progress:
            execute(plan, outcome, [progress])
    except KeyboardInterrupt:
        click.echo("interrupted; all started processes have been stopped", err=True)
        sys.exit(INTERRUPTED)


def _target(file: Path | None, values: dict[str, Any]) -> TargetConfig:
    means = [file, *(values[name] for name in ("server", "command", "client"))]
    if sum(map(bool, means)) != 1:
        raise click.UsageError(
            "give exactly one of --server HOST:PORT, --server-cmd 'CMD {port}', --client-cmd CMD and --target FILE"
        )
    try:
        return TargetConfig.chosen(values, file)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _baseline(file: Path | None, selection: Selection, *, update: bool) -> Baseline:
    if update and (selection.is_filtered or not file):
        raise click.UsageError("--update-known-failures needs --known-failures FILE and a run of all cases")
    if not file or (update and not file.exists()):
        return Baseline({})
    try:
        return Baseline.read(file, all_cases())
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _check_writable(*files: Path | None) -> None:
    """Refuse a file that cannot be written, before the run starts."""
    for file in files:
        if file and not os.access(file if file.exists() else file.parent, os.W_OK):
            raise click.UsageError(f"cannot write {file}")


def _check_completeness(outcome: Run, chosen: int) -> None:
    """Record an error if a selected case was never reported."""
    missing = chosen - len(outcome.results)
    if missing and not outcome.unreachable and not outcome.kit_errors:
        outcome.kit_errors.append(f"{missing} of {chosen} selected cases were never run")


def _report(outcome: Run, reporters: Iterable[Reporter]) -> None:
    for reporter in reporters:
        try:
            reporter.done(outcome)
        except OSError as error:
            click.echo(f"cannot write {error.filename}: {error.strerror}", err=True)
            sys.exit(ExitCode.USAGE)
