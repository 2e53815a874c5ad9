"""A copy of the protocol's files to change, and what the gate makes of it."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from conformance.gate.judge import Judgement, judge
from conformance.gate.release import Release
from conformance.gate.tree import Tree
from conformance.gate.waivers import Waiver

ROOT = Path(__file__).parents[2]
TODAY = datetime.date(2030, 1, 1)


@cache
def published() -> Release:
    """The protocol as the working tree has it; edits are compared with it."""
    return Tree.read(ROOT).release


class Workshop:
    """A copy of the working tree's protocol in a folder.

    Args:
        root: an empty folder.
        vectors: the files of golden vectors to copy; all of them if None.
    """

    def __init__(self, root: Path, vectors: Sequence[str] | None = None) -> None:
        self.root = root
        for folder in ("spec", "schemas"):
            shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__", "releases"))
        for path in (root / "schemas" / "vectors").glob("*.json"):
            if vectors is not None and path.stem not in vectors:
                path.unlink()
        shutil.copy(ROOT / "CHANGELOG.md", root)
        self.before = published() if vectors is None else Tree.read(root).release

    def replace(self, file: str, old: str, new: str) -> None:
        """Replace a text that occurs once in a file."""
        path = self.root / file
        text = path.read_text("utf-8")
        assert text.count(old) == 1, f"{file} has {text.count(old)} times {old!r}"
        path.write_text(text.replace(old, new), "utf-8")

    def add(self, file: str, text: str) -> None:
        """Add a file."""
        path = self.root / file
        assert not path.exists(), f"{file} is there already"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text, "utf-8")

    def append(self, file: str, text: str) -> None:
        """Add to the end of a file."""
        with (self.root / file).open("a", encoding="utf-8") as stream:
            stream.write(text)

    def remove(self, file: str) -> None:
        """Delete a file."""
        (self.root / file).unlink()

    def call_it(self, version: str, changes: str) -> None:
        """Give the protocol a version, and say in the changelog what is new."""
        self.replace("spec/README.md", "Protocol 1.0\n", f"Protocol {version}\n")
        self.replace("CHANGELOG.md", "### Protocol 1.0\n", f"### Protocol {version}\n\n{changes}\n\n### Protocol 1.0\n")

    def judge(self, waivers: Sequence[Waiver] = (), before: Release | None = None) -> Judgement:
        """Let the gate judge it."""
        return judge(before or self.before, Tree.read(self.root), waivers, TODAY)
