"""Values at the edges of a schema: those that a changed bound, list or pattern newly accepts or refuses.

They need not be valid: the validators check each value in the search for a witness.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import islice
from typing import Any

import jsonschema_rs

ANYTHING: tuple[Any, ...] = (None, True, False, 0, 1, -1, 1.5, "", "x", "1.0", [], ["x"], {}, {"further": "x"})
MOST = 400
"""Samples of one schema; more would cost more than they find."""
MOST_BRANCHES = 48
_EXACT = 2**53
LONGEST = 70_000
"""Characters of a string, elements of an array."""
TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")

Parts = list[dict[str, Any]]
_IN_PLACE = ("allOf", "oneOf", "anyOf", "if", "then", "else")


def samples(schema: Any) -> list[Any]:
    """Return at most :data:`MOST` values at the edges of a schema without references, simple ones first."""
    return list(_samples_of_text(json.dumps(schema)))


@lru_cache(maxsize=128)  # each side of a comparison is asked for in several questions
def _samples_of_text(text: str) -> tuple[Any, ...]:
    return tuple(islice(_samples(json.loads(text)), MOST))


def branches(schema: Any) -> list[Parts]:
    """Return the ways to fulfil a schema, each as a list of plain schemas that must all hold."""
    if not isinstance(schema, dict):
        return [[]]
    found: list[Parts] = [[{key: value for key, value in schema.items() if key not in _IN_PLACE}]]
    for each in schema.get("allOf", []):
        found = _combine(found, branches(each))
    for key in ("oneOf", "anyOf"):
        if schema.get(key):
            found = _combine(found, [branch for each in schema[key] for branch in branches(each)])
    if "if" in schema:
        met = _combine(branches(schema["if"]), branches(schema.get("then", True)))
        found = _combine(found, [*branches(schema.get("else", True)), *met])
    return found


def _combine(left: list[Parts], right: list[Parts]) -> list[Parts]:
    return [first + second for first in left for second in right][:MOST_BRANCHES]


def _samples(schema: Any) -> Iterator[Any]:
    ways = branches(schema)
    turns = [_of_parts(parts) for parts in ways]
    while turns:  # in turn: each way gets its share
        for turn in list(turns):
            taken = list(islice(turn, 8))
            yield from taken
            if len(taken) < 8:
                turns.remove(turn)


def _of_parts(parts: Parts) -> Iterator[Any]:
    fixed = [value for part in parts for value in part.get("enum", [part["const"]] if "const" in part else [])]
    yield from fixed
    types = _types(parts)
    if not fixed:
        if "object" in types and _names(parts):
            yield from _objects(parts)
        if "array" in types and any("items" in part or "maxItems" in part for part in parts):
            yield from _arrays(parts)
        if "string" in types:
            yield from _strings(parts)
        if {"integer", "number"} & types:
            yield from _numbers(parts)
    for part in parts:
        if isinstance(part.get("not"), dict):
            yield from samples(part["not"])
    yield from (value for value in ANYTHING if fixed or not types or _type_of(value) & types)


def _types(parts: Parts) -> set[str]:
    declared = [part["type"] for part in parts if "type" in part]
    names = [{each} if isinstance(each, str) else set(each) for each in declared]
    return set.intersection(*names) if names else set(TYPES)


def _type_of(value: Any) -> set[str]:
    if value is None:
        return {"null"}
    if isinstance(value, bool):
        return {"boolean"}
    if isinstance(value, int):
        return {"integer", "number"}
    kinds: dict[type, str] = {float: "number", str: "string", list: "array", dict: "object"}
    return {kinds[type(value)]}


def _names(parts: Parts) -> list[str]:
    return list(
        dict.fromkeys(name for part in parts for name in [*part.get("properties", {}), *part.get("required", [])])
    )


def _objects(parts: Parts) -> Iterator[dict[str, Any]]:
    values = {name: _member_samples(parts, name) for name in _names(parts)}
    required = {name for part in parts for name in part.get("required", [])}
    least = {name: values[name][0] for name in values if name in required}
    whole = {name: each[0] for name, each in values.items()}
    yield from (least, whole)
    for name in values:
        yield {other: value for other, value in whole.items() if other != name}
        yield {other: value for other, value in least.items() if other != name}
    yield whole | {"further": "x"}
    for number in range(max(map(len, values.values()), default=0)):
        yield from (least | {name: each[number]} for name, each in values.items() if number < len(each))


def _member_samples(parts: Parts, name: str) -> list[Any]:
    """Return samples of a member, the first of them valid if any is."""
    schema = all_of([part["properties"][name] for part in parts if name in part.get("properties", {})])
    found = samples(schema)
    accepts = validator(schema)
    return sorted(found, key=lambda value: not accepts.is_valid(value)) or [None]


def _arrays(parts: Parts) -> Iterator[list[Any]]:
    schema = all_of([part["items"] for part in parts if "items" in part])
    found = samples(schema)
    accepts = validator(schema)
    good = [value for value in found if accepts.is_valid(value)] or [None]
    yield from ([], good[:1], good[:1] * 2, good[:3])
    for bound in _bounds(parts, "minItems", "maxItems"):
        yield (good * (bound // len(good) + 1))[:bound]
        yield good[:1] * bound
    yield from ([value] for value in found)


def _strings(parts: Parts) -> Iterator[str]:
    for part in parts:
        for pattern in (part.get("pattern"), _pattern_of(part.get("not"))):
            if pattern is not None:
                yield from strings_of(pattern)
    yield from ("x", "", "1.0", "é", "\x00", "x\n", "X y")
    for bound in _bounds(parts, "minLength", "maxLength"):
        yield "x" * bound


def _pattern_of(schema: Any) -> str | None:
    return schema.get("pattern") if isinstance(schema, dict) else None


@cache
def strings_of(pattern: str) -> tuple[str, ...]:
    """Return a few strings that match a pattern, and a few that contain a match."""
    from conformance.gate.schemas.pattern_strings import strings_near  # noqa: PLC0415 - loads Hypothesis, seldom needed

    return strings_near(pattern)


def _numbers(parts: Parts) -> Iterator[float]:
    for part in parts:
        for name in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"):
            if name in part:
                bound = part[name]
                yield from (bound, bound - 1, bound + 1, *([bound + 0.5] if abs(bound) < _EXACT else []))
    yield from (0, 1, -1, 1.5, 2, 10**6, -(10**6), 10**18)


def _bounds(parts: Parts, *names: str) -> list[int]:
    """Return the lengths around each bound in the parts."""
    stated = {int(part[name]) + delta for part in parts for name in names if name in part for delta in (0, -1, 1)}
    return sorted(length for length in stated if 0 <= length <= LONGEST)


def all_of(schemas: list[Any]) -> Any:
    """Return the schema of the values that all of them accept."""
    return {"allOf": schemas} if schemas else True


def validator(schema: Any) -> Any:
    """Return the fast validator of a schema without references."""
    return jsonschema_rs.Draft202012Validator(schema)
