"""Where the members of messages stand in the schema files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from conformance.gate.schemas.json_pointer import join_pointer, split_pointer
from conformance.gate.schemas.references import absolute, value_at

_STEP = re.compile(r"[^.\[]+|\[\]")
_IN_PLACE = ("allOf", "oneOf", "anyOf")


def place_of_member(schemas: Mapping[str, Any], reference: str, path: str) -> str:
    """Return the name and pointer of a member, or of the nearest object around it that exists.

    Args:
        schemas: the schemas by name.
        reference: the schema of the message, as a name or a name with a pointer.
        path: the path of the member, such as ``jobs[].id``.
    """
    place = reference if "#" in reference else f"{reference}#"
    for step in _STEP.findall(path):
        inside = ("items",) if step == "[]" else ("properties", step)
        found = next((each for each in _same(schemas, place) if _at(schemas, each, inside) is not None), None)
        if found is None:
            around = (each for each in _same(schemas, place) if _at(schemas, each, inside[:1]) is not None)
            return next((f"{each}{join_pointer(inside[0])}" for each in around), place)
        place = f"{found}{join_pointer(*inside)}"
    return place


def _same(schemas: Mapping[str, Any], place: str) -> Iterator[str]:
    """Find the places of the schemas that apply to the same value as the one at a place."""
    waiting, seen = [place], set()
    while waiting:
        current = waiting.pop(0)
        schema = _at(schemas, current)
        if current in seen or not isinstance(schema, dict):
            continue
        seen.add(current)
        yield current
        if isinstance(schema.get("$ref"), str):
            waiting.append(absolute(current.partition("#")[0], schema["$ref"]))
        for key in _IN_PLACE:
            waiting += [f"{current}{join_pointer(key, number)}" for number in range(len(schema.get(key, [])))]


def _at(schemas: Mapping[str, Any], place: str, further: tuple[str, ...] = ()) -> Any:
    name, _, pointer = place.partition("#")
    return value_at(schemas.get(name), [*split_pointer(pointer), *further])
