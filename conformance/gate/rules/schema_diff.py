"""Where two versions of a schema differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from conformance.gate.rules.comparison import Comparison, Part
from conformance.gate.schemas.json_pointer import join_pointer
from conformance.protocol.codec import same
from conformance.protocol.schemas import NAMED

TEXTS = ("title", "description", "$comment", "examples")
ANNOTATIONS = (*TEXTS, "default", "deprecated")
VALUES = ("const", "enum")
IDENTIFIERS = ("$id", "$schema", "$anchor", "$dynamicAnchor")
_SETS = ("required", "enum", "type")
"""Keywords with a list whose order means nothing."""
_PLAIN = ("const", "default", "examples")
_MISSING = object()


def without_texts(schema: Any) -> Any:
    """Return a schema without the keywords that have no effect on validation."""
    if isinstance(schema, list):
        return [without_texts(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: _of_keyword(name, value) for name, value in schema.items() if name not in ANNOTATIONS}


def is_same_set(before: Any, after: Any) -> bool:
    """Return true if two values are lists of the same elements in any order."""
    if not isinstance(before, list) or not isinstance(after, list) or len(before) != len(after):
        return False
    return all(sum(same(each, one) for one in before) == sum(same(each, one) for one in after) for each in before)


def _of_keyword(keyword: str, value: Any) -> Any:
    if keyword in NAMED and isinstance(value, dict):
        return {name: without_texts(each) for name, each in value.items()}
    return value if keyword in VALUES else without_texts(value)


def differing_places(comparison: Comparison, old: Part, new: Part) -> Iterator[str]:
    """Find the differences between the schemas of a part of a message, as pointers of findings."""
    roots = dict.fromkeys(
        [*comparison.old_views.reachable(old.reference), *comparison.new_views.reachable(new.reference)]
    )
    for name in dict.fromkeys(root.partition("#")[0] for root in roots):
        inside = [root.partition("#")[2] for root in roots if root.partition("#")[0] == name]
        for pointer in shape_differences(comparison, name):
            is_inside = any(pointer == root or pointer.startswith(f"{root}/") or root == "" for root in inside)
            if is_inside and pointer.rpartition("/")[2] not in IDENTIFIERS:
                yield f"schemas/{name}#{pointer}"


def shape_differences(comparison: Comparison, name: str) -> list[str]:
    """Return the pointers at which two versions of a schema file differ, except in texts and annotations."""
    if name not in comparison.shape_differences:
        found: list[str] = []
        if name in comparison.changed_schemas:
            before, after = (without_texts(release.schemas.get(name)) for release in (comparison.old, comparison.new))
            found = list(differences(before, after))
        comparison.shape_differences[name] = found
    return comparison.shape_differences[name]


def differences(before: Any, after: Any, pointer: str = "", *, is_schema: bool = True) -> Iterator[str]:
    """Find the deepest pointers at which two schemas differ.

    Args:
        before: a schema, or a value in one.
        after: another one.
        pointer: the place of both.
        is_schema: false inside plain values, such as defaults, in which the order of every list counts.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys([*before, *after]):
            inside = f"{pointer}{join_pointer(name)}"
            values = before.get(name, _MISSING), after.get(name, _MISSING)
            if not (is_schema and name in _SETS and is_same_set(*values)):
                yield from differences(*values, inside, is_schema=is_schema and name not in _PLAIN)
    elif not same(before, after):
        yield pointer
