"""Detects whether two sentences mean the same, as far as a program can be sure."""

from __future__ import annotations

import re
from collections import Counter

from conformance.gate.rules.synonyms import plainly

_TOKEN = re.compile(r"`[^`]+`|[\w'/.-]*\w|[^\w\s]")
_ARITHMETIC = re.compile(r"-?\([^()a-zA-Z]*[-+*/^][^()a-zA-Z]*\)|(?<![\w)])-(?=[0-9(])|(?<=[0-9)]) - (?=[0-9(])")
"""Brackets around a calculation, and signs of numbers: here they are no punctuation."""
_HYPHEN = re.compile(r"(?<=[a-z])-(?=[a-z])")
_BRITISH = re.compile(r"(?<=[a-z]{3})is(?=(?:e|es|ed|ing|ation)$)")
"""The part of words such as *recognise* that American English writes with a z."""
_IS_DEFINITE = {"a": False, "an": False, "the": True}
_PHRASE = 3
"""If a code span is among so many words after an article, it identifies the thing: the article does not matter."""
_SIGNS = {ord("("): "\u27e8", ord(")"): "\u27e9", ord("-"): "\u2212"}
_WITHOUT_WEIGHT = {",", ";", ":", ".", "(", ")", '"', "*", "_", "—", "-"}
_UNCOUNTED = re.compile(
    r"\b[A-Z]{3}-[0-9]{3}\b|\b[Oo]ne\b(?! (?:(?:milli)?second|minute|hour|day|octet|byte|(?:kibi|mebi|gibi)byte)\b)"
)
"""Ids, and *one* without a unit, which is often an article."""
_VERBS = "must|shall|may|might|should|can|could|(?:has|have|had|needs?|ought|free) to"
_DUTIES = (
    "cannot|needs?|needed|necessary|obliged|mandatory|obligatory|compulsory|required|optional|optionally|recommended"
    "|discouraged|advised|allows?|allowed|permits?|permitted|forbids?|forbidden|prohibits?|prohibited|disallows?|disallowed"
)
_NEGATIONS = r"no|not|none|never|neither|nor|nobody|nothing|nowhere|without|instead|rather|only|solely|\w+n['\u2019]t"
_FREQUENCIES = (
    "always|usually|normally|generally|typically|sometimes|often|seldom|rarely|possibly|once|twice|thrice|repeatedly"
)
_TIMES = (
    "before|after|afterwards|until|till|since|upon|while|during|already|still|later|latest|earlier|earliest|immediately"
    "|utc|local|now|today|tomorrow|noon|midnight|(?:re)?starts?|(?:re)?started|ends?|ended|begins?|began|begun|stops?|stopped|expires?|expired"
)
_UNITS = (
    "percent|(?:nano|micro|milli)?seconds?|ms|minutes?|hours?|days?|weeks?|months?|years?"
    "|(?:kilo|mega|giga|kibi|mebi|gibi)?(?:bytes?|bits?)|[kmg]i?b|octets?|characters?|digits?|levels?|code points?"
)
_EFFECTS = (
    "ignor(?:e|es|ed)|refus(?:e|es|ed)|rejects?|rejected|declines?|declined|den(?:y|ies|ied)|accepts?|accepted"
    "|drops?|dropped|discards?|discarded|skips?|skipped|omits?|omitted|deletes?|deleted|removes?|removed|los(?:es|t)"
    "|clos(?:e|es|ed)|vain|failed|fails?|successful|succeeds?|unique|distinct"
)
_THINGS = (
    "applications?|connections?|channels?|queues?|jobs?|leases?|services?|instances?|items?|handlers?"
    "|requests?|responses?|events?|frames?|tokens?|servers?|clients?|peers?|senders?|receivers?|subscribers?|publishers?"
)
_CONDITIONS = (
    "if|unless|when|whenever|provided|as long as|so long as|in case|whether|otherwise|regardless|despite"
    "|from|except|excluding|including|inclusive|exclusive"
)
_AMOUNTS = (
    "two|three|four|five|six|seven|eight|nine|ten|twelve|dozen|twenty|thirty|sixty|hundred|thousand|million|half|double"
    "|all|any|both|either|exactly|precisely|approximately|roughly|nearly|at least|at most|up to"
    "|above|below|beyond|between|within|exceeds?|exceeding|minimum|maximum|minimal|maximal|least|most|more"
    "|less|fewer|fewest|larger|largest|bigger|biggest|smaller|smallest|greater|greatest|longer|longest|shorter|shortest"
    "|deeper|deepest|higher|highest|lower|lowest|oldest|older|newest|newer|first|last"
)
_KINDS = (_VERBS, _DUTIES, _NEGATIONS, _FREQUENCIES, _TIMES, _UNITS, _EFFECTS, _THINGS, _CONDITIONS, _AMOUNTS)
_QUANTITY = re.compile(rf"`[^`]+`|[0-9]+(?:[.,][0-9]+)*|\b(?:{'|'.join(_KINDS)})\b", re.IGNORECASE)
"""What a value can hang on: code spans, numbers, and words of these kinds, synonyms too."""
_VERB = re.compile(_VERBS)


def is_only_wording(before: str, after: str) -> bool:
    """Return true if two sentences differ only in ways that cannot change a duty.

    These are punctuation, emphasis, the capital at the beginning of a word, missing articles, compound spelling, and
    the amounts and phrases of `synonyms`; code spans and key words must be equal. Any other synonym may be harmless
    too, but a program cannot know that. Nor can it know if *the* connection is *a* connection, while *the* error
    `forbidden` is *an* error `forbidden`.
    """
    (words, articles), (other_words, other_articles) = _read(plainly(before)), _read(plainly(after))
    both = articles.keys() & other_articles.keys()
    return words == other_words and all(articles[place] == other_articles[place] for place in both)


def has_same_quantities(before: str, after: str) -> bool:
    """Return true if two texts have the same numbers, units, code spans, duties, bounds, negations and conditions.

    Ids do not count. A synonym that `synonyms` does not know is another word.
    """
    return before == after or _quantities(before) == _quantities(after)


def describes_the_same(before: str, after: str) -> bool:
    """Return true if two descriptions of a value have the same numbers, units, comparatives, negations and conditions.

    The second one may omit names and verbs such as *must*, and repeat names, but not mention other names or verbs.
    """
    was, is_ = _quantities(before), _quantities(after)
    omitted, added = was - is_, is_ - was
    return all(_is_name(each) or _VERB.fullmatch(each) for each in omitted) and all(
        _is_name(each) and each in was for each in added
    )


def _is_name(word: str) -> bool:
    return word.startswith("`")


def _quantities(text: str) -> Counter[str]:
    return Counter(each.lower().removesuffix("s") for each in _QUANTITY.findall(plainly(_UNCOUNTED.sub("", text))))


def _read(sentence: str) -> tuple[str, dict[int, bool]]:
    """Return the significant parts of a sentence, and for each article in it whether it is definite."""
    words, articles = "", {}
    tokens = _TOKEN.findall(_ARITHMETIC.sub(_as_word, sentence).replace("\u2019", "'"))
    for number, token in enumerate(tokens, start=1):
        if token.lower() in _IS_DEFINITE:
            if not any(each.startswith("`") for each in tokens[number : number + _PHRASE]):
                articles[len(words)] = _IS_DEFINITE[token.lower()]
        elif token not in _WITHOUT_WEIGHT:
            word = _plain(token)
            is_one_word = words[-1:].islower() and word[0].islower()
            words += word if is_one_word else f" {word}"
    return words, articles


def _as_word(calculation: re.Match[str]) -> str:
    return calculation[0].translate(_SIGNS)


def _plain(token: str) -> str:
    if token.startswith("`") or token.isupper():
        return token
    return _BRITISH.sub("iz", _HYPHEN.sub("", token[0].lower() + token[1:]))
