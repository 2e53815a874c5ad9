"""A copy of the protocol's files to change, and what the gate makes of it.

The files are those of protocol 1.0, packed into an archive, so that edits of them fit for ever:
``python tests/gate/protocol_tree.py`` packs those of the working tree.
"""

from __future__ import annotations

import datetime
import json
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from conformance.gate.inputs.vector_checks import vector_problems
from conformance.gate.inputs.working_tree import Tree
from conformance.gate.judge import judge
from conformance.gate.model.judgement import Judgement, Waiver
from conformance.gate.model.release import Release
from conformance.protocol.requirements import to_json
from conformance.specification.markdown import SpecError
from conformance.specification.statements import Spec

ROOT = Path(__file__).parents[2]
ARCHIVE = Path(__file__).with_name("protocol-1.0.zip")
PACKED = (
    "spec/*.md",
    "spec/requirements.json",
    "schemas/*.json",
    "schemas/README.md",
    "schemas/tools/*.json",
    "schemas/vectors/*.json",
)
TODAY = datetime.date(2030, 1, 1)


@cache
def published() -> Release:
    """The protocol as the working tree has it; edits are compared with it."""
    return Tree.read(ROOT).release


def pack() -> None:
    """Write the archive."""
    files = sorted(path for pattern in PACKED for path in ROOT.glob(pattern))
    with zipfile.ZipFile(ARCHIVE, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.writestr(
                zipfile.ZipInfo(path.relative_to(ROOT).as_posix()), path.read_bytes(), zipfile.ZIP_DEFLATED
            )
        archive.writestr(zipfile.ZipInfo("CHANGELOG.md"), "# Changelog\n\n### Protocol 1.0\n\nThe first version.\n")


_RELEASES: dict[tuple[str, ...] | None, Release] = {}


def _before(root: Path, vectors: tuple[str, ...] | None) -> Release:
    """Read a tree that was just unpacked, once for each choice of vectors."""
    if vectors not in _RELEASES:
        _RELEASES[vectors] = Tree.read(root).release
    return _RELEASES[vectors]


@cache
def _packed() -> dict[str, bytes]:
    """The content of the archive's files by their names."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def original(file: str) -> str:
    """Return a file of the archive; empty if it has none of that name."""
    return _packed().get(file, b"").decode("utf-8")


def _is_wanted(name: str, vectors: Sequence[str] | None) -> bool:
    path = Path(name)
    return path.parent.name != "vectors" or vectors is None or path.stem in vectors


class Workshop:
    """A copy of protocol 1.0 in a folder.

    Args:
        root: an empty folder.
        vectors: the files of golden vectors to copy; all of them if None.
    """

    def __init__(self, root: Path, vectors: Sequence[str] | None = None) -> None:
        self.root = root
        for name, content in _packed().items():
            if _is_wanted(name, vectors):
                path = root / name
                path.parent.mkdir(exist_ok=True, parents=True)
                path.write_bytes(content)
        self.before = _before(root, None if vectors is None else tuple(vectors))

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

    def extract(self) -> None:
        """Write the list of requirements, if the chapters can be read."""
        with suppress(SpecError, LookupError):
            found = Spec.read(self.root / "spec").requirements()
            (self.root / "spec" / "requirements.json").write_text(to_json(found), "utf-8")

    def renumber(self, major: str) -> None:
        """Give every schema the $id of another major version."""
        for path in (self.root / "schemas").glob("*.schema.json"):
            path.write_text(path.read_text("utf-8").replace("/schemas/1/", f"/schemas/{major}/", 1), "utf-8")

    def drop_contradicted_vectors(self) -> None:
        """Delete the vectors that another major version contradicts, such as those of the handshake."""
        wrong = {id_ for id_, _ in vector_problems(Tree.read(self.root).release)}
        for path in (self.root / "schemas" / "vectors").glob("*.json"):
            document = json.loads(path.read_text("utf-8"))
            document["vectors"] = [each for each in document["vectors"] if each["id"] not in wrong]
            path.write_text(json.dumps(document), "utf-8")

    def judge(
        self, waivers: Sequence[Waiver] = (), before: Release | None = None, tree: Tree | None = None
    ) -> Judgement:
        """Let the gate judge it, as it is or as it was read."""
        return judge(before or self.before, tree or Tree.read(self.root), waivers, TODAY)


if __name__ == "__main__":
    pack()
