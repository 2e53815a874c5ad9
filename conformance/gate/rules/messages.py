"""The table of messages: their names, types, senders and schemas (spec, chapter 19)."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.gate.inputs.table_cells import is_same_channel
from conformance.gate.model.findings import BOTH, NOBODY, RECEIVERS, ROLES, Finding, Rule, peers_of
from conformance.gate.model.release import Release
from conformance.gate.model.spec_table import Row, Table
from conformance.gate.model.version import Step
from conformance.gate.rules.comparison import Comparison
from conformance.gate.rules.reserved_names import is_announced, is_reserved
from conformance.gate.rules.shared_rules import CHANNELS_RESERVED, PROFILE_MEMBER_MOVED, REMOVED_UNANNOUNCED

ACTION_DELETED = Rule(
    "action-deleted",
    BOTH,
    Step.MAJOR,
    "a message or action is no longer there",
    "Keep it, and deprecate its requirement. Remove it in a later major version, and reserve its name.",
)
MESSAGE_TYPE_CHANGED = Rule(
    "message-type-changed",
    BOTH,
    Step.MAJOR,
    "a message has another type, such as a request that became a notification",
    "Add a message with another name; peers would wait for answers that never come, or get unexpected ones.",
)
SENDER_CHANGED = Rule(
    "sender-changed",
    BOTH,
    Step.MAJOR,
    "a message is sent by the other side",
    "Add a message with another name for the other direction.",
)
PAYLOAD_SWAPPED = Rule(
    "payload-swapped",
    BOTH,
    Step.MAJOR,
    "another schema states the payload or the answer of a message",
    "Change the schema in a compatible way, or add a message with another name.",
)
CHANNEL_MOVED = Rule(
    "channel-moved",
    BOTH,
    Step.MAJOR,
    "a message is sent on another channel",
    "Offer it on the new channel under another name, and keep the old one.",
)
ACTION_ADDED = Rule("action-added", NOBODY, Step.MINOR, "a message or action is new", "Raise the minor version.")
ENVELOPE_ADDED = Rule(
    "envelope-added",
    BOTH,
    Step.MAJOR,
    "there is a new kind of whole message",
    "Send it as a request, a notification or a publication; the envelope never changes.",
)
EVENT_ADDED = Rule(
    "event-added",
    RECEIVERS,
    Step.MAJOR,
    "a server sends something new on a channel that clients of the old version listen to",
    "Send it on a channel of a new profile, which no old client listens to.",
)
RULES = (
    ACTION_DELETED,
    MESSAGE_TYPE_CHANGED,
    SENDER_CHANGED,
    PAYLOAD_SWAPPED,
    PROFILE_MEMBER_MOVED,
    CHANNEL_MOVED,
    CHANNELS_RESERVED,
    ACTION_ADDED,
    ENVELOPE_ADDED,
    EVENT_ADDED,
)


def check(comparison: Comparison) -> Iterator[Finding]:
    """Compare the rows of both tables of messages."""
    for table in ("envelopes", "messages"):
        yield from _compare(comparison, table, comparison.old.tables[table], comparison.new.tables[table])
    before, after = (_channels(release) for release in (comparison.old, comparison.new))
    for channel in sorted(before - after):
        if not is_reserved(comparison.new, "channel", channel):
            what = f"the channel {channel} was removed, but its name is not reserved in chapter 14"
            yield Finding(REMOVED_UNANNOUNCED, f"tables/messages/{channel}", what)


def _channels(release: Release) -> set[str]:
    return {row["channel"] for row in release.tables["messages"].values()}


def _compare(comparison: Comparison, table: str, old: Table, new: Table) -> Iterator[Finding]:
    added = {key: row for key, row in new.items() if key not in old}
    for key, row in old.items():
        if key in new:
            yield from _kept(table, key, row, new[key])
            continue
        moved = next((other for other, candidate in added.items() if candidate["message"] == row["message"]), None)
        if moved is None:
            yield from _gone(comparison, table, key, row)
        else:
            yield from _moved(table, moved, row, added.pop(moved))
    for key, row in added.items():
        yield _new(comparison, table, key, row)


def _kept(table: str, key: str, old: Row, new: Row) -> Iterator[Finding]:
    columns = {
        "type": MESSAGE_TYPE_CHANGED,
        "profile": PROFILE_MEMBER_MOVED,
        "payload": PAYLOAD_SWAPPED,
        "answer": PAYLOAD_SWAPPED,
        "schema": PAYLOAD_SWAPPED,
    }
    for column, rule in columns.items():
        before, after = old.get(column, ""), new.get(column, "")
        if before != after:
            what = f"{new['message']}: {column} was {before or 'nothing'}, and is {after or 'nothing'}"
            yield Finding(rule, f"tables/{table}/{key}", what, before, after)


def _moved(table: str, key: str, old: Row, new: Row) -> Iterator[Finding]:
    for column, rule in {"channel": CHANNEL_MOVED, "from": SENDER_CHANGED}.items():
        if old.get(column) != new.get(column):
            what = f"{new['message']}: {column} was {old[column]}, and is {new[column]}"
            yield Finding(rule, f"tables/{table}/{key}", what, old[column], new[column])
    yield from _kept(table, key, old, new)


def _gone(comparison: Comparison, table: str, key: str, row: Row) -> Iterator[Finding]:
    pointer, name = f"tables/{table}/{key}", row["message"]
    yield Finding(ACTION_DELETED, pointer, f"{name} was removed", before=" | ".join(row.values()))
    if not is_announced(comparison.old, name) or not is_reserved(comparison.new, "action", name):
        yield Finding(REMOVED_UNANNOUNCED, pointer, f"{name} was removed without being deprecated and reserved")


def _new(comparison: Comparison, table: str, key: str, row: Row) -> Finding:
    """Judge a new row: the old version may already define an answer to it, and an old client may receive it."""
    rule = ENVELOPE_ADDED if table == "envelopes" else _rule_of_new(comparison, row)
    roles = peers_of(row["from"]) if rule is EVENT_ADDED else ROLES
    return Finding(
        rule, f"tables/{table}/{key}", f"{row['message']} is new", after=" | ".join(row.values()), roles=roles
    )


def _rule_of_new(comparison: Comparison, row: Row) -> Rule:
    is_of_new_profile = bool(row["profile"]) and row["profile"] not in comparison.old.tables["profiles"]
    near = [
        each for each in comparison.old.tables["messages"].values() if is_same_channel(row["channel"], each["channel"])
    ]
    if is_of_new_profile and row["channel"] != "any":  # its own channel, on which old peers send nothing
        near = [each for each in near if each["channel"] != "any"]
    if any((each["message"], each["from"]) == (row["message"], row["from"]) for each in near):
        return PAYLOAD_SWAPPED
    there = [each for each in near if each["channel"] != "any" or row["channel"] == "any"]
    if row["from"] == "server":
        return EVENT_ADDED if there or not is_of_new_profile else ACTION_ADDED
    if not is_of_new_profile and (row["channel"] == "any" or not there):
        return CHANNELS_RESERVED
    owners = {each["profile"] for each in there if each["channel"] not in ("system", "any")}
    is_elsewhere = row["channel"] != "any" and bool(owners) and row["profile"] not in owners
    return PROFILE_MEMBER_MOVED if is_elsewhere else ACTION_ADDED
