"""Objects that accept members without a schema; a sender's closed view does not show this."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import islice, starmap
from typing import Any

from conformance.gate.model.findings import BOTH, Finding, Rule
from conformance.gate.model.version import Step
from conformance.gate.rules.comparison import Comparison, Part
from conformance.gate.rules.members import members
from conformance.gate.rules.schema_diff import differing_places
from conformance.gate.schemas.json_pointer import join_pointer, split_pointer
from conformance.gate.schemas.keywords import subschemas
from conformance.gate.schemas.views import in_place, parts_of
from conformance.gate.schemas.witness_search import samples, strings_of, validator
from conformance.protocol.codec import same, shorten

OPENNESS_CHANGED = Rule(
    "openness-changed",
    BOTH,
    Step.MAJOR,
    "an open object was closed, or a closed object was opened",
    "Undo it. Name new data as an optional member; receivers ignore members that they do not know.",
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
"""Keywords about members that a schema does not name, with the value that equals omitting the keyword.

``additionalProperties`` has no such value: with ``true``, senders may add their own members (spec, chapter 19).
"""
_NAMES = ("further", "x-further", "x_further", "Further", "f", "0", "")
_VALUES: tuple[Any, ...] = ("x", 1, True, None, [], {})
_MOST_VALUES = 24
_MANY = {f"further-{number}": 1 for number in range(300)}


def check(comparison: Comparison) -> Iterator[Finding]:
    """Compare what the schemas say about further members, and which ones they accept."""
    found: set[str] = set()
    for old, new in comparison.parts():
        places = list(differing_places(comparison, old, new))
        if not places or found & set(places):
            continue
        findings = [*_said(comparison, old, new, places)] or [*_tried(comparison, old, new, places[0])]
        if findings:
            found.update(places)
        yield from findings


def _said(comparison: Comparison, old: Part, new: Part, places: list[str]) -> Iterator[Finding]:
    """Find the objects anywhere in the schema for which the versions state different rules about further members."""
    schemas = comparison.old_views.receiver(old.reference), comparison.new_views.receiver(new.reference)
    before, after = (_sayings(schema) for schema in schemas)
    for path in (each for each in before if each in after):
        gone, come = before[path] - after[path], after[path] - before[path]
        lets_senders_add = not gone and set(come) == {_OPEN}  # which old receivers ignore
        if (gone or come) and not lets_senders_add:
            said = [", ".join(sorted(each)) or "nothing" for each in (gone, come)]
            what = f"{path or 'the whole'} of {new.title}: the rule for further members was {said[0]}, and is {said[1]}"
            keyword = next((each for each in places if ABOUT_FURTHER.keys() & set(split_pointer(each))), places[0])
            yield Finding(OPENNESS_CHANGED, _up_to_keyword(keyword), what)
            return


def _up_to_keyword(place: str) -> str:
    """Return the pointer of the keyword about further members that contains a place."""
    file, _, pointer = place.partition("#")
    tokens = split_pointer(pointer)
    inside = next((number for number, token in enumerate(tokens) if token in ABOUT_FURTHER), len(tokens))
    return f"{file}#{join_pointer(*tokens[: inside + 1])}"


def _sayings(schema: Any, path: str = "") -> dict[str, Counter[str]]:
    """Return the rules for further members by the path of the object, such as ``jobs[].limits``."""
    found: dict[str, Counter[str]] = {path: Counter()}
    inside: list[tuple[str, Any]] = []
    number = len({name for part in in_place(schema) for name in part.get("required", [])})
    for part in parts_of(schema):
        said = {word: part[word] for word in ABOUT_FURTHER if word in part}
        found[path].update(starmap(_saying, _without_implied(said, number).items()))
        found[path].pop("", None)
        inside += [(f"{path}.{name}" if path else name, value) for name, value in part.get("properties", {}).items()]
        inside += [(f"{path}[]", each) for each in (part.get("items"), *part.get("prefixItems", []))]
    for deeper, value in inside:
        for place, sayings in _sayings(value, deeper).items():
            found.setdefault(place, Counter()).update(sayings)
    return found


def _without_implied(said: dict[str, Any], required: int) -> dict[str, Any]:
    """Omit a least number of members that the number of required members implies."""
    return {word: value for word, value in said.items() if word != "minProperties" or value > required}


def _saying(keyword: str, value: Any) -> str:
    """Return the meaning of a keyword as text; empty if omitting it would mean the same."""
    normal = True if value == {} and keyword in ("additionalProperties", "unevaluatedProperties") else value
    return "" if same(normal, ABOUT_FURTHER[keyword]) else f"{keyword} {shorten(normal)}"


_OPEN = "additionalProperties true"


def _tried(comparison: Comparison, old: Part, new: Part, place: str) -> Iterator[Finding]:
    """Search a value with a further member that one version accepts and the other refuses."""
    schemas = comparison.old_views.receiver(old.reference), comparison.new_views.receiver(new.reference)
    before, after = (validator(schema) for schema in schemas)
    known, names = set(members(schemas[0])), _further_names(schemas)
    both = (
        value for value in _candidates(comparison, old, schemas) if before.is_valid(value) and after.is_valid(value)
    )
    for value in islice(both, _MOST_VALUES):
        for changed in _with_further(value, names, known):
            if before.is_valid(changed) != after.is_valid(changed):
                verb = "is refused now" if before.is_valid(changed) else "is accepted now"
                yield Finding(OPENNESS_CHANGED, place, f"{new.title}: {shorten(changed, 120)} {verb}")
                return


def _candidates(comparison: Comparison, part: Part, schemas: tuple[Any, Any]) -> Iterator[Any]:
    for schema in schemas:
        yield from samples(schema)
    yield from comparison.examples(part.column)


def _further_names(schemas: tuple[Any, Any]) -> list[str]:
    """Return names that are members in neither schema; those that a schema mentions elsewhere come first."""
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


def _with_further(value: Any, names: list[str], known: Collection[str]) -> Iterator[Any]:
    """Yield copies of a value in which one object of the old version has one further member, or many."""
    for path in _objects(value):
        if path and _name_of(path) not in known:
            continue
        for name in names:
            yield from (_extended(value, path, {name: further}) for further in _VALUES)
        yield _extended(value, path, _MANY)


def _name_of(path: tuple[Any, ...]) -> str:
    """Return the path of a member as :func:`members` writes it; for an item, the path of its array."""
    return ".".join(str(key) if isinstance(key, str) else "[]" for key in path).replace(".[]", "[]").removesuffix("[]")


def _objects(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, each in inside:
        yield from _objects(each, (*path, key))


def _extended(value: Any, path: Sequence[Any], members: dict[str, Any]) -> Any:
    """Return a copy of a value in which the object at a path has further members; the rest is shared."""
    if not path:
        return {**members, **value}
    key, *deeper = path
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[key] = _extended(value[key], deeper, members)
    return changed
