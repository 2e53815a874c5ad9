"""Two versions of the protocol side by side: the input of every rule."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from conformance.gate.inputs.table_columns import PARTS
from conformance.gate.model.findings import other_role
from conformance.gate.model.release import Release
from conformance.gate.model.spec_table import Row
from conformance.gate.schemas.json_pointer import split_pointer
from conformance.gate.schemas.references import value_at
from conformance.gate.schemas.views import Views, closed
from conformance.protocol.codec import same

ENVELOPE = "envelope"
CONNECTION_ID = "common#/$defs/connection_id"


@dataclass(frozen=True)
class Part:
    """A part of a message that has a schema.

    Attributes:
        key: the row's key in the table.
        table: ``messages`` or ``envelopes``.
        column: ``payload``, ``answer`` or ``schema``.
        row: the row.
    """

    table: str
    key: str
    column: str
    row: Row

    @property
    def reference(self) -> str:
        """The schema's name in the table."""
        return self.row[self.column]

    @property
    def sender(self) -> str:
        """The role that sends it, or nothing if both may."""
        sender = self.row.get("from", "")
        return other_role(sender) if self.column == "answer" and sender else sender

    @property
    def title(self) -> str:
        """Its name in findings."""
        what = {"payload": "", "answer": ", its answer", "schema": ", whole"}[self.column]
        where = f" on {self.row['channel']}" if self.row.get("channel", "any") != "any" else ""
        return f"{self.row['message']}{where}{what}"


class Comparison:
    """The old version and the new one, the views of their schemas, and the bodies of golden vectors to try."""

    def __init__(self, old: Release, new: Release) -> None:
        self.old, self.new = old, new
        self.old_views, self.new_views = Views.of(old), Views.of(new)
        self.shape_differences: dict[str, list[str]] = {}  # of compared files, so that each finding appears once

    @cached_property
    def changed_schemas(self) -> frozenset[str]:
        """The names of the schemas that differ in any way, or that only one version has."""
        old, new = (
            {name: json.dumps(schema) for name, schema in release.schemas.items()} for release in (self.old, self.new)
        )
        return frozenset(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))

    @cached_property
    def changed_vectors(self) -> frozenset[str]:
        """The ids of the golden vectors that differ, or that only one version has."""
        old, new = self.old.vectors, self.new.vectors
        return frozenset(id_ for id_ in old.keys() | new.keys() if not same(old.get(id_), new.get(id_)))

    def parts(self) -> Iterator[tuple[Part, Part]]:
        """Find the parts of messages in both versions, and the envelope of all messages."""
        if ENVELOPE in self.old.schemas and ENVELOPE in self.new.schemas:
            row = {"message": "any message", "schema": ENVELOPE}
            yield (Part("envelopes", ENVELOPE, "schema", row),) * 2
        for table, columns in PARTS.items():
            old, new = self.old.tables[table], self.new.tables[table]
            for key, row in old.items():
                for column in columns:
                    if key in new and row.get(column) and new[key].get(column):
                        yield Part(table, key, column, row), Part(table, key, column, new[key])

    def sender(self, views: Views, part: Part) -> Any:
        """Return the sender's view of a part of a message, with the ``connection_id`` that clients add (REQ-006)."""
        schema = views.receiver(part.reference)
        is_request = part.column == "payload" and part.row.get("type") == "request" and part.row["from"] == "client"
        if is_request and self._has_connection_ids and isinstance(schema, dict) and "properties" in schema:
            added = {"connection_id": views.receiver(CONNECTION_ID)}
            schema = {**schema, "properties": {**added, **schema["properties"]}}
        return closed(schema)

    @cached_property
    def _has_connection_ids(self) -> bool:
        """True if both versions define what clients add to requests; other protocols may not."""
        name, _, pointer = CONNECTION_ID.partition("#")
        documents = (release.schemas.get(name) for release in (self.old, self.new))
        return all(value_at(document, split_pointer(pointer)) is not None for document in documents)

    @cached_property
    def bodies(self) -> list[dict[str, Any]]:
        """The messages in the golden vectors of both versions that are JSON objects."""
        vectors = {**self.old.vectors, **self.new.vectors}.values()
        found = (_message(vector["body"]) for vector in vectors)
        return [message for message in found if message is not None]

    def examples(self, column: str) -> list[Any]:
        """Return the values that golden vectors have for a column of the tables."""
        if column == "schema":
            return list(self.bodies)
        return [message["payload"] for message in self.bodies if isinstance(message.get("payload"), dict)]

    def added_names(self) -> set[str]:
        """Return the names of messages, channels, members, codes and profiles that only the new version has."""
        return _names(self.new) - _names(self.old)


def _message(body: dict[str, str]) -> dict[str, Any] | None:
    try:
        octets = bytes.fromhex(body["hex"]) if "hex" in body else body["text"].encode()
        message = json.loads(octets.decode("utf-8"), parse_constant=_refuse)
        json.dumps(message, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def _refuse(name: str) -> None:
    raise ValueError(name)


def _names(release: Release) -> set[str]:
    columns = {"messages": ("message", "channel"), "error-codes": ("code",), "profiles": ("profile",)}
    named = {
        row[column] for table, wanted in columns.items() for row in release.tables[table].values() for column in wanted
    }
    return named | {name for schema in release.schemas.values() for name in _members(schema)}


def _members(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for each in schema:
            yield from _members(each)
    elif isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            yield from schema["properties"]
        for each in schema.values():
            yield from _members(each)
