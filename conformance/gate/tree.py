"""A working tree as the gate reads it: the spec's text, the schemas, the vectors and the changelog."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from conformance.gate.places import line_of, split_pointer
from conformance.gate.release import Release, ReleaseError
from conformance.gate.tables import Found, read_tables
from conformance.gate.version import Version
from conformance.schemas import SUFFIX
from conformance.spec_blocks import SpecError
from conformance.spec_check import text_problems
from conformance.spec_text import Spec

CHANGELOG = "CHANGELOG.md"
_TITLE = re.compile(r"# .*\b([0-9]+\.[0-9]+(?:\.[0-9]+)?)\s*")
_SECTION = re.compile(r"^#+ Protocol ([0-9]+\.[0-9]+(?:\.[0-9]+)?)\s*$(.*?)(?=^#|\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Place:
    """A file of the tree, relative to its root, and a line in it, counted from 1."""

    file: str
    line: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Tree:
    """A working tree, read."""

    root: Path
    release: Release
    changes: dict[Version, str]
    _places: dict[str, Place]

    @classmethod
    def read(cls, root: Path, draft: str | None = None) -> Self:
        """Read the tree below a folder, with a draft added to it if wanted.

        Raises ReleaseError when it is no tree of the protocol, or one of its files cannot be read or has problems.
        """
        if not (root / "spec" / "README.md").is_file() or not (root / "schemas").is_dir():
            raise ReleaseError(f"{root}: no tree of the protocol; it has to have spec/README.md and schemas/")
        try:
            spec = Spec.read(root / "spec")
            problems = text_problems(spec)
            if problems:
                raise ReleaseError(f"{problems[0]}; see ipc-conformance spec check, {len(problems)} problems in all")
            rows = read_tables(spec.chapters)
        except SpecError as error:
            raise ReleaseError(str(error)) from None
        documents, vectors = _schemas(root), _vectors(root)
        requirements = {found.id: found for found in spec.requirements()}
        tables: dict[str, Any] = {found.table: {} for found in rows}
        for found in rows:
            tables[found.table][found.key] = found.row
        version = _version(root)
        release = Release(
            version, _with_empty(tables), requirements, documents, {id_: v for id_, (v, _) in vectors.items()}
        )
        places = {f"requirements/{s.id}": _at(root, s.chapter.path, s.paragraph.line) for s in spec.statements}
        places |= {f"tables/{found.table}/{found.key}": _row_place(root, found) for found in rows}
        places |= {f"vectors/{id_}": place for id_, (_, place) in vectors.items()}
        return cls(root, release, _changes(root), places)

    def locate(self, pointer: str) -> Place:
        """Return where a finding's pointer leads: to the thing itself, or to the file it would stand in."""
        known = self._places.get(pointer)
        if known:
            return known
        kind, _, rest = pointer.partition("/")
        if kind == "schemas":
            return self._schema_place(*rest.partition("#")[::2])
        if kind == "vectors":
            return Place(f"schemas/vectors/{rest.partition('/')[0]}.json")
        if kind == "tables":
            name = rest.partition("/")[0]
            return next(
                (p for key, p in self._places.items() if key.startswith(f"tables/{name}/")), Place("spec/README.md")
            )
        if kind == "requirements":
            same = (p for key, p in self._places.items() if key.startswith(pointer.partition("-")[0]))
            return next(same, Place("spec/README.md"))
        return Place(CHANGELOG if kind == "changelog" else "spec/README.md")

    def _schema_place(self, name: str, pointer: str) -> Place:
        file = f"schemas/{name}{SUFFIX}"
        path = self.root / file
        if not path.is_file():
            return Place(file)
        return Place(file, line_of(path.read_text("utf-8"), split_pointer(pointer)))


def _with_empty(tables: dict[str, Any]) -> dict[str, Any]:
    """Add the table of reserved names, which has no rows as long as nothing was removed."""
    return {"reserved": {}, **tables}


def _version(root: Path) -> Version:
    path = root / "spec" / "README.md"
    found = _TITLE.match(path.read_text("utf-8"))
    if not found:
        raise ReleaseError(f"{path}:1: the title does not end with the version of the protocol, such as 1.1")
    return Version.parse(found[1])


def _changes(root: Path) -> dict[Version, str]:
    """Return what the changelog says of each version of the protocol, under headings such as ``Protocol 1.1``."""
    path = root / CHANGELOG
    text = path.read_text("utf-8") if path.is_file() else ""
    return {Version.parse(version): said.strip() for version, said in _SECTION.findall(text)}


def _schemas(root: Path) -> dict[str, Any]:
    paths = sorted((root / "schemas").glob(f"*{SUFFIX}"))
    return {path.name.removesuffix(SUFFIX): _json(path) for path in paths}


def _vectors(root: Path) -> dict[str, tuple[Any, Place]]:
    found: dict[str, tuple[Any, Place]] = {}
    for path in sorted((root / "schemas" / "vectors").glob("*.json")):
        text = path.read_text("utf-8")
        lines = {name: number for number, line in enumerate(text.splitlines(), 1) for name in _ID.findall(line)}
        for vector in _json(path)["vectors"]:
            place = Place(path.relative_to(root).as_posix(), lines.get(vector["id"], 1))
            if vector["id"] in found:
                raise ReleaseError(f"{place}: the vector {vector['id']} is there twice; give one another name")
            found[vector["id"]] = vector, place
    return found


_ID = re.compile(r'"id": "([^"]+)"')


def _json(path: Path) -> Any:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ReleaseError(f"{path}: cannot be read ({error})") from None
    if not isinstance(content, dict):
        raise ReleaseError(f"{path}: not an object")
    return content


def _row_place(root: Path, found: Found) -> Place:
    return _at(root, found.chapter.path, found.line)


def _at(root: Path, path: Path, line: int) -> Place:
    return Place(path.relative_to(root).as_posix(), line)
