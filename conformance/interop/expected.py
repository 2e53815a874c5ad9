"""The matrix file: the clients and servers of the matrix, and the expected causes of what does not just work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Self

from conformance.interop.matrix import Matrix, unknown_stories
from conformance.interop.outcome import Cause, Outcome, Verdict
from conformance.interop.stories import STORIES
from conformance.protocol.files import read_toml

SCHEMA = "tools/interop-matrix"
ANY = ("*",)
PARTIES = ("client: ", "server: ")


@dataclass(frozen=True)
class ExpectedCause:
    """A cause that some cells are expected to have.

    ``alternatives`` are patterns of messages. A cause of the same party with such a message counts as this cause: which
    of them a cell has is chance. A pattern that begins with ``client:`` or ``server:`` is about that party.
    ``clients`` and ``servers`` are patterns of names; a name that ``except_clients`` or ``except_servers`` matches is
    none of them.
    """

    cause: Cause
    alternatives: tuple[str, ...]
    verdict: Verdict
    reason: str
    stories: tuple[str, ...]
    clients: tuple[str, ...]
    servers: tuple[str, ...]
    except_clients: tuple[str, ...]
    except_servers: tuple[str, ...]

    @classmethod
    def of(cls, entry: dict[str, Any]) -> Self:
        """Return the cause that an entry of the file states."""
        names = ("alternatives", "stories", "except_clients", "except_servers")
        lists = {name: tuple(entry.get(name, ())) for name in names}
        return cls(
            cause=Cause(entry["party"], entry.get("requirement", ""), entry["message"]),
            verdict=Verdict(entry["verdict"]),
            reason=entry["reason"],
            clients=tuple(entry.get("clients", ANY)),
            servers=tuple(entry.get("servers", ANY)),
            **lists,
        )

    def means(self, cause: Cause) -> bool:
        """Return true if a cause is this one, or one of its alternatives."""
        patterns = (each if each.startswith(PARTIES) else f"{self.cause.party}: {each}" for each in self.alternatives)
        return cause == self.cause or _matches(f"{cause.party}: {cause.message}", tuple(patterns))

    def covers(self, client: str, server: str, story: str) -> bool:
        """Return true if a cell is expected to have this cause."""
        return (
            story in self.stories
            and _is_one(client, self.clients, self.except_clients)
            and _is_one(server, self.servers, self.except_servers)
        )


@dataclass(frozen=True)
class Expectations:
    """What a matrix file says.

    Attributes:
        clients: the target files of the clients.
        servers: the target files of the servers.
        causes: the expected causes.
    """

    clients: tuple[Path, ...]
    servers: tuple[Path, ...]
    causes: tuple[ExpectedCause, ...]

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a matrix file (TOML; schema ``tools/interop-matrix``); its paths begin at its folder.

        Raises:
            ValueError: it cannot be read, or names a story that does not exist.
        """
        content = read_toml(path, SCHEMA, "matrix file")
        causes = tuple(map(ExpectedCause.of, content.get("cause", ())))
        if unknown := unknown_stories(name for each in causes for name in each.stories):
            raise ValueError(f"matrix file {path}: there is no story {unknown}")
        files = {name: tuple(path.parent / each for each in content[name]) for name in ("clients", "servers")}
        return cls(causes=causes, **files)

    def of(self, client: str, server: str, story: str) -> Outcome:
        """Return the expected outcome of a cell."""
        found = [each for each in self.causes if each.covers(client, server, story)]
        verdicts = {each.verdict for each in found}
        worst = next((each for each in (Verdict.BROKEN, Verdict.NOT_RUN, Verdict.NOTE) if each in verdicts), None)
        found.sort(key=lambda each: each.verdict is not Verdict.BROKEN)  # what breaks a story is its first cause
        causes = tuple(each.cause for each in found if each.verdict is not Verdict.NOT_RUN)
        return Outcome(client, server, story, worst or Verdict.WORKS, causes)

    def matrix(self, clients: Sequence[str], servers: Sequence[str]) -> Matrix:
        """Return the expected matrix of these clients and servers."""
        outcomes = (self.of(one, two, story) for one in clients for two in servers for story in STORIES)
        return Matrix(tuple(clients), tuple(servers), tuple(STORIES), tuple(outcomes))

    def named(self, matrix: Matrix) -> Matrix:
        """Return the matrix with the expected cause in the place of each of its alternatives."""
        return matrix.replaced(map(self._named, matrix.outcomes))

    def _named(self, outcome: Outcome) -> Outcome:
        found = [each for each in self.causes if each.covers(outcome.client, outcome.server, outcome.story)]
        causes = (next((each.cause for each in found if each.means(cause)), cause) for cause in outcome.causes)
        return replace(outcome, causes=tuple(dict.fromkeys(causes)))

    def surprises(self, matrix: Matrix) -> list[Outcome]:
        """Return the outcomes that are not the expected ones."""
        return [each for each in matrix.outcomes if not self._is_expected(each)]

    def explain(self, outcome: Outcome) -> Iterator[str]:
        """Yield what is unexpected about an outcome, a line each."""
        wanted, outcome = self.of(outcome.client, outcome.server, outcome.story), self._named(outcome)
        if outcome.verdict is not wanted.verdict:
            yield f"expected: {wanted.verdict}; found: {outcome.verdict}"
        yield from (f"new: {each}" for each in outcome.causes if each not in wanted.causes)
        yield from (f"gone: {each}" for each in wanted.causes if each not in outcome.causes)

    def idle(self, matrix: Matrix) -> list[ExpectedCause]:
        """Return the expected causes that no cell of a matrix is expected to have."""
        cells = [(each.client, each.server, each.story) for each in matrix.outcomes]
        return [each for each in self.causes if not any(each.covers(*cell) for cell in cells)]

    def _is_expected(self, outcome: Outcome) -> bool:
        wanted = self.of(outcome.client, outcome.server, outcome.story)
        return outcome.verdict is wanted.verdict and set(self._named(outcome).causes) == set(wanted.causes)


def _is_one(name: str, patterns: tuple[str, ...], exceptions: tuple[str, ...]) -> bool:
    return _matches(name, patterns) and not _matches(name, exceptions)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, each) for each in patterns)
