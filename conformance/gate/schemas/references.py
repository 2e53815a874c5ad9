"""References between schemas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from conformance.gate.schemas.json_pointer import split_pointer
from conformance.protocol.schemas import SUFFIX


def reachable(schemas: Mapping[str, Any], reference: str) -> list[str]:
    """Return the schema of that name and all schemas that it refers to, as names with pointers."""
    found: list[str] = []
    waiting = [reference if "#" in reference else f"{reference}#"]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        found.append(current)
        name, _, pointer = current.partition("#")
        waiting += [
            absolute(name, target) for target in _references(value_at(schemas.get(name), split_pointer(pointer)))
        ]
    return found


def is_recursive(schemas: Mapping[str, Any], reference: str) -> bool:
    """Return true if a schema refers to itself, directly or through others; references by anchor are not followed."""
    done: set[str] = set()
    path: list[str] = []
    waiting = [(reference if "#" in reference else f"{reference}#", 0)]
    while waiting:
        current, depth = waiting.pop()
        del path[depth:]
        if current in path:
            return True
        if current in done:
            continue
        path.append(current)
        done.add(current)
        name, _, pointer = current.partition("#")
        targets = (absolute(name, each) for each in _references(value_at(schemas.get(name), split_pointer(pointer))))
        waiting += [(each, depth + 1) for each in targets if each.partition("#")[2][:1] in ("", "/")]
    return False


def value_at(schema: Any, tokens: list[str]) -> Any:
    """Return the value at a place in a schema, or None if there is none."""
    for token in tokens:
        if isinstance(schema, list) and token.isdecimal() and int(token) < len(schema):
            schema = schema[int(token)]
        else:
            schema = schema.get(token) if isinstance(schema, dict) else None
    return schema


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for each in schema:
            yield from _references(each)
    elif isinstance(schema, dict):
        for name, value in schema.items():
            if name == "$ref" and isinstance(value, str):
                yield value
            elif name != "$defs":
                yield from _references(value)


def absolute(name: str, target: str) -> str:
    """Return the schema that a reference in another schema leads to, as a name with a pointer."""
    file, _, pointer = target.partition("#")
    return f"{file.rpartition('/')[2].removesuffix(SUFFIX) or name}#{pointer}"
