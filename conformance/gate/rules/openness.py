"""Whether an object takes members that its schema does not name, which a sender's closed view does not show."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import islice
from typing import Any

from conformance.gate.finding import BOTH, Finding, Rule
from conformance.gate.pair import Pair, Part
from conformance.gate.places import join_pointer, split_pointer
from conformance.gate.reading import subschemas
from conformance.gate.rules.differences import differences, differing_places, value_at
from conformance.gate.samples import samples, strings_of, validator
from conformance.gate.version import Step
from conformance.wire import same, shorten

OPENNESS_CHANGED = Rule(
    "openness-changed",
    BOTH,
    Step.MAJOR,
    "an object that was open is closed, or the other way round",
    "Leave it; name what is new as an optional member, and let receivers ignore what they do not know.",
)
RULES = (OPENNESS_CHANGED,)

ABOUT_FURTHER: dict[str, Any] = {
    "additionalProperties": None,
    "unevaluatedProperties": True,
    "patternProperties": {},
    "propertyNames": True,
    "minProperties": 0,
    "maxProperties": None,
}
"""Keywords about members that a schema does not name, and what says the same as leaving them out.

There is none for ``additionalProperties``: with ``true``, senders may add members of their own (spec, chapter 19).
"""
_NAMES = ("further", "x-further", "x_further", "Further", "f", "0", "")
_VALUES: tuple[Any, ...] = ("x", 1, True, None, [], {})
_MOST_VALUES = 24
_MANY = {f"further-{number}": 1 for number in range(300)}


def check(pair: Pair) -> Iterator[Finding]:
    """Compare what the schemas say about further members, and what they make of some."""
    found: set[str] = set()
    for name in sorted(pair.old.schemas.keys() & pair.new.schemas.keys()):
        for finding in _said(name, pair.old.schemas[name], pair.new.schemas[name]):
            found.add(name)
            yield finding
    for old, new in pair.parts():
        places = list(differing_places(pair, old, new))
        files = {place.partition("#")[0].removeprefix("schemas/") for place in places}
        if places and not files & found:
            found |= files
            yield from _tried(pair, old, new, places[0])


def _said(name: str, old: Any, new: Any) -> Iterator[Finding]:
    """Find where a keyword about further members has another value, in objects that both versions have."""
    for pointer in differences(old, new):
        tokens = split_pointer(pointer)
        places = [place for place, token in enumerate(tokens) if token in ABOUT_FURTHER]
        if not places:
            continue
        parent, keyword = tokens[: places[0]], tokens[places[0]]
        if parent[-1:] == ["properties"] or value_at(old, parent) is None or value_at(new, parent) is None:
            continue
        before, after = (_normal(keyword, value_at(schema, parent)) for schema in (old, new))
        lets_senders_add = before is None and after is True  # which old receivers ignore
        if not same(before, after) and not lets_senders_add:
            said = ["nothing" if value is None else shorten(value) for value in (before, after)]
            what = f"{keyword} of {name} was {said[0]}, and is {said[1]}"
            yield Finding(OPENNESS_CHANGED, f"schemas/{name}#{join_pointer(*parent, keyword)}", what)


def _normal(keyword: str, schema: Any) -> Any:
    value = schema.get(keyword, ABOUT_FURTHER[keyword])
    return True if value == {} and keyword == "additionalProperties" else value


def _tried(pair: Pair, old: Part, new: Part, place: str) -> Iterator[Finding]:
    """Look for a value with a further member that one version takes and the other refuses."""
    schemas = pair.old_views.receiver(old.reference), pair.new_views.receiver(new.reference)
    before, after = (validator(schema) for schema in schemas)
    both = (value for value in _candidates(pair, old, schemas) if before.is_valid(value) and after.is_valid(value))
    for value in islice(both, _MOST_VALUES):
        for changed in _with_further(value, _further_names(schemas)):
            if before.is_valid(changed) != after.is_valid(changed):
                verb = "is refused now" if before.is_valid(changed) else "is taken now"
                yield Finding(OPENNESS_CHANGED, place, f"{new.title}: {shorten(changed, 120)} {verb}")
                return


def _candidates(pair: Pair, part: Part, schemas: tuple[Any, Any]) -> Iterator[Any]:
    for schema in schemas:
        yield from samples(schema)
    yield from pair.examples(part.column)


def _further_names(schemas: tuple[Any, Any]) -> list[str]:
    """Return names that neither schema has among its members, those first that it speaks of in other ways."""
    parts = [part for schema in schemas for _, part in subschemas(schema)]
    named = {name for part in parts for name in part.get("properties", {})}
    spoken = [name for part in parts for name in (*part.get("required", []), *part.get("dependentRequired", {}))]
    patterns = [pattern for part in parts for pattern in _patterns(part)]
    matching = [text for pattern in patterns for text in strings_of(pattern)]
    return [name for name in dict.fromkeys([*spoken, *matching, *_NAMES]) if name not in named]


def _patterns(part: dict[str, Any]) -> list[str]:
    of_names = part.get("propertyNames")
    inside = [each["pattern"] for _, each in subschemas(of_names) if "pattern" in each]
    return [*part.get("patternProperties", {}), *inside]


def _with_further(value: Any, names: list[str]) -> Iterator[Any]:
    """Give copies of a value in which one object has a further member, or many."""
    for path in _objects(value):
        for name in names:
            yield from (_extended(value, path, {name: further}) for further in _VALUES)
        yield _extended(value, path, _MANY)


def _objects(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, each in inside:
        yield from _objects(each, (*path, key))


def _extended(value: Any, path: tuple[Any, ...], members: dict[str, Any]) -> Any:
    changed = copy.deepcopy(value)
    place = changed
    for key in path:
        place = place[key]
    place.update({name: each for name, each in members.items() if name not in place})
    return changed
