"""Reads the figures of the plots from the pages that show them, and says them in words; it needs no library."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

DOCS = Path(__file__).parents[1]
PERFORMANCE, INTEROP = DOCS / "reference-server.md", DOCS / "interop.md"
KINDS = {
    "work": "work",
    "noted": "noted",
    "client": "broken by the client",
    "server": "broken by the server",
    "not run": "not run",
}
"""How a story ends for a pair, and what the picture calls it."""

_SPEED_HEAD = re.compile(r"^\| workload \((.+)\) \| (.+) \| (.+) \| ratio \|$", re.MULTILINE)
_FAULT = re.compile(r"fault of the (client|server)\)$")


@dataclass(frozen=True)
class Workload:
    """A row of the table of the section Performance: what was measured, and both figures as the page has them."""

    name: str
    ours: str
    theirs: str
    ratio: str


@dataclass(frozen=True)
class Speeds:
    """The table of the section Performance.

    Attributes:
        conditions: how it was measured.
        names: of the two servers.
        workloads: the rows.
    """

    conditions: str
    names: tuple[str, str]
    workloads: tuple[Workload, ...]

    @property
    def description(self) -> str:
        """The same as sentences."""
        ours, theirs = self.names
        told = (f"{each.name}: {ours} {each.ours}, {theirs} {each.theirs}." for each in self.workloads)
        return " ".join((f"Measured: {self.conditions}.", *told))


@dataclass(frozen=True)
class Pair:
    """A cell of the matrix: a client, a server, and how many stories ended in which of ``KINDS``; none has a zero."""

    client: str
    server: str
    counts: dict[str, int]


def speeds(page: str) -> Speeds:
    """Return the table of the section Performance.

    Raises ValueError if there is none.
    """
    head = _SPEED_HEAD.search(page)
    if not head:
        raise ValueError("there is no table of workloads")
    rows = [Workload(*row) for row in _rows(page[head.start() :])]
    return Speeds(head[1], (head[2].replace("`", ""), head[3].replace("`", "")), tuple(rows))


def amount(figure: str) -> int:
    """Return a figure as a number: 13600 for ``13 600``."""
    return int("".join(figure.split()))


def pairs(page: str) -> list[Pair]:
    """Return the cells of the matrix; the causes below it tell whose fault it is that stories are broken.

    Raises ValueError if there is no matrix, or if the causes tell of more or fewer broken stories than it has.
    """
    head = re.search(r"^\| client \| (.+) \|$", page, re.MULTILINE)
    if not head:
        raise ValueError("there is no matrix")
    servers, rows = head[1].split(" | "), list(_rows(page[head.start() :]))
    faults = list(_faults(page, [client for client, *_ in rows], servers))
    found = []
    for client, *cells in rows:
        for server, cell in zip(servers, cells, strict=True):
            counts = {kind: int(number) for number, kind in (each.split(" ", 1) for each in cell.split(", "))}
            blamed = {party: faults.count((party, client, server)) for party in ("client", "server")}
            if sum(blamed.values()) != counts.pop("broken", 0):
                raise ValueError(f"{client} with {server}: the causes do not fit what the matrix has: {cell}")
            counts |= blamed
            found.append(Pair(client, server, {kind: counts[kind] for kind in KINDS if counts.get(kind)}))
    return found


def told(matrix: Sequence[Pair]) -> str:
    """Return the cells as sentences."""
    return " ".join(f"{each.client} with {each.server}: {_counted(each.counts)}." for each in matrix)


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {KINDS[kind]}" for kind, number in counts.items())


def _rows(text: str) -> Iterator[tuple[str, ...]]:
    """Yield the cells of the rows of the table with which a text begins."""
    table = text.partition("\n\n")[0]
    for line in table.splitlines()[2:]:
        yield tuple(line.removeprefix("| ").removesuffix(" |").split(" | "))


def _faults(page: str, clients: Sequence[str], servers: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yield the party at fault, the client and the server for each broken story of each pair."""
    # A name may have a comma, and begin with another one.
    one, other = ("|".join(map(re.escape, sorted(names, key=len, reverse=True))) for names in (clients, servers))
    line = re.compile(
        rf"^- broken, `[\w-]+`: ((?:{one})(?:, (?:{one}))*) with ((?:{other})(?:, (?:{other}))*)$", re.MULTILINE
    )
    for section in page.split("\n### ")[1:]:
        if party := _FAULT.search(section.partition("\n")[0]):
            for found in line.finditer(section):
                yield from product(party.groups(), re.findall(one, found[1]), re.findall(other, found[2]))
