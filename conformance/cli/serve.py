"""``ipc-conformance serve``: a server for client developers that reports each rule a client breaks."""

from __future__ import annotations

import contextlib
import sys
import time
from functools import partial
from typing import NoReturn

import click

from conformance.cases.catalogue import all_cases
from conformance.core.streams import UnwritableOutput
from conformance.core.text import printable
from conformance.core.trace import Entry, Trace
from conformance.core.verdicts import ExitCode, TargetError
from conformance.proxy.relay import Link, Relay
from conformance.reports.failure import describe
from conformance.runner.case_runner import run_case
from conformance.targets.manual_driver import HELP, ManualClientTarget
from conformance.targets.process import ServerProcess, on_a_free_port
from conformance.transport.address import Address, parse_address

REFERENCE = "{python} -m reference_server --host {host} --port {port} --responder"


class LiveTrace(Trace):
    """A trace that prints each entry as it comes and keeps none; ``failure`` says why it cannot print any more."""

    failure: UnwritableOutput | None = None

    def note(self, entry: Entry) -> None:
        """Print ``entry``; called by the relay's threads."""
        self._show(printable(str(entry)))

    def complain(self, finding: str) -> None:
        """Print a rule that a client broke."""
        self._show(click.style(f"          {finding}", fg="red"))

    def _show(self, line: str) -> None:
        try:
            click.echo(line)
        except UnwritableOutput as error:
            self.failure = error


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8888,
    show_default=True,
    help="Listen on this port; 0 for a free one.",
)
@click.option("--case", "case_id", metavar="ID", help="Run this client case instead; you drive the client by hand.")
@click.option("--server", metavar="HOST:PORT", help="Relay to this server instead of the reference server.")
@click.option(
    "--server-cmd", metavar="CMD", help="Relay to a server that this command starts; {port} becomes a free port."
)
@click.pass_context
def serve(
    context: click.Context, *, port: int, case_id: str | None, server: str | None, server_cmd: str | None
) -> None:
    """Serve clients and report the rules that they break.

    The command relays frames to the reference server with the responder, or to the server you choose. It prints every
    frame, and names each rule that a client's frame breaks. Stop it with Ctrl-C; the exit status is then 1 if a
    client's frame broke a rule.

    With --case the kit runs one client case on a free port, and you take the place of the driver: it prints what your
    client must do, and you type the result. The exit status is 1 if the case fails.
    """
    if case_id:
        _refuse_others(context)
        _play(case_id)
    if server and server_cmd:
        raise click.UsageError("give --server or --server-cmd, not both")
    try:
        with contextlib.ExitStack() as stack:
            upstream = parse_address(server) if server else _start(stack, server_cmd)
            trace = LiveTrace()
            relay = stack.enter_context(Relay(upstream, trace, link=Link, port=port, on_finding=trace.complain))
            with contextlib.suppress(KeyboardInterrupt):
                click.echo(f"listening on {relay.address}; stop with Ctrl-C")
                while trace.failure is None:
                    time.sleep(1.0)  # not forever: a signal that arrives just before a wait does not end it
                raise trace.failure
            findings = len(relay.findings)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.UsageError(f"cannot listen on port {port}: {error.strerror}; choose another with --port") from None
    except TargetError as error:
        click.echo(printable(str(error)), err=True)
        sys.exit(ExitCode.UNREACHABLE)
    click.echo(f"{findings} client frames broke a rule")
    sys.exit(ExitCode.NOT_CONFORMANT if findings else ExitCode.CONFORMANT)


def _refuse_others(context: click.Context) -> None:
    """Refuse options that have no effect on a case."""
    for name in ("port", "server", "server_cmd"):
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            option = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"--case runs its own server on a free port; omit {option}")


def _play(case_id: str) -> NoReturn:
    """Play a client case with a person as the driver."""
    case = all_cases().get(case_id)
    if case is None or case.role != "client":
        raise click.UsageError(f"there is no client case {case_id!r}; 'ipc-conformance list --role client' lists them")
    click.echo(f"{case.id}: {case.summary}\n{HELP}\n")
    try:
        result = run_case(case, ManualClientTarget(iter(sys.stdin.readline, ""), click.echo))
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    result.reproduce = f"ipc-conformance serve --case {case.id}"
    click.echo("\n".join(describe(result, trace_lines=None)))
    sys.exit(ExitCode.CONFORMANT if result.verdict.is_good else ExitCode.NOT_CONFORMANT)


def _start(stack: contextlib.ExitStack, command: str | None) -> Address:
    command = command or REFERENCE.replace("{python}", f"'{sys.executable}'")
    process = on_a_free_port(partial(ServerProcess, command))
    stack.callback(process.stop)
    return process.address
