"""What can be seen in a JSON text without decoding it. Every text given here must be a valid one."""

from __future__ import annotations

import itertools
from array import array
from typing import Final

# As much of a text is cut at its quotes at a time: pieces of a few octets take many times their length.
_BLOCK: Final = 64 * 1024

# How many times its length the values of a text take at most.
MOST_TIMES: Final = 50

# A text in which an octet occurs less often is searched for it; one in which it occurs more often is walked through.
_RARE: Final = 64

_BRACKETS: Final = bytes.maketrans(b"{}", b"[]")
_NEITHER_BRACKET_NOR_QUOTE: Final = bytes(set(range(256)) - set(b'[]{}"'))

# Eight brackets of a kind in a row are one step.
_RUN: Final = 8
_STEPS: Final = bytes.maketrans(b"[]<>", array("b", (1, -1, _RUN, -_RUN)).tobytes())


def outside_strings(text: bytes) -> bytes:
    """Return a text without its strings."""
    return _without_quoted(_without_escapes(text))


def nesting(text: bytes, enough: int) -> int:
    """Return how deep the arrays and objects of a text are nested, or an upper bound of it up to `enough`."""
    if (most := occurrences(text, b"[") + occurrences(text, b"{")) <= enough:
        return most
    brackets = _without_escapes(text).translate(_BRACKETS, _NEITHER_BRACKET_NOR_QUOTE).replace(b'""', b"")
    if b'"' in brackets:
        brackets = _without_quoted(brackets)
    if not brackets:
        return 0
    # Without the innermost pairs, everything is nested one level less. In wide texts they are nearly all.
    rest = brackets.replace(b"[]", b"").replace(b"[" * _RUN, b"<").replace(b"]" * _RUN, b">")
    return 1 + max(itertools.accumulate(array("b", rest.translate(_STEPS))), default=0)


def decoded_octets(text: bytes) -> int:
    """Return what the values of a text take in memory, at most, about, in octets.

    The factors are those of CPython: a list takes 96 octets, a dict 208, a number 32 and its place in a list 12, a
    string 56 and up to four for an octet.
    """
    containers = 96 * occurrences(text, b"[") + 208 * occurrences(text, b"{")
    items = 44 * occurrences(text, b",") + 28 * occurrences(text, b'"')
    return min(containers + items + len(text) * (1 if text.isascii() else 4), MOST_TIMES * len(text))


def occurrences(text: bytes, octet: bytes) -> int:
    """Return how often an octet occurs in a text; for a rare one in a quarter of the time that `bytes.count` takes."""
    rare = len(text) - len(text.replace(octet, b"", _RARE))
    return rare if rare < _RARE else text.count(octet)


def _without_escapes(text: bytes) -> bytes:
    """Remove escaped backslashes and quotes, after which every quote begins or ends a string."""
    return text.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in text else text


def _without_quoted(text: bytes) -> bytes:
    kept = []
    inside = 0
    for start in range(0, len(text), _BLOCK):
        pieces = text[start : start + _BLOCK].split(b'"')
        kept.append(b"".join(pieces[inside::2]))
        inside ^= (len(pieces) - 1) & 1
    return b"".join(kept)
