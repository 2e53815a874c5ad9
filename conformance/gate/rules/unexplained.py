"""The safety net: finds the differences that no other rule covers."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from collections.abc import Set as AbstractSet
from typing import Any

from conformance.gate.model.findings import BOTH, Finding, Rule
from conformance.gate.model.release import Release
from conformance.gate.model.version import Step
from conformance.gate.rules.comparison import Comparison
from conformance.gate.rules.schema_diff import TEXTS, differences
from conformance.gate.schemas.json_pointer import split_pointer
from conformance.protocol.codec import same, shorten
from conformance.protocol.schemas import NAMED

UNEXPLAINED = Rule(
    "unexplained",
    BOTH,
    Step.MAJOR,
    "there is a difference that no other rule covers",
    "Undo it, or waive this and say why it breaks no peer. Better: add a rule for it to the gate.",
)
RULES = (UNEXPLAINED,)

_ANNOTATIONS = ("default", "deprecated")


def check(comparison: Comparison, findings: Collection[Finding]) -> Iterator[Finding]:
    """Compare everything, and find the differences that no finding names."""
    named = {place for each in findings for place in (each.pointer, *each.also)}
    rules = {each.rule.id for each in findings}
    shared = comparison.old.tables.keys() & comparison.new.tables.keys()  # a release may lack a table of a later kit
    old, new = (
        dict(_things(release, shared, comparison.changed_vectors)) for release in (comparison.old, comparison.new)
    )
    for pointer in dict.fromkeys([*old, *new]):
        if not same(old.get(pointer), new.get(pointer)) and pointer not in named:
            before, after = (shorten(things.get(pointer)) for things in (old, new))
            yield Finding(UNEXPLAINED, pointer, f"{pointer} differs in a way that no rule covers", before, after)
    for name in sorted(comparison.old.schemas.keys() & comparison.new.schemas.keys() & comparison.changed_schemas):
        yield from _schema(comparison, name, named, rules)


def _things(release: Release, tables: AbstractSet[str], vectors: AbstractSet[str]) -> Iterator[tuple[str, Any]]:
    for id_, requirement in release.requirements.items():
        yield f"requirements/{id_}", requirement.text
    for table in sorted(tables):
        yield from ((f"tables/{table}/{key}", row) for key, row in release.tables[table].items())
    yield from ((f"vectors/{id_}", vector) for id_, vector in release.vectors.items() if id_ in vectors)


def _schema(comparison: Comparison, name: str, named: AbstractSet[str], rules: AbstractSet[str]) -> Iterator[Finding]:
    """Find the differences in a schema: keywords without their own finding, and annotations without any."""
    file = f"schemas/{name}#"
    is_named = any(each.startswith(file) for each in named)
    for pointer in differences(comparison.old.schemas[name], comparison.new.schemas[name]):
        *_, before, keyword = ["", *split_pointer(pointer)]
        keyword = "" if before in NAMED else keyword
        if keyword in TEXTS:
            explained = not rules.isdisjoint({"schema-text-changed", "schema-meaning-changed"})
        elif keyword in _ANNOTATIONS:
            explained = is_named or not rules.isdisjoint({"default-changed", "deprecation-changed"})
        else:
            explained = is_named
        if not explained:
            yield Finding(UNEXPLAINED, f"{file}{pointer}", f"{pointer} of {name} differs in a way that no rule covers")
