"""The matrix: which clients and servers it has, how all stories ended, and the file that holds both."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance import PROTOCOL_VERSION, __version__
from conformance.interop.outcome import Cause, Outcome, Verdict
from conformance.interop.stories import STORIES
from conformance.protocol.files import read_json

FORMAT = "ipc-conformance-interop/1"
SCHEMA = "tools/interop"


@dataclass(frozen=True)
class Matrix:
    """The outcomes of all stories for all pairs.

    Attributes:
        clients: the names of the clients.
        servers: the names of the servers.
        stories: the names of the stories.
        outcomes: one for each client, server and story.
    """

    clients: tuple[str, ...]
    servers: tuple[str, ...]
    stories: tuple[str, ...]
    outcomes: tuple[Outcome, ...]

    def cell(self, client: str, server: str) -> list[Outcome]:
        """Return the outcomes of a pair, in the order of the stories."""
        return [each for each in self.outcomes if (each.client, each.server) == (client, server)]

    def row(self, story: str) -> list[Outcome]:
        """Return the outcomes of a story, in the order of the pairs."""
        return [each for each in self.outcomes if each.story == story]

    def by_cause(self) -> Iterator[tuple[Cause, list[Outcome]]]:
        """Yield each cause with the outcomes that have it, by party and requirement."""
        causes = sorted({cause for each in self.outcomes for cause in each.causes})
        for cause in causes:
            yield cause, [each for each in self.outcomes if cause in each.causes]

    def replaced(self, outcomes: Iterable[Outcome]) -> Matrix:
        """Return the matrix with some outcomes in the place of earlier ones."""
        newer = {(each.client, each.server, each.story): each for each in outcomes}
        merged = tuple(newer.get((each.client, each.server, each.story), each) for each in self.outcomes)
        return Matrix(self.clients, self.servers, self.stories, merged)

    def as_json(self) -> dict[str, Any]:
        """Return the content of an interop file (schema ``tools/interop``)."""
        return {
            "format": FORMAT,
            "kit": {"version": __version__, "protocol": PROTOCOL_VERSION},
            "clients": list(self.clients),
            "servers": list(self.servers),
            "stories": [{"name": name, "title": STORIES[name].title} for name in self.stories],
            "outcomes": [each.as_json() for each in self.outcomes],
        }

    @classmethod
    def from_file(cls, path: Path) -> Matrix:
        """Read an interop file.

        Raises:
            ValueError: it cannot be read, or is none; the message says why.
        """
        content = read_json(path, SCHEMA, "interop file")
        names = [each["name"] for each in content["stories"]] + [each["story"] for each in content["outcomes"]]
        if unknown := unknown_stories(names):
            raise ValueError(f"interop file {path}: there is no story {unknown}")
        return cls(
            tuple(content["clients"]),
            tuple(content["servers"]),
            tuple(names[: len(content["stories"])]),
            tuple(map(Outcome.from_json, content["outcomes"])),
        )

    def text(self) -> str:
        """Return the text of an interop file."""
        return json.dumps(self.as_json(), indent=1, ensure_ascii=False) + "\n"


def unknown_stories(names: Iterable[str]) -> str:
    """Return the names that no story has, sorted; an empty text if all have one."""
    return ", ".join(sorted(set(names) - set(STORIES)))


def count(outcomes: Sequence[Outcome], verdict: Verdict) -> int:
    """Return how many outcomes have a verdict."""
    return sum(each.verdict is verdict for each in outcomes)
