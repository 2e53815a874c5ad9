"""Where two versions of a schema differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from conformance.gate.model.release import Release
from conformance.gate.rules.comparison import Comparison, Part
from conformance.gate.schemas.json_pointer import join_pointer, split_pointer
from conformance.protocol.codec import same
from conformance.protocol.schemas import NAMED, SUFFIX

TEXTS = ("title", "description", "$comment", "examples")
ANNOTATIONS = (*TEXTS, "default", "deprecated")
VALUES = ("const", "enum")
IDENTIFIERS = ("$id", "$schema", "$anchor", "$dynamicAnchor")
_MISSING = object()


def without_texts(schema: Any) -> Any:
    """Return a schema without the keywords that decide nothing."""
    if isinstance(schema, list):
        return [without_texts(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: _of_keyword(name, value) for name, value in schema.items() if name not in ANNOTATIONS}


def _of_keyword(keyword: str, value: Any) -> Any:
    if keyword in NAMED and isinstance(value, dict):
        return {name: without_texts(each) for name, each in value.items()}
    return value if keyword in VALUES else without_texts(value)


def differing_places(comparison: Comparison, old: Part, new: Part) -> Iterator[str]:
    """Find where the schemas that a part of a message is made of differ, as pointers of findings."""
    roots = dict.fromkeys([*reachable(comparison.old, old.reference), *reachable(comparison.new, new.reference)])
    for name in dict.fromkeys(root.partition("#")[0] for root in roots):
        inside = [root.partition("#")[2] for root in roots if root.partition("#")[0] == name]
        for pointer in shape_differences(comparison, name):
            is_inside = any(pointer == root or pointer.startswith(f"{root}/") or root == "" for root in inside)
            if is_inside and pointer.rpartition("/")[2] not in IDENTIFIERS:
                yield f"schemas/{name}#{pointer}"


def shape_differences(comparison: Comparison, name: str) -> list[str]:
    """Return the pointers at which the two versions of a schema file differ, its texts and annotations aside."""
    if name not in comparison.shape_differences:
        before, after = (without_texts(release.schemas.get(name)) for release in (comparison.old, comparison.new))
        comparison.shape_differences[name] = list(differences(before, after))
    return comparison.shape_differences[name]


def differences(before: Any, after: Any, pointer: str = "") -> Iterator[str]:
    """Find the pointers at which two JSON values differ, the deepest ones."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys([*before, *after]):
            inside = f"{pointer}{join_pointer(name)}"
            yield from differences(before.get(name, _MISSING), after.get(name, _MISSING), inside)
    elif not same(before, after):
        yield pointer


def reachable(release: Release, reference: str) -> list[str]:
    """Return the schema of that name and all that it refers to, as names with pointers."""
    found: list[str] = []
    waiting = [reference if "#" in reference else f"{reference}#"]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        found.append(current)
        name, _, pointer = current.partition("#")
        waiting += [
            absolute(name, target)
            for target in _references(value_at(release.schemas.get(name), split_pointer(pointer)))
        ]
    return found


def value_at(schema: Any, tokens: list[str]) -> Any:
    """Return what is at a place in a schema, None when nothing is."""
    for token in tokens:
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
    """Return the schema that a reference in another one leads to, as a name with a pointer."""
    file, _, pointer = target.partition("#")
    return f"{file.rpartition('/')[2].removesuffix(SUFFIX) or name}#{pointer}"
