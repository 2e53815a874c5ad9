"""Schema files, and the identifiers and definitions by which programs refer to them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from conformance.gate.model.findings import BOTH, NOBODY, Finding, Rule
from conformance.gate.model.version import Step
from conformance.gate.rules.comparison import Comparison
from conformance.gate.rules.reserved_names import is_reserved
from conformance.gate.rules.schema_diff import TEXTS, without_texts
from conformance.gate.rules.shared_rules import DEPRECATION_CHANGED, REMOVED_UNANNOUNCED, SHAPE_REWRITTEN
from conformance.gate.rules.wording import has_same_quantities
from conformance.gate.schemas.json_pointer import join_pointer
from conformance.gate.schemas.keywords import subschemas

SCHEMA_DELETED = Rule(
    "schema-deleted",
    BOTH,
    Step.MAJOR,
    "a schema file is gone",
    'Keep the file, with "deprecated": true. Remove it in a later major version, and reserve its name.',
)
ID_MOVED = Rule(
    "id-moved",
    BOTH,
    Step.MAJOR,
    "a schema has another $id, or its file another name",
    "Keep $id and file name; validators and other schemas refer to them.",
)
ID_KEPT = Rule(
    "id-kept",
    BOTH,
    Step.NEVER,
    "the major number changed, and the $id of a schema does not have the new one",
    "Write the new major number into the $id of every schema; programs keep schemas of both versions apart by it.",
)
ANCHOR_MOVED = Rule(
    "anchor-moved",
    BOTH,
    Step.MAJOR,
    "an $anchor is gone or names another place",
    "Keep the anchor where it was; references to it would change their meaning.",
)
DEFINITION_REMOVED = Rule(
    "definition-removed",
    BOTH,
    Step.MAJOR,
    "an entry of $defs is gone",
    "Keep the entry; it may be a $ref to the new place.",
)
DIALECT_CHANGED = Rule(
    "dialect-changed",
    BOTH,
    Step.MAJOR,
    "a schema is written in another dialect of JSON Schema",
    "Keep $schema; validators that know only the old dialect would misread or reject the file.",
)
SCHEMA_ADDED = Rule("schema-added", NOBODY, Step.MINOR, "a schema file is new", "Raise the minor version.")
SCHEMA_MEANING_CHANGED = Rule(
    "schema-meaning-changed",
    BOTH,
    Step.MAJOR,
    "a title or description mentions other numbers, units, names or conditions",
    "Keep what the text says; developers rely on it. Describe new behaviour at a new member or schema.",
)
SCHEMA_TEXT_CHANGED = Rule(
    "schema-text-changed",
    NOBODY,
    Step.PATCH,
    "a title or description of a schema changed",
    "Raise the patch version.",
)
RULES = (
    SCHEMA_DELETED,
    ID_MOVED,
    ID_KEPT,
    ANCHOR_MOVED,
    DEFINITION_REMOVED,
    DIALECT_CHANGED,
    SCHEMA_ADDED,
    SCHEMA_MEANING_CHANGED,
    SCHEMA_TEXT_CHANGED,
)


def check(comparison: Comparison) -> Iterator[Finding]:
    """Compare the files by their names."""
    for name, old in comparison.old.schemas.items():
        if name not in comparison.changed_schemas:
            continue
        pointer = f"schemas/{name}#"
        if name in comparison.new.schemas:
            yield from _kept(name, old, comparison.new.schemas[name])
        elif (elsewhere := _same_content(comparison, old)) is not None:
            yield Finding(ID_MOVED, pointer, f"{name} is now called {elsewhere}", before=name, after=elsewhere)
            if not is_reserved(comparison.new, "schema", name):
                yield Finding(
                    REMOVED_UNANNOUNCED, pointer, f"{name} is now called {elsewhere}, and its old name is not reserved"
                )
        else:
            yield Finding(SCHEMA_DELETED, pointer, f"the schema {name} was deleted")
            if old.get("deprecated") is not True or not is_reserved(comparison.new, "schema", name):
                yield Finding(
                    REMOVED_UNANNOUNCED, pointer, f"the schema {name} was removed without being deprecated and reserved"
                )
    for name in comparison.new.schemas:
        if name not in comparison.old.schemas:
            yield Finding(SCHEMA_ADDED, f"schemas/{name}#", f"the schema {name} is new")
    yield from _numbered(comparison)


def _numbered(comparison: Comparison) -> Iterator[Finding]:
    """Find the schemas of a new major version without its number, if those of the old one had theirs."""
    was, is_ = comparison.old.version.major, comparison.new.version.major
    if is_ <= was or not any(_has_number(schema["$id"], was) for schema in comparison.old.schemas.values()):
        return
    kept = [name for name, schema in comparison.new.schemas.items() if not _has_number(schema["$id"], is_)]
    if kept:
        shown = f"{kept[0]} and of {len(kept) - 1} more schemas" if kept[1:] else kept[0]
        what = f"the $id of {shown} does not have the major number {is_}"
        yield Finding(ID_KEPT, f"schemas/{kept[0]}#/$id", what, after=comparison.new.schemas[kept[0]]["$id"])


def _has_number(identifier: str, major: int) -> bool:
    """Return true if a part of the path of an $id is a major number, such as ``1`` or ``v1``."""
    return bool(re.search(rf"(?<![^/:])v?{major}(?![^/:])", identifier))


def _same_content(comparison: Comparison, old: Any) -> str | None:
    content = {key: value for key, value in without_texts(old).items() if key != "$id"}
    added = {name: schema for name, schema in comparison.new.schemas.items() if name not in comparison.old.schemas}
    same = (
        name
        for name, schema in added.items()
        if {key: value for key, value in without_texts(schema).items() if key != "$id"} == content
    )
    return next(same, None)


def _kept(name: str, old: Any, new: Any) -> Iterator[Finding]:
    for key, rule in (("$id", ID_MOVED), ("$schema", DIALECT_CHANGED)):
        if old.get(key) != new.get(key):
            before, after = old.get(key), new.get(key)
            yield Finding(
                rule, f"schemas/{name}#/{key}", f"{key} of {name} was {before}, and is {after}", before, after
            )
    anchors, others = _anchors(old), _anchors(new)
    for anchor, place in anchors.items():
        if others.get(anchor) != place:
            what = f"the anchor {anchor} of {name} {'is at another place' if anchor in others else 'is gone'}"
            yield Finding(ANCHOR_MOVED, f"schemas/{name}#{place}", what, before=place, after=others.get(anchor))
    for anchor, place in others.items():
        if anchor not in anchors:
            yield Finding(SHAPE_REWRITTEN, f"schemas/{name}#{place}", f"{name} has a new anchor {anchor}")
    for entry in old.get("$defs", {}):
        if entry not in new.get("$defs", {}):
            yield Finding(
                DEFINITION_REMOVED, f"schemas/{name}#{join_pointer('$defs', entry)}", f"{entry} of {name} is gone"
            )
    if old.get("deprecated") != new.get("deprecated"):
        what = f"the schema {name} is {'' if new.get('deprecated') else 'no longer '}deprecated"
        yield Finding(DEPRECATION_CHANGED, f"schemas/{name}#", what, at=f"schemas/{name}#/deprecated")
    yield from _said(name, old, new)


def _said(name: str, old: Any, new: Any) -> Iterator[Finding]:
    before, after = _texts(old), _texts(new)
    for place in (each for each in before if each in after):
        said, says = (
            " ".join(text for word, text in found[place].items() if word != "examples") for found in (before, after)
        )
        if said and not has_same_quantities(said, says):
            what = f"{place or 'the root'} of {name} mentions other numbers, units, names or conditions"
            yield Finding(SCHEMA_MEANING_CHANGED, f"schemas/{name}#{place}", what, said, says)
    changed = [place for place in dict.fromkeys([*after, *before]) if before.get(place, {}) != after.get(place, {})]
    if changed:
        old_texts, new_texts = (texts.get(changed[0], {}) for texts in (before, after))
        first = next(word for word in (*new_texts, *old_texts) if new_texts.get(word) != old_texts.get(word))
        at = f"schemas/{name}#{changed[0]}/{first}"
        yield Finding(SCHEMA_TEXT_CHANGED, f"schemas/{name}#", f"titles or descriptions of {name} changed", at=at)


def _anchors(schema: Any) -> dict[str, str]:
    """Return the places of the anchors in a schema by name."""
    return {each["$anchor"]: pointer for pointer, each in subschemas(schema) if "$anchor" in each}


def _texts(schema: Any) -> dict[str, dict[str, str]]:
    """Return the texts of each subschema, by its place and their keywords."""
    return {
        pointer: {
            keyword: each[keyword] if isinstance(each[keyword], str) else json.dumps(each[keyword])
            for keyword in TEXTS
            if keyword in each
        }
        for pointer, each in subschemas(schema)
    }
