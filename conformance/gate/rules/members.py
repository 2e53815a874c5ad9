"""Members of messages: containment cannot see that an optional member was removed, or what its absence means."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from conformance.gate.model.findings import BOTH, SENDERS, Finding, Rule, roles_of
from conformance.gate.model.version import Step
from conformance.gate.rules.comparison import Comparison, Part
from conformance.gate.rules.reserved_names import is_member_reserved
from conformance.gate.rules.shared_rules import DEPRECATION_CHANGED, REMOVED_UNANNOUNCED
from conformance.gate.schemas.views import parts_of
from conformance.protocol.codec import same

MEMBER_REMOVED = Rule(
    "member-removed",
    BOTH,
    Step.MAJOR,
    "a member that was defined is no longer there",
    'Keep it, with "deprecated": true. Remove it in a later major version, and reserve its name in chapter 14.',
)
MEMBER_RENAMED = Rule(
    "member-renamed",
    BOTH,
    Step.MAJOR,
    "a member has another name",
    "Add the new name beside the old one, and deprecate the old one.",
)
DEFAULT_CHANGED = Rule(
    "default-changed",
    BOTH,
    Step.MAJOR,
    "omitting a member means something else",
    "Keep the default; senders that want another value can send the member.",
)
NAME_CLAIMED = Rule(
    "name-claimed",
    SENDERS,
    Step.MAJOR,
    "an object to which senders add their own members has a new member",
    "Put it into an object to which senders add nothing, or into a new object; a sender may already use the name.",
)
RULES = (MEMBER_REMOVED, MEMBER_RENAMED, REMOVED_UNANNOUNCED, DEFAULT_CHANGED, DEPRECATION_CHANGED, NAME_CLAIMED)

_PLAIN: dict[bool, dict[str, Any]] = {True: {}, False: {"not": {}}}
"""The schemas true and false, written as objects."""

Members = dict[str, list[dict[str, Any]]]


def check(comparison: Comparison) -> Iterator[Finding]:
    """Compare the members of the schemas that messages have, by their paths."""
    seen = set()
    for old, new in comparison.parts():
        if (
            old.reference != new.reference or new.reference in seen
        ):  # another schema has other members; that has its own rule
            continue
        seen.add(new.reference)
        schemas = [views.receiver(new.reference) for views in (comparison.old_views, comparison.new_views)]
        if json.dumps(schemas[0]) == json.dumps(schemas[1]):
            continue
        whole = [members(schema) for schema in schemas]
        before, after = (_own(new, found) for found in whole)
        yield from _gone(comparison, new.reference, before, after)
        if "#" in new.reference:  # the roots of files have their own rules
            yield from _annotations(new, f"schemas/{new.reference}", new.reference, [[each] for each in schemas])
        yield from _claimed(new, {"": [schemas[0]], **whole[0]}, whole[1])
        yield from _chosen(new, {"": [schemas[0]], **whole[0]}, after)
        for path in before:
            if path in after:
                yield from _annotations(new, f"members/{new.reference}:{path}", path, [before[path], after[path]])


def _own(part: Part, found: Members) -> Members:
    """Drop the members of a payload, which has its own row."""
    return {path: each for path, each in found.items() if part.column != "schema" or not path.startswith("payload.")}


def members(schema: Any, path: str = "") -> Members:
    """Return the schemas of every member in a schema, by its path, such as ``jobs[].id``."""
    found: Members = {}
    for part in parts_of(schema):
        for name, value in part.get("properties", {}).items():
            inside = f"{path}.{name}" if path else name
            found.setdefault(inside, []).append(value if isinstance(value, dict) else _PLAIN[bool(value)])
            for deeper, schemas in members(value, inside).items():
                found.setdefault(deeper, []).extend(schemas)
        for items in [part.get("items"), *part.get("prefixItems", [])]:
            for deeper, schemas in members(items, f"{path}[]").items():
                found.setdefault(deeper, []).extend(schemas)
    return found


def _gone(comparison: Comparison, reference: str, before: Members, after: Members) -> Iterator[Finding]:
    gone = [path for path in before if path not in after]
    for path in gone:
        if any(path.startswith((f"{other}.", f"{other}[")) for other in gone):
            continue
        pointer, name = f"members/{reference}:{path}", path.rpartition(".")[2]
        renamed = _same_elsewhere(path, before, after)
        rule = MEMBER_RENAMED if renamed else MEMBER_REMOVED
        what = f"{path} of {reference} is now called {renamed}" if renamed else f"{path} of {reference} was removed"
        yield Finding(rule, pointer, what, before=path, after=renamed)
        was_deprecated = any(each.get("deprecated") is True for each in before[path])
        missing = [] if was_deprecated else [f"it was not deprecated in {comparison.old.version}"]
        missing += [] if is_member_reserved(comparison, reference, name) else ["its name is not reserved in chapter 14"]
        if missing:
            yield Finding(
                REMOVED_UNANNOUNCED, pointer, f"{path} of {reference} was removed, but {' and '.join(missing)}"
            )


def _same_elsewhere(path: str, before: Members, after: Members) -> str | None:
    """Return the new member of the same object that has the schema of the removed one."""
    parent = path.rpartition(".")[0]
    added = (other for other in after if other not in before and other.rpartition(".")[0] == parent)
    return next((other for other in added if after[other] == before[path]), None)


def _claimed(part: Part, before: Members, after: Members) -> Iterator[Finding]:
    for path in after:
        parent = path.rpartition(".")[0]
        if path not in before and _lets_senders_add(_values(before, parent)):
            what = f"{path} of {part.reference} is new, but old senders may already use the name for something else"
            pointer = f"members/{part.reference}:{path}"
            yield Finding(NAME_CLAIMED, pointer, what, after=path, roles=roles_of(part.sender))


def _chosen(part: Part, before: Members, after: Members) -> Iterator[Finding]:
    """Find new members that ask for something when they are absent: senders of the old version omit them."""
    for path, schemas in after.items():
        is_flag = any(each.get("default") is True for schema in schemas for each in _annotated(schema))
        if is_flag and path not in before and path.rpartition(".")[0].removesuffix("[]") in before:
            what = f"{path} is new, and omitting it means True; senders of the old version always omit it"
            pointer = f"members/{part.reference}:{path}"
            yield Finding(DEFAULT_CHANGED, pointer, what, after="True", roles=roles_of(part.sender))


def _values(found: Members, path: str) -> list[Any]:
    """Return the schemas at a path; at ``jobs[]``, for example, those of the items of ``jobs``."""
    if not path.endswith("[]"):
        return list(found.get(path, []))
    arrays = _values(found, path.removesuffix("[]"))
    parts = [part for each in arrays for part in parts_of(each)]
    return [items for part in parts for items in (part.get("items"), *part.get("prefixItems", []))]


def _lets_senders_add(schemas: list[Any]) -> bool:
    """Return true if senders may add their own members to an object: it says so, or says nothing about members.

    Args:
        schemas: all that apply to the object.
    """
    parts = [part for schema in schemas for part in parts_of(schema)]
    says_nothing = not any(part.keys() - {"title", "description", "default", "type", "allOf"} for part in parts)
    is_object = all("type" not in part or "object" in part["type"] for part in parts)
    speaking = [part for part in parts if "properties" in part]
    is_said = bool(speaking) and all(part.get("additionalProperties") is True for part in speaking)
    return is_said or (bool(parts) and says_nothing and is_object)


def _annotated(schema: Any) -> Iterator[dict[str, Any]]:
    """Find the schemas that apply to a value, and to the items in it."""
    for part in parts_of(schema):
        yield part
        for items in (part.get("items"), *part.get("prefixItems", [])):
            yield from _annotated(items)


def _without_twins(values: list[Any]) -> list[Any]:
    return [each for number, each in enumerate(values) if not any(same(each, other) for other in values[:number])]


def _annotations(of: Part, pointer: str, path: str, versions: list[list[dict[str, Any]]]) -> Iterator[Finding]:
    parts = [[part for each in schemas for part in _annotated(each)] for schemas in versions]
    defaults = [_without_twins([each["default"] for each in found if "default" in each]) for found in parts]
    if not same(*defaults):
        old, new = (repr(each[0]) if each else "nothing specific" for each in defaults)
        what = f"omitting {path} meant {old}, and now means {new}"
        yield Finding(DEFAULT_CHANGED, pointer, what, before=old, after=new, roles=roles_of(of.sender))
    marks = [any(each.get("deprecated") is True for each in found) for found in parts]
    if marks[0] != marks[1]:
        yield Finding(DEPRECATION_CHANGED, pointer, f"{path} is {'' if marks[1] else 'no longer '}deprecated")
