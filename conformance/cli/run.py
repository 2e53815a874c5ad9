"""``ipc-conformance run``: run the suite on one target."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console

from conformance.cases.catalogue import all_cases
from conformance.cli.ends import STOPPED
from conformance.cli.options import chosen_cases, draft_options, report_options, stated_option, table_options
from conformance.cli.outputs import FILE, refuse_unwritable
from conformance.core.options import as_arguments, from_options
from conformance.core.roles import Role
from conformance.core.settings import Selection, Settings
from conformance.core.shards import Part
from conformance.core.streams import UnwritableOutput
from conformance.core.verdicts import ExitCode, TargetError
from conformance.harness.case import Case
from conformance.reports.files import FORMATS, PRINTED
from conformance.reports.github import VARIABLE, GithubSummary
from conformance.reports.progress import RunProgress
from conformance.reports.reporter import Reporter
from conformance.reports.summary import Summary
from conformance.results.baseline_file import write_baseline
from conformance.results.known_failures import Baseline
from conformance.results.run import Run
from conformance.runner.second_tries import late_cases, try_again
from conformance.runner.session import Bounds, PytestPlan, execute
from conformance.runner.survey import survey_of
from conformance.targets.base import Target
from conformance.targets.client import ClientTarget
from conformance.targets.config import TARGET_FILE, TargetConfig
from conformance.transport.address import parse_address

FEW_CASES = 40
"""A second worker takes longer to start than fewer cases take, and so does one more server for the survey."""
WAITING_WORKERS = 16
"""Waiting takes no processor time: with 8, a server without error answers took 86 s; with 16, it took 60 s."""
AWAITED = ("ping", "errors", "end", "echo")
"""If a server lacks one of these abilities, hundreds of cases wait for nothing. If it acknowledges slowly, all of them
wait, and deadlines follow that (:attr:`Survey.slowest_seconds`)."""


@click.command()
@table_options(TargetConfig)
@stated_option(TARGET_FILE, "target_file")
@table_options(Selection)
@draft_options
@table_options(Settings)
@click.option(
    "-n",
    "workers",
    type=click.IntRange(1, 64),
    help=f"Number of worker processes.  [default: 2, or 16 if most cases will wait; 1 with --server or for fewer than "
    f"{FEW_CASES} cases]",
)
@report_options
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", *PRINTED]),
    default="text",
    show_default=True,
    help="Output on stdout: the report, the results file, annotations for GitHub Actions, or TAP. If it is not text, "
    "the report goes to stderr.",
)
@click.option(
    "--known-failures", type=FILE, metavar="FILE", help="Expected failures (TOML); an unexpected pass fails too."
)
@click.option(
    "--update-known-failures",
    is_flag=True,
    help="Rewrite the --known-failures file from this run; the run must include all cases.",
)
@click.option(
    "--max-failures",
    type=click.IntRange(min=1),
    metavar="N",
    help="Stop after this many unexpected outcomes; the other cases are not run.",
)
@click.option("--dry-run", is_flag=True, help="List the selected cases without running them.")
def run(
    *,
    target_file: Path | None,
    workers: int | None,
    output: str,
    known_failures: Path | None,
    update_known_failures: bool,
    max_failures: int | None,
    dry_run: bool,
    **values: Any,
) -> None:
    """Test a server, or a client through its driver.

    \b
    Exit status:
      0    conformant, or exactly the failures that --known-failures expects; with --budget, as far as cases ran
      1    not conformant, or the run ended early because the server serves nobody any more
      2    wrong usage, or an output cannot be written
      3    the server, or the client's driver, could not be started or reached; or the server requires a token or TLS
      4    no case was executed
      5    the kit itself failed
      130  interrupted by Ctrl-C, SIGTERM or SIGHUP; the report has the cases that ended
    """
    target = _target(target_file, values)
    selection = from_options(Selection, values)
    cases = chosen_cases(selection, target.role)
    old = _baseline(known_failures, is_part=selection.is_filtered or bool(max_failures), update=update_known_failures)
    seed = chosen_seed(values["seed"], selection, old)
    if selection.shard and seed is None and not dry_run:
        raise click.UsageError("--shard needs --seed N, the same for each shard; or the results cannot be merged")
    settings = from_options(Settings, values | {"seed": seed})
    files = {name: values[f"{name}_file"] for name in FORMATS if values[f"{name}_file"]}
    refuse_unwritable(*files.values(), known_failures if update_known_failures else None)
    if not cases:
        _refuse_to_run_nothing(selection, target.role)
    if dry_run:
        click.echo("\n".join(sorted(each.id for each in cases)))
        return
    outcome = Run(role=target.role, seed=settings.seed, chop=str(settings.chop), target_name=target.title)
    outcome.selected, outcome.part = len(cases), _part(selection, target.role)
    with _interruptible(outcome):
        _run(
            outcome,
            target,
            settings,
            plugin_arguments(target, selection, settings, known_failures),
            workers,
            Bounds(max_failures, selection.budget),
        )
        _check_completeness(outcome)
        _try_again(target, settings, old, outcome)
    unwritable = list(_report(outcome, _reporters(files, output, traces=settings.traces)))
    if update_known_failures and known_failures and outcome.is_whole:
        unwritable += _update(known_failures, outcome, old)
    for line in unwritable:
        click.echo(line, err=True)
    sys.exit(ExitCode.USAGE if unwritable and not outcome.is_interrupted else outcome.exit_code())


def _run(  # noqa: PLR0917 - what a run consists of
    outcome: Run,
    target: TargetConfig,
    settings: Settings,
    arguments: list[str],
    workers: int | None,
    bounds: Bounds,
) -> None:
    """Make the survey of a server that many cases will try, then run the cases."""
    outcome.unreachable = why_unreachable(target, settings)
    if outcome.unreachable:
        return
    if target.command and outcome.selected >= FEW_CASES:
        try:
            outcome.survey, outcome.handlers = survey_of(target, settings)
        except TargetError as error:
            outcome.unreachable = str(error)
            return
        arguments = [*arguments, f"--ipc-survey-json={json.dumps(outcome.survey.as_json())}"]
        arguments = [*arguments, f"--ipc-handlers={','.join(sorted(outcome.handlers))}"]
    plan = PytestPlan(arguments, workers or chosen_workers(target, outcome), in_order=bounds.seconds is not None)
    with RunProgress(Console(stderr=True), outcome) as progress:
        execute(plan, outcome, [progress], bounds)


def chosen_workers(target: TargetConfig, run: Run) -> int:
    """Return the number of workers without ``-n``: more than cores if many cases will wait for nothing."""
    if target.server or run.selected < FEW_CASES:
        return 1
    if run.survey and (any(run.survey.lacks(ability) for ability in AWAITED) or run.survey.is_slow("acknowledgement")):
        return WAITING_WORKERS
    return min(2, os.cpu_count() or 1)


def why_unreachable(target: TargetConfig, settings: Settings) -> str:
    """Return why a running server refuses a connection, or a client has no driver; empty if there is nothing wrong.

    Workers, which take seconds to start, would each find out the same. A server that the kit starts has time to listen.
    """
    if target.client:
        try:
            with ClientTarget(target, settings):
                return ""
        except TargetError as error:
            return str(error)
    if not target.server:
        return ""
    address = parse_address(target.server)
    try:
        address.connect(Target.BASE_PATIENCE_SECONDS).close()
    except OSError as error:
        return f"cannot connect to {address}: {error}"
    return ""


def plugin_arguments(
    target: TargetConfig, selection: Selection, settings: Settings, known_failures: Path | None
) -> list[str]:
    """Return the chosen options as arguments of the pytest plugin."""
    given: list[tuple[str, str | None]] = [("--ipc-target-json", json.dumps(target.as_json()))]
    given += [pair for table in (selection, settings) for pair in as_arguments(table, prefix="--ipc-")]
    if known_failures and known_failures.exists():  # a file that this run will create expects nothing
        given.append(("--ipc-known-failures", str(known_failures)))
    return [name if value is None else f"{name}={value}" for name, value in given]


def chosen_seed(given: int | None, selection: Selection, baseline: Baseline) -> int | None:
    """Return the seed to use: without --seed, that of the --failed run or of the known failures, if any."""
    if given is None and selection.failed:
        return Run.read(selection.failed).seed
    return baseline.seed if given is None else given


@contextlib.contextmanager
def _interruptible(outcome: Run) -> Iterator[None]:
    """On Ctrl-C or a signal, stop all started processes and mark the outcome."""
    try:
        yield
    except KeyboardInterrupt:
        outcome.is_interrupted = True
        click.echo(STOPPED, err=True)


def _try_again(target: TargetConfig, settings: Settings, baseline: Baseline, outcome: Run) -> None:
    late = len(late_cases(outcome))
    if late and not (outcome.unreachable or outcome.kit_errors or outcome.cut_short):
        click.echo(f"late: {late}; trying again alone, then with more time", err=True)
        try_again(target, settings, baseline, outcome)


def _target(file: Path | None, values: dict[str, Any]) -> TargetConfig:
    means = {"--server": values["server"], "--server-cmd": values["command"], "--client-cmd": values["client"]}
    given = [name for name, value in (means | {"--target": file}).items() if value]
    if len(given) != 1:
        ways = "--server HOST:PORT, --server-cmd 'CMD {port}', --client-cmd CMD and --target FILE"
        both = f", not {' and '.join(given)}" if given else ""
        raise click.UsageError(f"give exactly one of {ways}{both}")
    try:
        return TargetConfig.chosen(values, file)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _refuse_to_run_nothing(selection: Selection, role: Role) -> NoReturn:
    if selection.failed:
        click.echo(f"{selection.failed}: no selected case failed, so there is nothing to run again", err=True)
        sys.exit(ExitCode.NOTHING_RAN)
    raise click.UsageError(_no_case(selection, role))


def _reporters(files: Mapping[str, Path], output: str, *, traces: bool) -> Iterator[tuple[str, Reporter]]:
    """Yield what writes the reports, each with the name of its file."""
    for name, path in files.items():
        yield str(path), FORMATS[name].reporter(path)
    if os.environ.get(VARIABLE):
        yield f"${VARIABLE}", GithubSummary(Path(os.environ[VARIABLE]))
    yield (
        "standard output",
        Summary(Console(stderr=output in PRINTED, emoji=False), traces=traces, file=files.get("json")),
    )
    if output in PRINTED:
        yield "standard output", PRINTED[output](click.echo)


def _part(selection: Selection, role: Role) -> Part | None:
    """Return which shard of the selection this is, if it is one."""
    if selection.shard is None:
        return None
    return Part((selection.shard.number,), selection.shard.of, len(_undivided(selection, role)))


def _undivided(selection: Selection, role: Role) -> list[Case]:
    return chosen_cases(replace(selection, shard=None), role)


def _no_case(selection: Selection, role: Role) -> str:
    """Say why a selection is empty, and what there is."""
    known = {"core", *(each.profile for each in all_cases().values() if each.profile and each.role == role)}
    unknown = [name for name in selection.profiles if name not in known]
    if unknown:
        return f"no case has the profile {unknown[0]}; there are {', '.join(sorted(known))}"
    if selection.shard and (number := len(_undivided(selection, role))):
        return f"shard {selection.shard} has none of the {number} selected cases; use fewer shards"
    return f"the selection matches no case; 'ipc-conformance list --role {role}' lists all cases"


def _baseline(file: Path | None, *, is_part: bool, update: bool) -> Baseline:
    if update and (is_part or not file):
        raise click.UsageError("--update-known-failures needs --known-failures FILE and a run of all cases")
    if not file or (update and not file.exists()):
        return Baseline({})
    try:
        return Baseline.read(file, all_cases())
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _check_completeness(outcome: Run) -> None:
    """Record an error if a selected case was never reported, and nothing else says why."""
    missing = outcome.selected - len(outcome.results)
    is_told = outcome.cut_short or outcome.unreachable or outcome.kit_errors or outcome.is_interrupted
    if missing and not is_told:
        outcome.kit_errors.append(f"{missing} of {outcome.selected} selected cases were never run")


def _report(outcome: Run, reporters: Iterable[tuple[str, Reporter]]) -> Iterator[str]:
    """Write all reports, each with the name of its file; yield why one cannot be written."""
    for name, reporter in reporters:
        try:
            reporter.done(outcome)
        except OSError as error:
            yield f"cannot write {name}: {error.strerror}"
        except UnwritableOutput as error:
            yield str(error)


def _update(file: Path, outcome: Run, old: Baseline) -> Iterator[str]:
    """Rewrite the file of known failures; yield why it cannot be written."""
    try:
        open_reasons = write_baseline(file, outcome, old, all_cases())
    except OSError as error:
        yield f"cannot write {file}: {error.strerror}"
    else:
        click.echo(f"{file} rewritten; {open_reasons} cases still need a reason", err=True)
