"""The table of limits."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.gate.model.findings import BOTH, NOBODY, RECEIVERS, SENDERS, Direction, Finding, Rule
from conformance.gate.model.release import Release
from conformance.gate.model.spec_table import Row
from conformance.gate.model.version import Step
from conformance.gate.rules.comparison import Comparison
from conformance.gate.rules.row_findings import as_text, difference
from conformance.gate.rules.shared_rules import TABLE_REWORDED

LIMIT_TIGHTENED = Rule(
    "limit-tightened",
    BOTH,
    Step.MAJOR,
    "a limit became stricter for the side that must honour it",
    "Keep the limit. Implementations that can do better can announce it in the acknowledgement.",
)
LIMIT_LOOSENED = Rule(
    "limit-loosened",
    BOTH,
    Step.MAJOR,
    "a limit guarantees less than before",
    "Keep the limit; peers rely on it. An implementation that differs can announce it in the acknowledgement.",
)
LIMIT_CHANGED = Rule(
    "limit-changed",
    BOTH,
    Step.MAJOR,
    "a limit has another unit, binds another side, or is gone",
    "Keep the row, and add another one.",
)
LIMIT_ADDED = Rule(
    "limit-added",
    NOBODY,
    Step.MINOR,
    "a limit is new",
    "No fix needed; raise the minor version. The gate judges the requirement of the limit separately.",
)
RULES = (
    LIMIT_TIGHTENED,
    LIMIT_LOOSENED,
    LIMIT_CHANGED,
    LIMIT_ADDED,
)


def judge_limit(comparison: Comparison, pointer: str, key: str, old: Row | None, new: Row | None) -> Iterator[Finding]:
    """Find the differences in a row of the table of limits."""
    if old is None:
        rule = LIMIT_ADDED if new and _is_limit_of_something_new(comparison, new) else LIMIT_CHANGED
        yield Finding(rule, pointer, f"{key} is new", after=as_text(new))
    elif new is None:
        yield Finding(LIMIT_CHANGED, pointer, f"{key} is gone", before=as_text(old))
    elif any(old[column] != new[column] for column in ("unit", "kept by", "as")):
        yield difference(LIMIT_CHANGED, pointer, key, old, new)
    elif old["value"] != new["value"]:
        is_tighter = (int(new["value"]) > int(old["value"])) == (old["bound"] == "at least")
        rule = LIMIT_TIGHTENED if is_tighter else LIMIT_LOOSENED
        what = f"{key}: {old['value']} became {new['value']} {new['unit']}"
        yield Finding(rule, pointer, what, old["value"], new["value"], breaks=_broken_by(old["as"], is_tighter))
    else:
        is_as_strict = _levels(comparison.old, old) == _levels(comparison.new, new)
        rule = TABLE_REWORDED if is_as_strict else LIMIT_CHANGED
        yield Finding(rule, pointer, f"{key}: another requirement states the limit", old["rule"], new["rule"])


def _is_limit_of_something_new(comparison: Comparison, row: Row) -> bool:
    """Return true if the old version had neither a bound of that name nor the requirement that states the new one."""
    bounded = {each["limit"].lower() for each in comparison.old.tables["limits"].values()}
    return row["limit"].lower() not in bounded and comparison.old.requirements.keys().isdisjoint(
        row["rule"].split(", ")
    )


def _levels(release: Release, row: Row) -> set[str]:
    return {release.requirements[id_].level for id_ in row["rule"].split(", ") if id_ in release.requirements}


def _broken_by(role: str, is_tighter: bool) -> tuple[Direction, ...]:
    """Return whom it breaks: a tighter limit the side that keeps it, a looser one its peer."""
    return SENDERS if (role == "sender") == is_tighter else RECEIVERS
