"""The subschemas of a schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from referencing.jsonschema import DRAFT202012


def subschemas(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield a schema and all its subschemas, except boolean ones."""
    if isinstance(schema, dict):
        yield schema
        for inner in DRAFT202012.create_resource(schema).subresources():
            yield from subschemas(inner.contents)
