"""Detects whether two sentences mean the same, as far as a program can be sure."""

from __future__ import annotations

import re
from collections import Counter

_TOKEN = re.compile(r"`[^`]+`|[\w'/.-]*\w|[^\w\s]")
_HYPHEN = re.compile(r"(?<=[a-z])-(?=[a-z])")
_IS_DEFINITE = {"a": False, "an": False, "the": True}
_PHRASE = 3
"""If a code span is among so many words after an article, it identifies the thing: the article does not matter."""
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
    """Return true if two sentences differ only in ways that cannot change a duty.

    These are punctuation, emphasis, the capital at the beginning of a word, missing articles, and compound spelling;
    code spans and key words must be equal. A synonym may be harmless too, but a program cannot know that. Nor can it
    know if *the* connection is *a* connection, while *the* error `forbidden` is *an* error `forbidden`.
    """
    (words, articles), (other_words, other_articles) = _read(before), _read(after)
    both = articles.keys() & other_articles.keys()
    return words == other_words and all(articles[place] == other_articles[place] for place in both)


def has_same_quantities(before: str, after: str) -> bool:
    """Return true if two texts have the same numbers, units, code spans, comparatives and negations, except ids."""
    return _quantities(before) == _quantities(after)


def _quantities(text: str) -> Counter[str]:
    return Counter(each.lower().removesuffix("s") for each in _QUANTITY.findall(_IDS.sub("", text)))


def _read(sentence: str) -> tuple[str, dict[int, bool]]:
    """Return the significant parts of a sentence, and for each article in it whether it is definite."""
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
