"""Checks schema by schema that old and new peers accept each other's messages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Any

from conformance.gate.inputs.table_columns import PARTS
from conformance.gate.model.findings import BOTH, NOBODY, RECEIVERS, SENDERS, Finding, Rule, Witness, peers_of, roles_of
from conformance.gate.model.version import Step
from conformance.gate.rules.comparison import Comparison, Part
from conformance.gate.rules.schema_diff import IDENTIFIERS, differences, differing_places, without_texts
from conformance.gate.rules.shared_rules import SHAPE_REWRITTEN
from conformance.gate.schemas.abridged import abridged
from conformance.gate.schemas.containment import EXAMPLES, Answer, contains
from conformance.gate.schemas.json_pointer import split_pointer
from conformance.gate.schemas.references import absolute, value_at
from conformance.gate.schemas.views import ALTERNATIVES, Views
from conformance.protocol.codec import shorten

SENDERS_BROKEN = Rule(
    "senders-broken",
    SENDERS,
    Step.MAJOR,
    "a receiver of the new version refuses what a sender of the old one may send",
    "Accept what was accepted before. Put new demands into a new optional member or a new message.",
)
RECEIVERS_BROKEN = Rule(
    "receivers-broken",
    RECEIVERS,
    Step.MAJOR,
    "a sender of the new version may send what a receiver of the old one refuses",
    "Do not send new values in an old place. Put them into a new optional member of an open object.",
)
UNDECIDED = Rule(
    "undecided",
    BOTH,
    Step.MAJOR,
    "the gate cannot decide whether old and new peers accept each other's messages",
    "Simplify the schema (no overlapping oneOf, no nested not), or waive this and say why it is safe.",
)
SHAPE_EXTENDED = Rule(
    "shape-extended",
    NOBODY,
    Step.MINOR,
    "a message differs in a way that old peers ignore or never use",
    "Raise the minor version.",
)
UNSEEN_CHANGED = Rule(
    "unseen-changed",
    BOTH,
    Step.MAJOR,
    "a schema changed in a place that no message of the tables has",
    "Name the schema in the tables of chapter 19, so that the gate can judge it, or waive this and say why it is safe.",
)
RULES = (SENDERS_BROKEN, RECEIVERS_BROKEN, UNDECIDED, SHAPE_EXTENDED, SHAPE_REWRITTEN, UNSEEN_CHANGED)

Progress = Callable[[str], None]


def check(comparison: Comparison, progress: Progress) -> Iterator[Finding]:
    """Compare the parts of every message that both versions have."""
    grouped: dict[tuple[Rule, tuple[str, ...]], list[tuple[Part, Finding]]] = defaultdict(list)
    seen: set[str] = set()
    for old, new in comparison.parts():
        places = tuple(differing_places(comparison, old, new))
        seen.update(places)
        if not places and old.reference == new.reference:
            continue
        progress(f"{new.title}: looking for a message that one side refuses")
        places = places or (f"tables/{new.table}/{new.key}",)
        known = {rule for rule, same in grouped if same == places}
        open_questions = sum(rule is UNDECIDED for rule, _ in grouped)
        examples = 0 if known else EXAMPLES // (1 + open_questions)  # so that many of them do not take forever
        for finding in _judge(comparison, old, new, known, examples):
            grouped[finding.rule, places].append((new, finding))
    for (_, places), found in grouped.items():
        yield _merged(places, found)
    yield from _unseen(comparison, seen)


def _unseen(comparison: Comparison, seen: Collection[str]) -> Iterator[Finding]:
    """Judge differences in schemas that are no part of a message: lists of schemas, and unused schemas."""
    for name in sorted(comparison.old.schemas.keys() & comparison.new.schemas.keys() & comparison.changed_schemas):
        old, new = (without_texts(release.schemas[name]) for release in (comparison.old, comparison.new))
        for pointer in differences(old, new):
            place, tokens = f"schemas/{name}#{pointer}", split_pointer(pointer)
            if place in seen or tokens[-1] in IDENTIFIERS or _is_definition_gone(tokens, new):
                continue
            rule = _judge_definition(tokens, old) if tokens[:1] == ["$defs"] else _judge_list(comparison, name)
            before, after = (shorten(value_at(schema, tokens)) for schema in (old, new))
            yield Finding(rule, place, f"{name}: {rule.title}", before, after)


def _is_definition_gone(tokens: list[str], new: Any) -> bool:
    """Return true if an entry of $defs was removed, which has its own rule."""
    return tokens[:1] == ["$defs"] and len(tokens) == 2 and tokens[1] not in new.get("$defs", {})


def _judge_definition(tokens: list[str], old: Any) -> Rule:
    return SHAPE_REWRITTEN if value_at(old, tokens[:2]) is None else UNSEEN_CHANGED


def _judge_list(comparison: Comparison, name: str) -> Rule:
    """Judge a schema that offers others as alternatives: old ones must be unchanged, and new ones distinct."""
    before, after = (_alternatives(views, name) for views in (comparison.old_views, comparison.new_views))
    kept = bool(before) and all(
        other in after and contains(after[other], schema).holds and contains(schema, after[other]).holds
        for other, schema in before.items()
    )
    if not kept or not contains(comparison.new_views.receiver(name), comparison.old_views.receiver(name)).holds:
        return UNSEEN_CHANGED
    named = {
        row.get(column)
        for table in ("envelopes", "messages")
        for row in comparison.new.tables[table].values()
        for column in PARTS[table]
    }
    if any(other.removesuffix("#") not in named for other in after.keys() - before.keys()):
        return UNSEEN_CHANGED
    return SHAPE_REWRITTEN if before.keys() == after.keys() else SHAPE_EXTENDED


def _alternatives(views: Views, name: str) -> dict[str, Any]:
    """Return each alternative that a schema offers by reference, and the rest of the schema; nothing without any."""
    document = views.document(name)
    listed = [each for key in ALTERNATIVES for each in document.get(key, [])]
    if not all(isinstance(each, dict) and list(each) == ["$ref"] for each in listed):
        return {}
    rest = {key: value for key, value in views.receiver(name).items() if key not in ALTERNATIVES}
    references = [absolute(name, each["$ref"]) for each in listed]
    return {reference: {"allOf": [rest, views.receiver(reference)]} for reference in references}


def _merged(places: tuple[str, ...], found: list[tuple[Part, Finding]]) -> Finding:
    """Merge the findings that a single difference caused in several messages."""
    part, first = found[0]
    further = dict.fromkeys(each.title for each, _ in found if each.title != part.title)
    breaks = tuple(dict.fromkeys(direction for _, finding in found for direction in finding.directions))
    roles = tuple(dict.fromkeys(role for _, finding in found for role in finding.roles))
    return replace(first, pointer=places[0], also=(*further, *places[1:]), breaks=breaks, roles=roles)


def _judge(comparison: Comparison, old: Part, new: Part, known: Collection[Rule], examples: int) -> Iterator[Finding]:
    """Judge a part of a message.

    Args:
        comparison: both versions.
        old: the part in the old one.
        new: the part in the new one.
        known: the findings of the same difference in other messages. A rule that it did not break there, and that a
            quick search does not find broken here, gets no long search.
        examples: number of examples to try if there is no other answer.
    """
    receivers = comparison.old_views.receiver(old.reference), comparison.new_views.receiver(new.reference)
    senders = comparison.sender(comparison.old_views, old), comparison.sender(comparison.new_views, new)
    further = comparison.examples(new.column)
    forth = contains(receivers[1], senders[0], further, examples=examples)
    back = contains(receivers[0], senders[1], further, examples=examples)
    broken = [
        *_broken(comparison, new, SENDERS_BROKEN, forth, known),
        *_broken(comparison, new, RECEIVERS_BROKEN, back, known),
    ]
    yield from broken
    if forth.holds and back.holds:
        views = ((one, other) for a, b in (receivers, senders) for one, other in ((a, b), (b, a)))
        same = all(contains(one, other, examples=0).holds for one, other in views)
        rule = SHAPE_REWRITTEN if same else SHAPE_EXTENDED
        yield Finding(rule, "", f"{new.title}: {rule.title}")


def _broken(
    comparison: Comparison, part: Part, rule: Rule, answer: Answer, known: Collection[Rule]
) -> Iterator[Finding]:
    if answer.holds:
        return
    roles = (roles_of if rule is SENDERS_BROKEN else peers_of)(part.sender)
    if answer.values:
        sender, receiver = (
            (comparison.old, comparison.new) if rule is SENDERS_BROKEN else (comparison.new, comparison.old)
        )
        names = _sides(sender is comparison.old, str(sender.version), str(receiver.version))
        witness = Witness(_whole(part, answer.values[0]), *names, answer.reason)
        shown = shorten(abridged(answer.values[0]), 120)
        yield Finding(rule, "", f"{part.title}: {rule.title}: {shown}", witness=witness, roles=roles)
    elif rule not in known:
        yield Finding(
            UNDECIDED, "", f"{part.title}: {_UNDECIDED[rule]}: {answer.reason}", breaks=rule.breaks, roles=roles
        )


_UNDECIDED = {
    SENDERS_BROKEN: "the gate cannot decide whether the new version accepts all that the old one may send",
    RECEIVERS_BROKEN: "the gate cannot decide whether the old version accepts all that the new one may send",
}


def _sides(is_old_sender: bool, sender: str, receiver: str) -> tuple[str, str]:
    """Name the two sides, even if the version number did not change yet."""
    if sender != receiver:
        return sender, receiver
    return (sender, f"{receiver} (as changed)") if is_old_sender else (f"{sender} (as changed)", receiver)


def _whole(part: Part, value: Any) -> Any:
    """Wrap a payload in an envelope."""
    if part.column == "schema":
        return value
    row = part.row
    is_answer = part.column == "answer"
    channel = row["channel"]
    return {
        "message_id": "witness",
        "app_id": "app",
        "channel_id": {"any": "channel", "`queue:` and a name": "queue:name"}.get(channel, channel),
        "message_type": "response" if is_answer else row["type"],
        "payload": value,
        "timestamp": 0,
        **({"reply_to": "request"} if is_answer or row["type"] == "response" else {}),
    }
