"""The promises of a protocol version as data, and their permanent file in ``spec/releases``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Self

import jsonschema_rs

from conformance.gate.model.spec_table import Table
from conformance.gate.model.version import Version
from conformance.protocol import schemas
from conformance.protocol.requirements import Requirement

SCHEMA_ID = f"{schemas.BASE}tools/release{schemas.SUFFIX}"
PARTS = ("tables", "requirements", "schemas", "vectors")
FOLDER = "releases"


class ReleaseError(ValueError):
    """A release cannot be read; the message says on one line which one and why."""


@dataclass(frozen=True, slots=True)
class Release:
    """Everything that the gate compares.

    Attributes:
        version: the version of the protocol.
        tables: the spec's marked tables by name; their rows by key.
        requirements: by id, in the spec's order.
        schemas: the wire schemas by file name without ``.schema.json``.
        vectors: the golden vectors by id, as their files have them.
    """

    version: Version
    tables: dict[str, Table]
    requirements: dict[str, Requirement]
    schemas: dict[str, Any]
    vectors: dict[str, Any]

    def to_json(self) -> str:
        """Return the text of the release's file. Equal releases have equal texts; most entries take one line."""
        parts = self._parts()
        head = {"$schema": SCHEMA_ID, "version": str(self.version), "sha256": _digest(parts)}
        return "\n".join(_lines(head, parts)) + "\n"

    @classmethod
    def from_json(cls, text: str, name: str) -> Self:
        """Read the text of a release's file.

        Args:
            text: the text.
            name: its origin, for the error.

        Raises:
            ReleaseError: it does not have the form of a release, or was changed after it was written.
        """
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ReleaseError(f"{name}: not JSON ({error})") from None
        try:
            wrong = _problem(content)
        except UnicodeEncodeError:
            wrong = "not JSON that every parser reads the same way (half of a surrogate pair)"
        if wrong:
            raise ReleaseError(f"{name}: {wrong}")
        parts = {part: content[part] for part in PARTS}
        try:
            version = Version.parse(content["version"])
        except ValueError as error:
            raise ReleaseError(f"{name}: not a release: {error}") from None
        return cls(
            version,
            parts["tables"],
            {entry["id"]: Requirement(**entry) for entry in parts["requirements"]},
            parts["schemas"],
            {entry["id"]: entry for entry in parts["vectors"]},
        )

    def _parts(self) -> dict[str, Any]:
        return {
            "tables": {name: dict(sorted(rows.items())) for name, rows in sorted(self.tables.items())},
            "requirements": [asdict(self.requirements[id_]) for id_ in sorted(self.requirements)],
            "schemas": dict(sorted(self.schemas.items())),
            "vectors": [self.vectors[id_] for id_ in sorted(self.vectors)],
        }


def _problem(content: Any) -> str | None:
    """Return why the content of a file is not that of a release, or None. Raises UnicodeEncodeError."""
    wrong = None if _has_form(content) else schemas.problem("tools/release", content)
    if wrong:
        return f"not a release: {wrong}"
    if _digest({part: content[part] for part in PARTS}) == content["sha256"]:
        return None
    return (
        "changed after it was released (its content does not match its digest); restore the file, "
        "a release is never edited"
    )


def _has_form(content: Any) -> bool:
    """Return true if a fast validator accepts the content. If it does not, a slower one explains why."""
    return jsonschema_rs.Draft202012Validator(schemas.whole("tools/release")).is_valid(content)


def _digest(parts: dict[str, Any]) -> str:
    """Return the digest of a release's content, independent of its layout."""
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _lines(head: dict[str, str], parts: dict[str, Any]) -> Iterator[str]:
    yield "{"
    yield from (f"{_text(name)}: {_text(value)}," for name, value in head.items())
    yield '"tables": {'
    yield from _listed(f"{_text(name)}: {{\n{_rows(rows)}\n}}" for name, rows in parts["tables"].items())
    yield '},\n"requirements": ['
    yield from _listed(map(_text, parts["requirements"]))
    yield '],\n"schemas": {'
    yield from _listed(
        f"{_text(name)}: {json.dumps(schema, ensure_ascii=False, indent=1)}"
        for name, schema in parts["schemas"].items()
    )
    yield '},\n"vectors": ['
    yield from _listed(map(_text, parts["vectors"]))
    yield "]\n}"


def _rows(rows: Table) -> str:
    return "\n".join(_listed(f"{_text(key)}: {_text(row)}" for key, row in rows.items()))


def _listed(items: Iterator[str]) -> Iterator[str]:
    """Add a comma to each item except the last."""
    items = iter(items)
    previous = next(items, None)
    for item in items:
        yield f"{previous},"
        previous = item
    if previous is not None:
        yield previous


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
