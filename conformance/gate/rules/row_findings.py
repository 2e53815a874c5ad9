"""Findings about rows of any table."""

from __future__ import annotations

from conformance.gate.model.findings import Finding, Rule
from conformance.gate.model.spec_table import Row
from conformance.gate.rules.shared_rules import TABLE_REWORDED
from conformance.gate.rules.wording import is_only_wording


def difference(rule: Rule, pointer: str, key: str, old: Row, new: Row) -> Finding:
    """Return the finding about a row of both versions; it needs a patch version if only the wording differs."""
    changed = [column for column in dict.fromkeys([*old, *new]) if old.get(column) != new.get(column)]
    what = "; ".join(f"{column} was {old.get(column)!r}, and is {new.get(column)!r}" for column in changed)
    cells = [(old.get(column, ""), new.get(column, "")) for column in changed]
    is_wording = all(" " in before and is_only_wording(before, after) for before, after in cells)
    return Finding(TABLE_REWORDED if is_wording else rule, pointer, f"{key}: {what}", as_text(old), as_text(new))


def as_text(row: Row | None) -> str | None:
    """Return a row as text for findings."""
    return None if row is None else " | ".join(row.values())
