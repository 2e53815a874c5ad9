"""``ipc-conformance interop``: every client with every server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import click
from rich.console import Console

from conformance.cli.ends import ended_in_a_line
from conformance.cli.outputs import FILE, refuse_unwritable, write
from conformance.core.text import printable
from conformance.core.verdicts import ExitCode
from conformance.interop.expected import Expectations
from conformance.interop.matrix import Matrix
from conformance.interop.outcome import Outcome, Verdict
from conformance.interop.page import page
from conformance.interop.run import Pair, run_pairs
from conformance.interop.stories import STORIES
from conformance.interop.table import print_matrix
from conformance.targets.config import TargetConfig

READABLE = click.Path(path_type=Path, dir_okay=False, exists=True)
MATRIX_FILE = "interop.toml"
AGAIN_SCALE = 3.0
"""The factor of the deadlines when a surprising story is run again, alone."""


@click.command()
@click.option(
    "--client", "client_files", type=READABLE, multiple=True, metavar="FILE", help="Only this client; repeatable."
)
@click.option(
    "--server", "server_files", type=READABLE, multiple=True, metavar="FILE", help="Only this server; repeatable."
)
@click.option("--client-cmd", "client_commands", multiple=True, metavar="CMD", help="Only this client, by its driver.")
@click.option("--server-cmd", "server_commands", multiple=True, metavar="CMD", help="Only this server, with {port}.")
@click.option(
    *("--story", "names"),
    type=click.Choice(list(STORIES)),
    multiple=True,
    metavar="NAME",
    help="Run only this story; repeatable. A wrong name lists all of them.",
)
@click.option(
    "--matrix", "matrix_file", type=READABLE, metavar="FILE", help="Clients, servers and expected causes (TOML)."
)
@click.option("--jobs", type=click.IntRange(1, 100), default=12, show_default=True, help="Number of pairs at a time.")
@click.option("--from", "results", type=READABLE, metavar="FILE", help="Read results of --json instead of running.")
@click.option("--json", "json_file", type=FILE, metavar="FILE", help="Write the results, with recordings, as JSON.")
@click.option("--markdown", "markdown_file", type=FILE, metavar="FILE", help="Write the matrix as a page.")
def interop(
    *,
    client_files: tuple[Path, ...],
    server_files: tuple[Path, ...],
    client_commands: tuple[str, ...],
    server_commands: tuple[str, ...],
    names: tuple[str, ...],
    matrix_file: Path | None,
    jobs: int,
    results: Path | None,
    json_file: Path | None,
    markdown_file: Path | None,
) -> None:
    """Run every client with every server, and say whose fault it is if a story does not work.

    A story is what users do: connect, request, publish, lose the connection. A proxy records each pair. Clients are
    controlled through their drivers, servers need the responder.

    Without --client and --client-cmd, the clients are those of this project and of ipc-framework; likewise the servers.
    The exit status is 1 if a cell is not as the matrix file expects it.

    \b
    Example:
      ipc-conformance interop --client-cmd 'python my_driver.py' --story publish
    """
    refuse_unwritable(json_file, markdown_file)
    try:
        expectations = Expectations.from_file(matrix_file or _bundled())
        if results:
            matrix = Matrix.from_file(results)
        else:
            clients = list(_targets("client", client_files, client_commands, expectations.clients))
            servers = list(_targets("server", server_files, server_commands, expectations.servers))
            with ended_in_a_line():
                matrix = _run(clients, servers, names or tuple(STORIES), jobs, expectations)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    named = expectations.named(matrix)
    print_matrix(Console(width=None if sys.stdout.isatty() else 160), named)
    write(json_file, matrix.text())
    write(markdown_file, page(named, expectations))
    sys.exit(_judge(matrix, expectations))


def _bundled() -> Path:
    return Path(str(files("conformance.implementations").joinpath(MATRIX_FILE)))


def _targets(
    role: str, chosen: tuple[Path, ...], commands: tuple[str, ...], usual: tuple[Path, ...]
) -> Iterator[TargetConfig]:
    for path in chosen or (() if commands else usual):
        target = TargetConfig.from_file(path)
        if target.role != role or target.server:
            raise ValueError(f"{path} has no command that starts a {role}")
        yield target
    for command in commands:
        yield TargetConfig(client=command) if role == "client" else TargetConfig(command=command)


def _run(
    clients: list[TargetConfig],
    servers: list[TargetConfig],
    names: tuple[str, ...],
    jobs: int,
    expectations: Expectations,
) -> Matrix:
    """Run the stories; those with a surprising outcome once more, alone and with longer deadlines."""
    pairs = {(one.title, two.title): Pair(one, two) for one in clients for two in servers}
    if len(pairs) < len(clients) * len(servers):
        raise ValueError("two clients or two servers have the same name")
    stories = [STORIES[name] for name in names]

    def count_broken(pair: tuple[str, str]) -> int:
        return sum(expectations.of(pair[0], pair[1], name).is_broken for name in names)

    # What is broken waits for what does not come: the slowest pairs begin first, so that they are not left over.
    slowest = sorted(pairs, key=count_broken, reverse=True)
    found = run_pairs([pairs[each] for each in slowest], stories, jobs, _tell)
    outcomes = sorted(found, key=lambda each: list(pairs).index((each.client, each.server)))
    matrix = Matrix(
        tuple(each.title for each in clients), tuple(each.title for each in servers), names, tuple(outcomes)
    )
    surprises = expectations.surprises(matrix)
    for each in surprises:
        again = run_pairs([pairs[each.client, each.server]], [STORIES[each.story]], 1, _tell, AGAIN_SCALE)
        matrix = matrix.replaced(again)
    return matrix


def _tell(outcome: Outcome) -> None:
    if outcome.verdict is not Verdict.WORKS:
        causes = "; ".join(map(str, outcome.causes)) or outcome.detail
        line = f"{outcome.verdict}: {outcome.story}, {outcome.client} with {outcome.server}: {causes}"
        click.echo(printable(line), err=True)


def _judge(matrix: Matrix, expectations: Expectations) -> ExitCode:
    surprises = expectations.surprises(matrix)
    for each in surprises:
        click.echo(printable(f"\nunexpected: {each.story}, {each.client} with {each.server}"))
        click.echo(printable("\n".join(f"  {line}" for line in expectations.explain(each))))
        click.echo(printable("\n".join(f"    {line}" for line in each.trace[-15:])))
    click.echo(f"{len(matrix.outcomes)} stories, {len(surprises)} not as expected")
    return ExitCode.NOT_CONFORMANT if surprises else ExitCode.CONFORMANT
