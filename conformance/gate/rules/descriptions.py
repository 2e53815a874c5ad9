"""The marked terms, and the members that marked tables describe: requirements rely on both."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.gate.inputs.descriptions import MEMBERS, TERMS
from conformance.gate.model.findings import BOTH, Finding, Rule
from conformance.gate.model.spec_table import Row
from conformance.gate.model.version import Step
from conformance.gate.rules.comparison import Comparison
from conformance.gate.rules.shared_rules import TABLE_REWORDED
from conformance.gate.rules.wording import describes_the_same, is_only_wording

TERM_CHANGED = Rule(
    "term-changed",
    BOTH,
    Step.NEVER,
    "a term that requirements use is defined differently",
    "Restore the definition, and define a new term for new requirements. "
    "If only the wording changed, waive this and say why the meaning is the same.",
)
DESCRIPTION_CHANGED = Rule(
    "description-changed",
    BOTH,
    Step.MAJOR,
    "a table describes a member with other numbers, units or conditions, or no longer describes it",
    "Restore the row. Describe new behaviour at a new member.",
)
RULES = (TERM_CHANGED, DESCRIPTION_CHANGED)


def check(comparison: Comparison) -> Iterator[Finding]:
    """Compare terms and rows by their names. A release of a kit that did not read them yet says nothing about them."""
    for table, judge in ((TERMS, _term), (MEMBERS, _member)):
        old, new = (release.tables.get(table) for release in (comparison.old, comparison.new))
        if old is None or new is None:
            continue
        for key in dict.fromkeys([*old, *new]):
            before, after = old.get(key), new.get(key)
            if before != after:
                yield judge(f"tables/{table}/{key}", key, before, after)


def _term(pointer: str, key: str, old: Row | None, new: Row | None) -> Finding:
    if old is None:
        return Finding(TABLE_REWORDED, pointer, f"the term {key} is new")
    if new is None:
        return Finding(TERM_CHANGED, pointer, f"the term {key} is gone", old["text"])
    is_wording = is_only_wording(old["text"], new["text"])
    what = f"the term {key} {'is worded' if is_wording else 'is defined'} differently"
    return Finding(TABLE_REWORDED if is_wording else TERM_CHANGED, pointer, what, old["text"], new["text"])


def _member(pointer: str, key: str, old: Row | None, new: Row | None) -> Finding:
    """Judge a row. What changed in the schema too has a finding there; a new row describes something new there."""
    before, after = (f"{row['says']} ({row['required']})" if row else None for row in (old, new))
    if before is None or after is None:
        rule = TABLE_REWORDED if old is None else DESCRIPTION_CHANGED
        return Finding(rule, pointer, f"a table {'now' if old is None else 'no longer'} describes {key}", before, after)
    if describes_the_same(before, after):
        return Finding(TABLE_REWORDED, pointer, f"the description of {key} is worded differently", before, after)
    what = f"the description of {key} mentions other numbers, units, names or conditions"
    return Finding(DESCRIPTION_CHANGED, pointer, what, before, after)
