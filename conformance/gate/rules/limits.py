"""The table of limits."""

from __future__ import annotations

import re
from collections.abc import Iterator

from conformance.gate.model.findings import (
    BOTH,
    NOBODY,
    RECEIVERS,
    SENDERS,
    Direction,
    Finding,
    Rule,
    peers_of,
    roles_of,
)
from conformance.gate.model.release import Release
from conformance.gate.model.spec_table import Row
from conformance.gate.model.version import Step
from conformance.gate.rules.comparison import Comparison
from conformance.gate.rules.row_findings import as_text, difference
from conformance.gate.rules.shared_rules import TABLE_REWORDED
from conformance.gate.rules.synonyms import in_base_unit
from conformance.gate.rules.wording import is_only_wording

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
    "Raise the minor version. The gate judges the requirement of the limit separately.",
)
RULES = (
    LIMIT_TIGHTENED,
    LIMIT_LOOSENED,
    LIMIT_CHANGED,
    LIMIT_ADDED,
)
_JOINT = re.compile(r"\b(?:of|in|per) ")
"""Words that say the same between two nouns: *items of a batch* are those in it, and those per batch."""


def judge_limit(comparison: Comparison, pointer: str, key: str, old: Row | None, new: Row | None) -> Iterator[Finding]:
    """Find the differences in a row of the table of limits."""
    row = old or new
    renamed = _renamed(comparison, row) if row and not (old and new) else None
    if renamed:
        what = f"{key} {'is' if old else 'was'} called {renamed['limit']}"
        yield Finding(TABLE_REWORDED, pointer, what, as_text(old or renamed), as_text(new or renamed))
    elif old is None:
        rule = LIMIT_ADDED if new and _is_limit_of_something_new(comparison, new) else LIMIT_CHANGED
        yield Finding(rule, pointer, f"{key} is new", after=as_text(new))
    elif new is None:
        yield Finding(LIMIT_CHANGED, pointer, f"{key} is gone", before=as_text(old))
    elif _but_amount(old) == _but_amount(new) and _amount(old) == _amount(new):
        yield difference(TABLE_REWORDED, pointer, key, old, new)
    elif any(old[column] != new[column] for column in ("unit", "kept by", "as")):
        yield difference(LIMIT_CHANGED, pointer, key, old, new)
    elif old["value"] != new["value"]:
        is_tighter = (int(new["value"]) > int(old["value"])) == (old["bound"] == "at least")
        rule = LIMIT_TIGHTENED if is_tighter else LIMIT_LOOSENED
        roles = (roles_of if is_tighter else peers_of)(new["kept by"])
        breaks = _broken_by(old["as"], is_tighter=is_tighter)
        what = f"{key}: {old['value']} became {new['value']} {new['unit']}"
        yield Finding(rule, pointer, what, old["value"], new["value"], breaks=breaks, roles=roles)
    else:
        is_as_strict = _levels(comparison.old, old) == _levels(comparison.new, new)
        rule = TABLE_REWORDED if is_as_strict else LIMIT_CHANGED
        yield Finding(rule, pointer, f"{key}: another requirement states the limit", old["rule"], new["rule"])


def _renamed(comparison: Comparison, row: Row) -> Row | None:
    """Return the row that differs from one of the other version in the name alone, and in nothing that counts."""
    old, new = (release.tables["limits"] for release in (comparison.old, comparison.new))
    gone, come = ([rows[key] for key in rows if key not in other] for rows, other in ((old, new), (new, old)))
    same = [[each for each in rows if _but_name(each) == _but_name(row)] for rows in (gone, come)]
    if any(len(each) != 1 for each in same):
        return None
    (was,), (is_,) = same
    names = (_JOINT.sub("", each["limit"]) for each in (was, is_))
    return (is_ if row is was else was) if is_only_wording(*names) else None


def _amount(row: Row) -> tuple[str, str]:
    return in_base_unit(row["value"], row["unit"])


def _but_amount(row: Row) -> Row:
    return {**row, "value": "", "unit": ""}


def _but_name(row: Row) -> Row:
    return {**row, "limit": ""}


def _is_limit_of_something_new(comparison: Comparison, row: Row) -> bool:
    """Return true if the old version had neither a bound of that name nor the requirement that states the new one."""
    bounded = {each["limit"].lower() for each in comparison.old.tables["limits"].values()}
    return row["limit"].lower() not in bounded and comparison.old.requirements.keys().isdisjoint(
        row["rule"].split(", ")
    )


def _levels(release: Release, row: Row) -> set[str]:
    return {release.requirements[id_].level for id_ in row["rule"].split(", ") if id_ in release.requirements}


def breaks_of_looser(row: Row) -> tuple[Direction, ...]:
    """Return whom it breaks if a limit guarantees less."""
    return _broken_by(row["as"], is_tighter=False)


def _broken_by(role: str, *, is_tighter: bool) -> tuple[Direction, ...]:
    """Return whom it breaks: a tighter limit the side that keeps it, a looser one its peer."""
    return SENDERS if (role == "sender") == is_tighter else RECEIVERS
