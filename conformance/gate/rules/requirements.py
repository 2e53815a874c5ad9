"""The requirements: their ids, sentences, levels and targets."""

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
from conformance.gate.model.version import Step, Version
from conformance.gate.rules.comparison import Comparison
from conformance.gate.rules.core_duties import contradicted_duty, harms_older_peers
from conformance.gate.rules.core_limits import contradicted_limit
from conformance.gate.rules.limits import breaks_of_looser
from conformance.gate.rules.wording import is_only_wording
from conformance.protocol.requirements import Requirement

REQUIREMENT_DELETED = Rule(
    "requirement-deleted",
    BOTH,
    Step.NEVER,
    "a requirement is no longer in the text",
    "Restore the sentence with the note *Withdrawn: VERSION.*; an id is never removed.",
)
REQUIREMENT_REUSED = Rule(
    "requirement-reused",
    BOTH,
    Step.NEVER,
    "an id that was withdrawn is in use again",
    "Give the new rule a number that was never used.",
)
REQUIREMENT_CHANGED = Rule(
    "requirement-changed",
    BOTH,
    Step.NEVER,
    "a requirement says something else under the same id",
    "Withdraw the old sentence and give the new one its own id. "
    "If only the wording changed, waive this and say why the meaning is the same.",
)
REQUIREMENT_REWORDED = Rule(
    "requirement-reworded",
    NOBODY,
    Step.PATCH,
    "a requirement has another wording and demands the same",
    "Raise the patch version and add it to the changelog.",
)
LEVEL_RAISED = Rule(
    "level-raised",
    BOTH,
    Step.MAJOR,
    "a requirement binds more strictly than before",
    "Keep the level; implementations that conform today would no longer conform.",
)
LEVEL_LOWERED = Rule(
    "level-lowered",
    BOTH,
    Step.MAJOR,
    "a requirement binds less strictly than before",
    "Keep the level; peers rely on it.",
)
TARGET_CHANGED = Rule(
    "target-changed",
    BOTH,
    Step.MAJOR,
    "a requirement binds another role",
    "Give the other role its own requirement.",
)
DUTY_ADDED = Rule(
    "duty-added",
    BOTH,
    Step.MAJOR,
    "there is a new duty about something that existed before",
    "Bind it to something new (a member, an action, a profile) or to peers that state the new version, or make it a "
    "SHOULD. "
    "If every conforming implementation already fulfils it, waive this and say why.",
)
REQUIREMENT_ADDED = Rule(
    "requirement-added",
    NOBODY,
    Step.MINOR,
    "there is a new requirement about something new or for peers that state the new version, or a SHOULD",
    "Raise the minor version.",
)
REQUIREMENT_WITHDRAWN = Rule(
    "requirement-withdrawn",
    BOTH,
    Step.MAJOR,
    "a requirement was withdrawn",
    "Deprecate it first, and withdraw it in a major version; peers rely on it.",
)
REQUIREMENT_DEPRECATED = Rule(
    "requirement-deprecated",
    NOBODY,
    Step.MINOR,
    "a requirement is deprecated, or no longer deprecated",
    "Raise the minor version.",
)
SINCE_WRONG = Rule(
    "since-wrong",
    NOBODY,
    Step.NEVER,
    "the *Since* note of a requirement is missing or wrong",
    "Add *Since: VERSION.* to a new requirement, with the version that adds it. Leave older requirements unchanged.",
)
REQUIREMENT_MOVED = Rule(
    "requirement-moved",
    NOBODY,
    Step.PATCH,
    "a requirement stands in another chapter",
    "Raise the patch version. Links to the chapter change.",
)
VERIFICATION_CHANGED = Rule(
    "verification-changed",
    NOBODY,
    Step.PATCH,
    "a requirement is checked by other means, or excluded for another reason",
    "Raise the patch version. The ledger checks the evidence.",
)
VERIFICATION_DROPPED = Rule(
    "verification-dropped",
    BOTH,
    Step.MAJOR,
    "a requirement that was checked is excluded from being checked",
    "Keep the check; an unchecked promise is weaker.",
)
RULES = (
    REQUIREMENT_DELETED,
    REQUIREMENT_REUSED,
    REQUIREMENT_CHANGED,
    REQUIREMENT_REWORDED,
    LEVEL_RAISED,
    LEVEL_LOWERED,
    TARGET_CHANGED,
    DUTY_ADDED,
    REQUIREMENT_ADDED,
    REQUIREMENT_WITHDRAWN,
    REQUIREMENT_DEPRECATED,
    SINCE_WRONG,
    REQUIREMENT_MOVED,
    VERIFICATION_CHANGED,
    VERIFICATION_DROPPED,
)

_STRICTNESS = {"may": 0, "should": 1, "must": 2}
_KEY_WORD = re.compile(r"\b(MUST|SHOULD|MAY)\b")
_SPAN = re.compile(r"`([^`]+)`")
_OF_VERSION = re.compile(
    r"A (?:server|client) that states (?:(?:`protocol`|protocol|version|protocol version) )?"
    r"(?P<quotes>[`\"]*)([0-9.]+)(?P=quotes) or (?:later|newer|higher) (?:MUST|SHOULD|MAY)\b"
)
"""A duty of those who state a version. Without *or later*, it would not bind those of the version after."""


def check(comparison: Comparison) -> Iterator[Finding]:
    """Compare the requirements by their ids."""
    for id_, old in comparison.old.requirements.items():
        new = comparison.new.requirements.get(id_)
        if new is None:
            yield _deleted(comparison, old)
        else:
            yield from _kept(old, new)
            was, is_ = (_profile_of(release, rule) for release, rule in ((comparison.old, old), (comparison.new, new)))
            if was != is_:
                what = (
                    f"{id_} was for {was or 'every peer'}, and is for {is_ or 'every peer'}: it is in another chapter"
                )
                yield Finding(TARGET_CHANGED, f"requirements/{id_}", what, was, is_)
    for id_, new in comparison.new.requirements.items():
        if id_ not in comparison.old.requirements:
            yield from _added(comparison, new)


def _profile_of(release: Release, rule: Requirement) -> str:
    """Return the profile whose chapter contains a requirement, or nothing for a requirement of the core."""
    chapter = f"{rule.section.partition('#')[0]}.md"
    return next((name for name, row in release.tables["profiles"].items() if row["chapter"] == chapter), "")


def _deleted(comparison: Comparison, old: Requirement) -> Finding:
    added = (rule for id_, rule in comparison.new.requirements.items() if id_ not in comparison.old.requirements)
    same = next((rule.id for rule in added if is_only_wording(rule.text, old.text)), None)
    what = f"{old.id} is now called {same}" if same else f"{old.id} was removed"
    return Finding(REQUIREMENT_DELETED, f"requirements/{old.id}", what, before=old.text)


def _kept(old: Requirement, new: Requirement) -> Iterator[Finding]:
    pointer = f"requirements/{new.id}"
    if old.status == "withdrawn" != new.status:
        yield Finding(REQUIREMENT_REUSED, pointer, f"{new.id} was withdrawn, and is {new.status}", old.text, new.text)
        return
    if old.text != new.text:
        yield from _text(pointer, old, new)
    if old.target != new.target:
        yield Finding(
            TARGET_CHANGED, pointer, f"{new.id} bound {old.target}, and binds {new.target}", old.target, new.target
        )
    if old.status != new.status:
        rule = REQUIREMENT_WITHDRAWN if new.status == "withdrawn" else REQUIREMENT_DEPRECATED
        what = f"{new.id} was {old.status}, and is {new.status}"
        yield Finding(rule, pointer, what, old.status, new.status, roles=peers_of(new.target))
    if old.since != new.since:
        yield Finding(SINCE_WRONG, pointer, f"{new.id} exists since {old.since}, not {new.since}", old.since, new.since)
    if old.section.partition("#")[0] != new.section.partition("#")[0]:
        what = f"{new.id} is now in {new.section}"
        yield Finding(REQUIREMENT_MOVED, pointer, what, old.section, new.section)
    if (old.verify, old.reason) != (new.verify, new.reason):
        is_drop = new.verify == "excluded" != old.verify
        rule = VERIFICATION_DROPPED if is_drop else VERIFICATION_CHANGED
        yield Finding(
            rule,
            pointer,
            f"{new.id} was verified by {old.verify}, and is now verified by {new.verify}",
            old.verify,
            new.verify,
            roles=peers_of(new.target),
        )


def _text(pointer: str, old: Requirement, new: Requirement) -> Iterator[Finding]:
    if old.level != new.level:
        rule = LEVEL_RAISED if _STRICTNESS[new.level] > _STRICTNESS[old.level] else LEVEL_LOWERED
        what = f"{new.id} was a {old.level.upper()}, and is a {new.level.upper()}"
        roles = (roles_of if rule is LEVEL_RAISED else peers_of)(new.target)
        yield Finding(rule, pointer, what, old.text, new.text, roles=roles)
    before, after = (_KEY_WORD.sub("MUST", rule.text) for rule in (old, new))
    if old.level == new.level or before != after:
        if is_only_wording(before, after):
            yield Finding(REQUIREMENT_REWORDED, pointer, f"{new.id} is worded differently", old.text, new.text)
        elif old.target == new.target or not _differ_in_subject(before, after):
            yield Finding(REQUIREMENT_CHANGED, pointer, f"{new.id} says something else", old.text, new.text)


def _differ_in_subject(before: str, after: str) -> bool:
    """Return true if two sentences differ only in the role that they bind, which has its own rule."""
    rest = [text.split(" ", 2)[2:] for text in (before, after)]
    return rest[0] == rest[1]


def _added(comparison: Comparison, new: Requirement) -> Iterator[Finding]:
    pointer = f"requirements/{new.id}"
    if Version.parse(new.since) != Version(comparison.new.version.major, comparison.new.version.minor):
        what = f"{new.id} is new in {comparison.new.version}, but says that it exists since {new.since}"
        yield Finding(SINCE_WRONG, pointer, what, after=new.since)
    is_of_some = _is_of_profile(comparison, new) or _is_of_the_version(comparison, new)
    limit = contradicted_limit(comparison.old, new) if is_of_some and new.is_must else None
    if limit and new.status != "withdrawn":
        what = f"{new.id} contradicts the limit of {limit['rule']}: {limit['limit']}, {limit['bound']} {limit['value']}"
        yield Finding(
            DUTY_ADDED,
            pointer,
            f"{what} {limit['unit']}",
            after=new.text,
            breaks=breaks_of_looser(limit),
            roles=peers_of(new.target),
        )
    elif new.status != "withdrawn" and (broken := contradicted_duty(comparison.old, new)):
        what = f"{new.id} contradicts {broken.id}: {broken.text}"
        yield Finding(DUTY_ADDED, pointer, what, broken.text, new.text, roles=peers_of(new.target))
    elif new.status == "withdrawn" or new.level == "should" or _is_about_something_new(comparison, new):
        yield Finding(REQUIREMENT_ADDED, pointer, f"{new.id} is new", after=new.text)
    elif _is_of_the_version(comparison, new) and harms_older_peers(comparison.old, new):
        what = f"{new.id} has peers of {new.since} do what peers of {comparison.old.version} do not survive"
        yield Finding(DUTY_ADDED, pointer, what, after=new.text, roles=peers_of(new.target))
    elif _is_of_the_version(comparison, new):
        what = f"{new.id} is new, and binds only peers that state {new.since} or later"
        yield Finding(REQUIREMENT_ADDED, pointer, what, after=new.text)
    else:
        what = f"{new.id} is a new {new.level.upper()} about something that {comparison.old.version} already had"
        roles = (peers_of if new.level == "may" else roles_of)(new.target)
        yield Finding(DUTY_ADDED, pointer, what, after=new.text, breaks=_bound(new), roles=roles)


def _is_of_profile(comparison: Comparison, rule: Requirement) -> bool:
    return bool(_profile_of(comparison.new, rule))


def _is_of_the_version(comparison: Comparison, rule: Requirement) -> bool:
    """Return true if a requirement binds only peers that state the version in which it is new."""
    stated = _OF_VERSION.match(rule.text)
    return stated is not None and stated[2] == rule.since and Version.parse(rule.since) > comparison.old.version


def _is_about_something_new(comparison: Comparison, rule: Requirement) -> bool:
    """Return true if a requirement names something that the old version did not have, or is part of a new profile."""
    chapter = rule.section.partition("#")[0]
    profiles = {name: row["chapter"].removesuffix(".md") for name, row in comparison.new.tables["profiles"].items()}
    is_of_new_profile = chapter in {
        each for name, each in profiles.items() if name not in comparison.old.tables["profiles"]
    }
    if is_of_new_profile and not any(
        old.section.partition("#")[0] == chapter for old in comparison.old.requirements.values()
    ):
        return True
    spans = {word.strip('"') for span in _SPAN.findall(rule.text) for word in (span, *re.split(r"[^\w:-]+", span))}
    return bool(spans & comparison.added_names())


def _bound(rule: Requirement) -> tuple[Direction, ...]:
    """Return who no longer conforms, senders or receivers, as far as the sentence says."""
    words = rule.text.split(" ", 2)[1]
    return {"sender": SENDERS, "receiver": RECEIVERS}.get(words, BOTH)
