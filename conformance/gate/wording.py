"""Whether a sentence still says the same: the little that a program can be sure of."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"`[^`]+`|[\w'/.-]*\w|[^\w\s]")
_BETWEEN_WORDS = re.compile(r"(?<=[a-z])[ -](?=[a-z])")
_WITHOUT_WEIGHT = {"a", "an", "the", ",", ";", ":", ".", "(", ")", '"', "*", "_", "—", "-"}


def is_only_wording(before: str, after: str) -> bool:
    """Tell whether two sentences differ in nothing that could change a duty.

    That is in articles, punctuation, emphasis, capitals and whether words are written as one, code spans and key words
    aside. A synonym may be harmless too, but no program knows that.
    """
    return _weighty(before) == _weighty(after)


def _weighty(sentence: str) -> str:
    tokens = (found[0] for found in _TOKEN.finditer(sentence))
    kept = (token for token in tokens if token.lower() not in _WITHOUT_WEIGHT)
    words = [token if token.startswith("`") or token.isupper() else token.lower() for token in kept]
    return _BETWEEN_WORDS.sub("", " ".join(words))
