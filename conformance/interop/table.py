"""The matrix on a terminal: one cell for each pair, and the causes below."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from conformance.core.terminal import fitted, is_narrow
from conformance.core.text import printable
from conformance.interop.matrix import Matrix, count
from conformance.interop.outcome import Outcome, Verdict

WORDS = {Verdict.BROKEN: "broken", Verdict.NOTE: "noted", Verdict.NOT_RUN: "not run", Verdict.WORKS: "work"}


def print_matrix(console: Console, matrix: Matrix) -> None:
    """Print a table of clients and servers, and each cause with the stories and pairs that have it.

    A terminal that is too narrow for the table gets lines of text.
    """
    if is_narrow():
        lines = [f"{one}  {two}: {cell(matrix.cell(one, two))}" for one in matrix.clients for two in matrix.servers]
        console.print(fitted(printable("\n".join(lines))), highlight=False, markup=False, soft_wrap=True)
    else:
        table = Table("client", *map(_plain, matrix.servers), box=None, pad_edge=False)
        for client in matrix.clients:
            table.add_row(_plain(client), *(_styled(matrix.cell(client, server)) for server in matrix.servers))
        console.print(table)
    console.print()
    for line in cause_lines(matrix):
        console.print(fitted(printable(line)), highlight=False, markup=False, soft_wrap=True)


def cell(outcomes: list[Outcome]) -> str:
    """Return how many stories of a pair ended in which way, the worst first."""
    counts = ((count(outcomes, verdict), word) for verdict, word in WORDS.items())
    return ", ".join(f"{number} {word}" for number, word in counts if number)


def _plain(name: str) -> str:
    """Return a name without control characters, whose brackets are no markup."""
    return escape(printable(name))


def _styled(outcomes: list[Outcome]) -> str:
    verdicts = {each.verdict for each in outcomes}
    styles = {Verdict.BROKEN: "red", Verdict.NOT_RUN: "yellow", Verdict.NOTE: "yellow"}
    style = next((style for verdict, style in styles.items() if verdict in verdicts), "green")
    return f"[{style}]{cell(outcomes)}[/]"


def cause_lines(matrix: Matrix) -> Iterator[str]:
    """Yield each cause, and below it its cells, by story."""
    for cause, outcomes in matrix.by_cause():
        yield str(cause)
        for story, clients, servers in grouped(outcomes):
            yield f"  {story}: {', '.join(clients)} with {', '.join(servers)}"


def grouped(outcomes: list[Outcome]) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Yield a story with the clients and the servers that have it in common, in their order."""
    servers: dict[tuple[str, str], list[str]] = {}
    for each in outcomes:
        servers.setdefault((each.story, each.client), []).append(each.server)
    clients: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (story, client), found in servers.items():
        clients.setdefault((story, tuple(found)), []).append(client)
    for (story, found_servers), found_clients in clients.items():
        yield story, tuple(found_clients), found_servers
