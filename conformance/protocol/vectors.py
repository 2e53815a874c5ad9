"""The golden vectors, as data."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Vector:
    """One golden vector: a body, and the outcome on any server.

    Attributes:
        id: ``topic/name``.
        description: one sentence.
        requirements: the rules that decide the outcome.
        profile: the profile that the server must announce; None for the core.
        state: the connection's state when the body arrives, ``open`` or ``awaiting_connect``.
        connection_id: the id that the body relies on, if any.
        body: the octets.
        expect: the outcome, as in the file.
    """

    id: str
    description: str
    requirements: tuple[str, ...]
    profile: str | None
    state: str
    connection_id: str | None
    body: bytes
    expect: dict[str, Any]


def load() -> list[Vector]:
    """Return all golden vectors, file by file."""
    folder = files("ipc_schemas") / "vectors"
    texts = [file.read_text("utf-8") for file in sorted(folder.iterdir(), key=lambda file: file.name)]
    return [vector for text in texts for vector in of_entries(json.loads(text)["vectors"])]


def of_entries(entries: Iterable[dict[str, Any]]) -> list[Vector]:
    """Return the vectors of the entries of such a file."""
    return [_vector(entry) for entry in entries]


def _vector(entry: dict[str, Any]) -> Vector:
    body = entry["body"]
    return Vector(
        entry["id"],
        entry["description"],
        tuple(entry["requirements"]),
        entry.get("profile"),
        entry["state"],
        entry.get("connection_id"),
        bytes.fromhex(body["hex"]) if "hex" in body else body["text"].encode(),
        entry["expect"],
    )
