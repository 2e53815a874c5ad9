"""Whether a sentence still says the same: the little that a program can be sure of."""

from __future__ import annotations

import re
from collections import Counter

_TOKEN = re.compile(r"`[^`]+`|[\w'/.-]*\w|[^\w\s]")
_HYPHEN = re.compile(r"(?<=[a-z])-(?=[a-z])")
_IS_DEFINITE = {"a": False, "an": False, "the": True}
_PHRASE = 3
"""Words behind an article among which a code span names what is meant, so that the article does not matter."""
_WITHOUT_WEIGHT = {",", ";", ":", ".", "(", ")", '"', "*", "_", "—", "-"}
_IDS = re.compile(r"\b[A-Z]{3}-[0-9]{3}\b")
_QUANTITY = re.compile(
    r"`[^`]+`|[0-9]+(?:[.,][0-9]+)*"
    r"|\b(?:no|not|none|never|only|always|must|may|should|can|cannot|before|after|until|since|utc|local|percent"
    r"|(?:nano|micro|milli)?seconds?|minutes?|hours?|days?|(?:kilo|mega|giga|kibi|mebi|gibi)?(?:bytes?|bits?)|octets?"
    r"|characters?|levels?|larger|largest|smaller|smallest|greater|more|less|higher|lower|most|least|oldest|newest)\b",
    re.IGNORECASE,
)


def is_only_wording(before: str, after: str) -> bool:
    """Tell whether two sentences differ in nothing that could change a duty.

    That is in punctuation, emphasis, the capital that begins a word, articles that are there or not, and whether words
    are written as one, code spans and key words aside. A synonym may be harmless too, but no program knows that; nor
    whether *the* connection is *a* connection, while *the* error `forbidden` is *an* error `forbidden`.
    """
    (words, articles), (other_words, other_articles) = _read(before), _read(after)
    both = articles.keys() & other_articles.keys()
    return words == other_words and all(articles[place] == other_articles[place] for place in both)


def has_same_quantities(before: str, after: str) -> bool:
    """Tell whether two texts name the same numbers, units, code spans, comparatives and negations, ids aside."""
    return _quantities(before) == _quantities(after)


def _quantities(text: str) -> Counter[str]:
    return Counter(each.lower().removesuffix("s") for each in _QUANTITY.findall(_IDS.sub("", text)))


def _read(sentence: str) -> tuple[str, dict[int, bool]]:
    """Return what has weight in a sentence, and where in it there is an article, whether that is definite."""
    words, articles = "", {}
    tokens = _TOKEN.findall(sentence.replace("\u2019", "'"))
    for number, token in enumerate(tokens, start=1):
        if token.lower() in _IS_DEFINITE:
            if not any(each.startswith("`") for each in tokens[number : number + _PHRASE]):
                articles[len(words)] = _IS_DEFINITE[token.lower()]
        elif token not in _WITHOUT_WEIGHT:
            word = _plain(token)
            is_one_word = words[-1:].islower() and word[0].islower()
            words += word if is_one_word else f" {word}"
    return words, articles


def _plain(token: str) -> str:
    if token.startswith("`") or token.isupper():
        return token
    return _HYPHEN.sub("", token[0].lower() + token[1:])
