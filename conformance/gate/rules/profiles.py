"""The table of profiles."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.gate.inputs.table_cells import channels_in, names_in, says_more_than_names
from conformance.gate.inputs.table_columns import ADDS, RESERVES
from conformance.gate.model.findings import BOTH, NOBODY, Finding, Rule
from conformance.gate.model.release import Release
from conformance.gate.model.spec_table import Row
from conformance.gate.model.version import Step
from conformance.gate.rules.comparison import Comparison
from conformance.gate.rules.reserved_names import is_announced, is_reserved
from conformance.gate.rules.row_findings import as_text, difference
from conformance.gate.rules.shared_rules import (
    CHANNELS_RESERVED,
    PROFILE_EXTENDED,
    PROFILE_MEMBER_MOVED,
    REMOVED_UNANNOUNCED,
    TABLE_REWORDED,
)

PROFILE_REMOVED = Rule(
    "profile-removed",
    BOTH,
    Step.MAJOR,
    "a profile is no longer defined",
    "Keep its chapter. Remove it in a later major version, and reserve its name.",
)
PROFILE_ADDED = Rule("profile-added", NOBODY, Step.MINOR, "a profile is new", "Raise the minor version.")
RULES = (
    PROFILE_REMOVED,
    PROFILE_ADDED,
    PROFILE_EXTENDED,
)


def judge_profile(
    comparison: Comparison, pointer: str, key: str, old: Row | None, new: Row | None
) -> Iterator[Finding]:
    """Find the differences in a row of the table of profiles."""
    if old is None and new is not None:
        yield Finding(PROFILE_ADDED, pointer, f"the profile {key} is new", after=as_text(new))
        yield from _taken(comparison, pointer, new)
    elif new is None and old is not None:
        yield Finding(PROFILE_REMOVED, pointer, f"the profile {key} is gone", as_text(old))
        if not is_announced(comparison.old, key) or not is_reserved(comparison.new, "profile", key):
            yield Finding(
                REMOVED_UNANNOUNCED, pointer, f"the profile {key} was removed without being deprecated and reserved"
            )
    elif old is not None and new is not None:
        if old["chapter"] != new["chapter"]:
            yield _chapter(comparison, pointer, old, new)
        for column in (RESERVES, ADDS):
            if old.get(column) != new.get(column):
                yield _reservation(comparison, pointer, column, old, new)


def _taken(comparison: Comparison, pointer: str, new: Row) -> Iterator[Finding]:
    """Find the channels that a new profile reserves, and its actions that the old version already had.

    An old client may publish on any channel that its version does not reserve, and does not know the new profile.
    """
    reserved, added = (new.get(column, "") for column in (RESERVES, ADDS))
    if channels_in(reserved):
        what = (
            f"the new profile {new['profile']} reserves {', '.join(channels_in(reserved))}, where clients may publish"
        )
        yield Finding(CHANNELS_RESERVED, pointer, what, after=as_text(new), roles=("client",))
    taken = sorted(set(names_in(added)) & {row["message"] for row in comparison.old.tables["messages"].values()})
    if taken:
        what = f"the new profile {new['profile']} claims {', '.join(taken)}, which the old version already had"
        yield Finding(CHANNELS_RESERVED, pointer, what, after=as_text(new))
    for cell in (reserved, added):
        if says_more_than_names(cell):
            what = f"the gate cannot read which names the new profile {new['profile']} claims: {cell}"
            yield Finding(CHANNELS_RESERVED, pointer, what, after=cell)


def _chapter(comparison: Comparison, pointer: str, old: Row, new: Row) -> Finding:
    """Judge a profile with another chapter: it was renamed, or has another subject."""
    what = f"the chapter of the profile {new['profile']} was {old['chapter']}, and is {new['chapter']}"
    before, after = (
        _families(release, row["chapter"]) for release, row in ((comparison.old, old), (comparison.new, new))
    )
    rule = TABLE_REWORDED if before == after else PROFILE_MEMBER_MOVED
    return Finding(rule, pointer, what, old["chapter"], new["chapter"])


def _families(release: Release, chapter: str) -> set[str]:
    """Return the families of the requirements in a chapter, such as FRM."""
    sections = ((id_, rule.section.partition("#")[0]) for id_, rule in release.requirements.items())
    return {id_.partition("-")[0] for id_, section in sections if f"{section}.md" == chapter}


def _reservation(comparison: Comparison, pointer: str, column: str, old: Row, new: Row) -> Finding:
    before, after = (row.get(column, "") for row in (old, new))
    finding = difference(CHANNELS_RESERVED, pointer, new["profile"], {column: before}, {column: after})
    if column != ADDS or finding.rule is TABLE_REWORDED or says_more_than_names(after):
        return finding
    added = set(names_in(after)) - set(names_in(before))
    messages = {row["message"] for row in comparison.old.tables["messages"].values()}
    if set(names_in(before)) <= set(names_in(after)) and not added & messages:
        return Finding(PROFILE_EXTENDED, pointer, finding.what, finding.before, finding.after)
    return finding
