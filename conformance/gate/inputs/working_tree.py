"""A working tree as the gate reads it: the spec's text, the schemas, the vectors and the changelog."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import jsonschema_rs

from conformance.gate.inputs.descriptions import MEMBERS, TERMS, read_descriptions
from conformance.gate.inputs.spec_tables import Found, read_tables
from conformance.gate.inputs.strict_json import parse_object, read_object, read_text
from conformance.gate.inputs.table_columns import FILLED, KEYS, PARTS
from conformance.gate.model.release import FOLDER, Release, ReleaseError
from conformance.gate.model.spec_table import Table
from conformance.gate.model.version import Version
from conformance.gate.schemas.json_pointer import join_pointer, line_of, split_pointer
from conformance.gate.schemas.keywords import schema_problem
from conformance.gate.schemas.member_places import place_of_member
from conformance.gate.schemas.views import Views
from conformance.protocol.schemas import SUFFIX
from conformance.specification.checks import text_problems
from conformance.specification.markdown import SpecError, chapter_files, read_chapter
from conformance.specification.statements import Spec, statements

CHANGELOG = "CHANGELOG.md"
_TITLE = re.compile(r"# .*\s([0-9]+\.[0-9]+(?:\.[0-9]+)?)\s*\n")
_SECTION = re.compile(r"^#+ Protocol ([0-9]+\.[0-9]+(?:\.[0-9]+)?)\s*$(.*?)(?=^#|\Z)", re.MULTILINE | re.DOTALL)
_FILES = {"releases": f"spec/{FOLDER}/{{}}.json", "vectors": "schemas/vectors/{}.json"}
"""The files of findings about releases, and about vectors that are gone."""


@dataclass(frozen=True, slots=True)
class Place:
    """A file of the tree, relative to its root, and a line in it, counted from 1."""

    file: str
    line: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Tree:
    """A working tree, read.

    Attributes:
        root: its folder.
        release: the protocol that it promises.
        changes: the text of the changelog for each version of the protocol.
    """

    root: Path
    release: Release
    changes: dict[Version, str]
    _places: dict[str, Place]

    @classmethod
    def read(cls, root: Path, draft: Path | None = None) -> Self:
        """Read the tree below a folder.

        Args:
            root: the folder.
            draft: the folder of a draft to add; its README then states the version and the changes.

        Raises:
            ReleaseError: it is not a tree of the protocol, or one of its files cannot be read or has problems.
        """
        if not is_tree(root):
            raise ReleaseError(
                f"{root}: not a tree of the protocol; it must have spec/README.md and schemas/ (--tree names another "
                "folder; ipc-conformance gate init DIR writes a tree)"
            )
        added = [_draft_folder(root, draft)] if draft else []
        spec, rows = _spec(root, added)
        files = {path.name.removesuffix(SUFFIX): path for path in _found(root, added, f"*{SUFFIX}")}
        vectors = _vectors(root, _found(root, added, "vectors/*.json"))
        tables: dict[str, Table] = {name: {} for name in (*KEYS, TERMS, MEMBERS)}
        for found in rows:
            tables[found.table][found.key] = dict.fromkeys(FILLED.get(found.table, ()), "") | found.row
        release = Release(
            version=_version((added or [root / "spec"])[0] / "README.md"),
            tables=tables,
            requirements={found.id: found for found in spec.requirements()},
            schemas=_schemas(list(files.values())),
            vectors={id_: vector for id_, (vector, _) in vectors.items()},
        )
        places = {
            f"requirements/{each.id}": _at(root, each.chapter.path, each.paragraph.line) for each in spec.statements
        }
        places |= {f"tables/{found.table}/{found.key}": _at(root, found.chapter.path, found.line) for found in rows}
        places |= {f"vectors/{id_}": place for id_, (_, place) in vectors.items()}
        places |= {f"schemas/{name}": _at(root, path) for name, path in files.items()}
        _refuse_dangling(release, places)
        return cls(root, release, _changes([root / CHANGELOG, *(folder / "README.md" for folder in added)]), places)

    def locate(self, pointer: str) -> Place:
        """Return the place of a finding's pointer: of the thing itself, or of the file that would contain it."""
        kind, _, rest = pointer.partition("/")
        if kind == "members":
            reference, _, path = rest.partition(":")
            kind, rest = "schemas", place_of_member(self.release.schemas, reference, path)
        if kind == "schemas":
            return self._schema_place(rest)
        if pointer in self._places:
            return self._places[pointer]
        if kind == "changelog":
            return Place(CHANGELOG, self._changelog_line())
        if kind in _FILES:
            return Place(_FILES[kind].format(rest.partition("/")[0] if kind == "vectors" else rest))
        beginning = pointer.partition("-")[0] if kind == "requirements" else f"{'/'.join(pointer.split('/')[:2])}/"
        near = (place for key, place in self._places.items() if key.startswith(beginning))
        return next(near, Place("spec/README.md"))

    def _changelog_line(self) -> int:
        """Return the line of the section about the tree's version, or of the first section, or the first line."""
        path = self.root / CHANGELOG
        text = read_text(path) if path.is_file() else ""
        found = list(_SECTION.finditer(text))
        own = [each for each in found if Version.parse(each[1]) == self.release.version]
        return text.count("\n", 0, (own or found)[0].start()) + 1 if found else 1

    def _schema_place(self, reference: str) -> Place:
        name, _, pointer = reference.partition("#")
        known = self._places.get(f"schemas/{name}")
        if known is None:
            return Place(f"schemas/{name}{SUFFIX}")
        return Place(known.file, line_of((self.root / known.file).read_text("utf-8"), split_pointer(pointer)))


def is_tree(folder: Path) -> bool:
    """Return true if a folder has the parts without which nothing is a tree."""
    return (folder / "spec" / "README.md").is_file() and (folder / "schemas").is_dir()


def _refuse_dangling(release: Release, places: dict[str, Place]) -> None:
    """Raise ReleaseError if a schema or a table refers to something that does not exist."""
    views = Views.of(release)
    for name in release.schemas:
        views.receiver(name)
    for table, columns in PARTS.items():
        for key, row in release.tables[table].items():
            where = places[f"tables/{table}/{key}"]
            for column in columns:
                _view(views, row.get(column), f"{where}: {column}")
            profile = row.get("profile")
            if profile and profile not in release.tables["profiles"]:
                raise ReleaseError(f"{where}: the profile {profile} is not in the table of profiles")


def _view(views: Views, reference: str | None, where: str) -> None:
    if reference:
        try:
            views.receiver(reference)
        except ReleaseError as error:
            raise ReleaseError(f"{where} {reference!r} is not a schema ({error})") from None


def _draft_folder(root: Path, draft: Path) -> Path:
    if not (draft / "README.md").is_file():
        raise ReleaseError(f"{draft}: not a draft; it must have a README.md")
    folder, top = draft.resolve(), root.resolve()
    if not folder.is_relative_to(top):
        raise ReleaseError(f"{draft}: outside the tree {root}; a draft must be a folder below spec/drafts/")
    return root / folder.relative_to(top)


def _spec(root: Path, added: list[Path]) -> tuple[Spec, list[Found]]:
    try:
        for path in (root / "spec" / "README.md", *chapter_files(root / "spec")):
            read_text(path)
        spec = Spec.read(root / "spec")
        chapters = [read_chapter(path) for folder in added for path in chapter_files(folder)]
        found = [statement for chapter in chapters for statement in statements(chapter)]
        spec = replace(spec, chapters=[*spec.chapters, *chapters], statements=[*spec.statements, *found])
        problems = text_problems(spec)
        if problems:
            further = f" (and {len(problems) - 1} more; ipc-conformance spec check lists them)" if problems[1:] else ""
            raise ReleaseError(f"{problems[0]}{further}")
        read = [spec.readme, *spec.chapters]
        return spec, [*read_tables(read), *read_descriptions(read)]
    except SpecError as error:
        raise ReleaseError(str(error)) from None


def _found(root: Path, added: list[Path], pattern: str) -> list[Path]:
    """Return the files of the schemas folder, then those that a draft adds or replaces."""
    return [path for folder in (root, *added) for path in sorted((folder / "schemas").glob(pattern))]


def _version(path: Path) -> Version:
    found = _TITLE.match(read_text(path))
    if not found:
        raise ReleaseError(f"{path}:1: the title does not end with the version of the protocol, such as 1.1")
    return _parsed(path, found[1])


def _parsed(path: Path, version: str) -> Version:
    try:
        return Version.parse(version)
    except ValueError as error:
        raise ReleaseError(f"{path}: {error}") from None


def _changes(paths: list[Path]) -> dict[Version, str]:
    """Return the text about each version of the protocol, below headings such as ``Protocol 1.1``."""
    texts = [(path, read_text(path)) for path in paths if path.is_file()]
    return {_parsed(path, version): said.strip() for path, text in texts for version, said in _SECTION.findall(text)}


def _vectors(root: Path, paths: list[Path]) -> dict[str, tuple[Any, Place]]:
    found: dict[str, tuple[Any, Place]] = {}
    for path in paths:
        text = read_text(path)
        lines = {name: number for number, line in enumerate(text.splitlines(), 1) for name in _ID.findall(line)}
        file = _inside(root, path)
        for vector in _listed(parse_object(text, str(path)), path):
            place = Place(file, lines.get(vector["id"], 1))
            if vector["id"] in found:
                raise ReleaseError(f"{place}: the vector {vector['id']} exists twice; rename one")
            found[vector["id"]] = vector, place
    return found


_ID = re.compile(r'"id": "([^"]+)"')


def _listed(content: dict[str, Any], path: Path) -> list[Any]:
    """Return the vectors of a file, with the members that the rules need."""
    error = next(_VECTORS.iter_errors(content), None)
    if error is not None:
        place = join_pointer(*error.instance_path) or "the root"
        raise ReleaseError(f"{path}: {error.message[:200]} (at {place}); see schemas/tools/vectors{SUFFIX}")
    return list(content["vectors"])


_TEXT = {"type": "string", "minLength": 1}
_VECTOR = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("id", "description", "state", "profile", "connection_id"), _TEXT),
        "requirements": {"type": "array", "items": _TEXT, "minItems": 1},
        "body": {
            "type": "object",
            "properties": {"text": {"type": "string"}, "hex": {"type": "string", "pattern": "^([0-9a-fA-F]{2})*$"}},
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": False,
        },
        "expect": {
            "type": "object",
            "properties": {
                **dict.fromkeys(("outcome", "code", "answer", "app_id", "channel_id"), _TEXT),
                "fatal": {"type": "boolean"},
                "reply_to": {"type": ["string", "null"]},
            },
            "required": ["outcome"],
        },
    },
    "required": ["id", "description", "requirements", "state", "body", "expect"],
    "additionalProperties": False,
}
_VECTORS = jsonschema_rs.Draft202012Validator(
    {"type": "object", "properties": {"vectors": {"type": "array", "items": _VECTOR}}, "required": ["vectors"]}
)
"""The schema tools/vectors without its lists of names, which a tree may extend."""


def _schemas(paths: list[Path]) -> dict[str, Any]:
    """Read schemas, and check that each can be judged and that every reference resolves."""
    found: dict[str, Any] = {}
    places: dict[str, Path] = {}
    for path in paths:
        content, name = read_object(path), path.name.removesuffix(SUFFIX)
        wrong = schema_problem(content)
        if wrong:
            raise ReleaseError(f"{path}: {wrong}")
        if not isinstance(content.get("$id"), str):
            raise ReleaseError(f"{path}: no $id; every schema of the protocol must have one")
        other = places.setdefault(content["$id"], path)
        if other.name != path.name:
            raise ReleaseError(f"{path}: has the same $id as {other.name}; give every schema its own")
        found[name] = content
    return found


def _at(root: Path, path: Path, line: int = 1) -> Place:
    return Place(_inside(root, path), line)


@lru_cache(maxsize=256)
def _inside(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()
