"""The findings of a judgement with their verdicts and places."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from conformance.gate.inputs.working_tree import Place, Tree
from conformance.gate.model.findings import Finding
from conformance.gate.model.judgement import Judgement


@dataclass(frozen=True, slots=True)
class Item:
    """A finding with its verdict.

    Attributes:
        finding: the finding.
        verdict: refused, waived or accepted.
        place: its place, relative to the tree.
        file: its file, relative to the current folder.
        reason: the reason of its waiver.
    """

    finding: Finding
    verdict: str
    place: Place
    file: str
    reason: str | None = None

    @property
    def told(self) -> str:
        """The difference, and the reason of its waiver."""
        return plain(f"{self.finding.what}: {self.reason}" if self.reason else self.finding.what)


def items(judgement: Judgement, tree: Tree) -> list[Item]:
    """Return the findings of a judgement, the refused ones first."""
    found: list[tuple[str, Finding, str | None]] = [("refused", each, None) for each in judgement.refused]
    found += [("waived", each, waiver.reason) for each, waiver in judgement.waived]
    found += [("accepted", each, None) for each in judgement.accepted]
    places = [tree.locate(finding.at or finding.pointer) for _, finding, _ in found]
    return [
        Item(finding, verdict, place, seen_from_here(tree.root / place.file), reason)
        for (verdict, finding, reason), place in zip(found, places, strict=True)
    ]


def seen_from_here(path: Path) -> str:
    """Return a path relative to the current folder, if it is inside."""
    here = Path.cwd()
    return (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()


def plain(said: str) -> str:
    """Escape unprintable characters, so that no text of a tree can begin a line or move the cursor."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in said)
