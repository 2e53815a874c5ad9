"""Finds new sentences that old peers do not survive, as far as a program can read polarity, verbs and objects."""

from __future__ import annotations

import re

from conformance.gate.model.release import Release
from conformance.protocol.requirements import Requirement

_DUTY = re.compile(
    r"\b(?:MUST|SHOULD|MAY)( NOT| never)? "
    r"(?:(?:(?!apply|comply|rely|reply|supply|multiply)\w+ly|also|always|either|first|further|instead|then) )*"
    r"(\w+) (.*)",
    re.DOTALL,
)
"""A key word, a negation, adverbs, the verb and the rest of a sentence."""
_OBJECT_ENDS = re.compile(
    r"\b(?:with|without|of|that|which|whose|when|on|from|to|in|within|until|for|because|before|after)\b|,"
)
_MANNER = ("with", "within")
"""What begins so says how something is done, and not to what the sentence is limited."""
_PARTNER = ("to", "on", "from")
"""What begins so names a peer or a channel; whether it is among those of another sentence, words do not tell."""
_WORD = re.compile(r"`[^`]+`|[A-Za-z]+")
_SMALL = {"a", "an", "the", "every", "each", "any", "and", "or", "action", "actions", "message", "messages"}
_ENDING = (
    "refuse|reject|decline|deny|close|end|drop|discard|disconnect|ignore|skip|omit|suppress|lose|forget|abandon|shed"
    "|terminate|abort|cancel|kill|cut|shut|stop|throttle"
)
_HARM = re.compile(
    rf"^(?:{_ENDING})\b|\band (?:{_ENDING})\b|\b(?:fatal|older|earlier|previous|lost|twice|repeatedly)\b"
    r"|\bwithout (?:an |any )?(?:answer|response|error)s?\b",
    re.IGNORECASE,
)
_ALTERING = (
    "compress|encrypt|encode|shorten|truncate|trim|strip|round|convert|translate|rewrite|rename|replace|prefix|prepend"
    "|append|sort|reorder|rearrange|merge|split|mask|redact|normali[sz]e"
)
_ALTERS = re.compile(
    rf"^(?:{_ALTERING})\b|\band (?:{_ALTERING})\b|^leave\b.*\bout\b|^put\b.*\bin front of\b", re.IGNORECASE | re.DOTALL
)
"""What alters messages on their way, so that older peers read something else than was sent."""
_STRING = re.compile(r"`\"[^`]*\"`")
_OF_SERVERS = re.compile(
    r"^(?:publish|emit|push|broadcast|notify|inform|tell|signal|delay|defer|hold|wait|withhold|postpone)\b"
    r"|^send (?:an? )?(?:`?(?:publish|notification)|event)"
    r"|^(?:treat|interpret|regard|consider)\b|\bas an? (?:string|number|integer|boolean|object|array|list)\."
    r"|^(?:demand|require|insist)\b|\bbefore the acknowledgement\b|^keep\b.*\bbefore it\b"
    r"|^(?:deliver|hand|forward|pass)\b.*(?:\bto (?:one|1|a single)\b|\b(?:first|last)\.)",
    re.IGNORECASE | re.DOTALL,
)
"""What a server does that sends something nobody asked for, or demands what older clients do not have.

It may also let them wait, or deliver to some only, or in another order, or read something else in what they sent.
"""
_SERVING = (
    *(
        "accept",
        "acknowledge",
        "answer",
        "deliver",
        "execute",
        "forward",
        "handle",
        "process",
        "read",
        "relay",
        "reply",
    ),
    *("respond", "serve"),
)


def contradicted_duty(release: Release, rule: Requirement) -> Requirement | None:
    """Return the requirement of a version that demands what a new one forbids, or forbids what it demands, or None.

    Either they differ in nothing but a string that they demand, or both have the same verb, and all objects of the new
    sentence are objects of the old one. One of them is a code span in a sentence, because a plain word such as
    *request* says too little. If both are limited to something, it must be the same thing: other limits may exclude
    each other.

    Args:
        release: the version whose peers rely on its requirements.
        rule: the new requirement.
    """
    said = _read(rule)
    for other in release.requirements.values() if said else ():
        known = _read(other) if other.is_must and other.status != "withdrawn" and _share_a_role(other, rule) else None
        if known and _differ_in_a_string(other.text, rule.text):
            return other
        if not (known and said) or known[:2] != (not said[0], said[1]):
            continue
        if _is_inside(said[2], known[2]) and _may_meet(said[3], known[3]):
            return other
    return None


def harms_older_peers(release: Release, rule: Requirement) -> bool:
    """Return true if a duty of peers that state a version harms older peers.

    It refuses, ends, repeats, alters or leaves out something, or lets servers send events that nobody asked for, delay
    answers, or demand something before they serve.

    Args:
        release: the version, whose error codes are known.
        rule: the requirement.
    """
    duty = _DUTY.search(rule.text)
    if not duty:
        return False
    if duty[1]:
        return duty[2].lower() in _SERVING
    said = f"{duty[2]} {duty[3]}"
    if rule.target != "client" and _OF_SERVERS.search(said):
        return True
    codes = {each.strip("`") for each in _WORD.findall(duty[3]) if each.startswith("`")}
    return bool(_HARM.search(said) or _ALTERS.search(said) or codes & set(release.tables["error-codes"]))


def _differ_in_a_string(old: str, new: str) -> bool:
    """Return true if two duties are the same except for the strings that they demand."""
    was, is_ = (_DUTY.search(text) for text in (old, new))
    if not (was and is_) or was[0] == is_[0]:
        return False
    return bool(_STRING.search(was[0])) and _STRING.sub("", was[0]) == _STRING.sub("", is_[0])


def _share_a_role(one: Requirement, other: Requirement) -> bool:
    return one.target == other.target or "both" in (one.target, other.target)


def _read(rule: Requirement) -> tuple[bool, str, set[str], str] | None:
    """Return whether a sentence forbids, its verb, its objects, and what it is limited to; None if it is no duty."""
    duty = _DUTY.search(rule.text)
    if not duty or rule.level == "may":
        return None
    end = _OBJECT_ENDS.search(duty[3])
    named, rest = (duty[3][: end.start()], duty[3][end.start() :]) if end else (duty[3], "")
    objects = {each for each in _WORD.findall(named) if each.lower() not in _SMALL}
    return bool(duty[1]), duty[2].lower(), objects, "" if rest.startswith(_MANNER) else rest


def _may_meet(new: str, old: str) -> bool:
    """Return true if a new sentence may be about what an old one is about, by what both are limited to."""
    return new == old or (not (new and old) and not (new or old).startswith(_PARTNER))


def _is_inside(new: set[str], old: set[str]) -> bool:
    """Return true if all objects of one sentence are objects of another, one of them as a code span."""
    plain, known = ({each.strip("`").lower() for each in found} for found in (new, old))
    return bool(new) and plain <= known and any(each.startswith("`") for each in (*new, *_named(old, plain)))


def _named(objects: set[str], words: set[str]) -> set[str]:
    return {each for each in objects if each.strip("`").lower() in words}
