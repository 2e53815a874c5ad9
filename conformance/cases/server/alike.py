"""Names that are alike and yet are not the same, code point by code point."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

SHORTEST_LIMIT, LONGEST_ID, LONGEST_NAME = 64, 128, 255
CONTROLS = frozenset(map(chr, range(0x20)))
SEPARATORS = (":", "/", ".", "-", "|", " ", "")


@dataclass(frozen=True)
class Pair:
    """Two names for which someone may take one for the other.

    Attributes:
        how: what they have in common.
        one: the first name.
        other: the second name.
    """

    how: str
    one: str
    other: str


ENDINGS: dict[str, tuple[str, str]] = {
    "case": ("a", "A"),
    "case beyond ASCII": ("ä", "Ä"),
    "case of several letters": ("ß", "ss"),
    "case of a dotted letter": ("i", "İ"),
    "case of a sign": ("k", "\u212a"),
    "the composed form": ("\u00e9", "e\u0301"),
    "the compatible form of letters": ("ﬁ", "fi"),
    "the compatible form of digits": ("1", "\uff11"),
    "letters without accents": ("e", "é"),
    "what one sees": ("a\u200bb", "ab"),
    "what one sees, behind a variation selector": ("❤\ufe0f", "❤"),
    "alphabets": ("a", "а"),  # noqa: RUF001 - the second letter is a Cyrillic one
    "a blank at the end": ("a", "a "),
    "a wide blank at the end": ("a", "a\u00a0"),
    "sixteen bits of each character": ("A", "\U00010041"),
    "eight bits of each character": ("A", "\u0141"),
    "the place of characters beyond ASCII": ("é", "?"),
    "the place of characters beyond Latin-1": ("€", "?"),
    "the place of characters that are replaced": ("😀", "\ufffd"),
    "the first half of a surrogate pair": ("😀", "😁"),
    "the hash of Java": ("Aa", "BB"),
    "the hash of Bernstein": ("Aa", "B@"),
    "the sum of their characters": ("ab", "ba"),
    "the CRC-32": ("plumless", "buckeroo"),
    "a separator": ("a.b", "a/b"),
    "a line": ("a-b", "a_b"),
    "a path": ("a/b", "a//b"),
    "a path without its last sign": ("a", "a/"),
    "a domain without its last sign": ("a", "a."),
    "a part of a URL": ("a", "%61"),
    "a blank in a URL": ("a b", "a+b"),
    "a pattern with an asterisk": ("*", "a"),
    "a pattern with a question mark": ("?", "a"),
    "a pattern with a choice": ("[a]", "a"),
    "a pattern of SQL": ("_", "a"),
    "a pattern of SQL for anything": ("%", "ab"),
    "a pattern of topics": ("/#", "/a/b"),
    "a pattern of one topic": ("/+", "/a"),
    "a pattern of subjects": (".>", ".a.b"),
    "quotes": ("'a'", "a"),
    "an escape": ("\\a", "a"),
    "a beginning": ("", "a"),
}
"""What is behind a common beginning."""

HASHED = {"the FNV-1a hash": ("costarring", "liquid"), "the FNV-1a hash of others": ("declinate", "macallums")}
"""Names that collide only as a whole."""


def pairs(beginning: str, longest: int, *, controls: bool = False) -> Iterator[Pair]:
    """Yield pairs of names that are alike.

    Args:
        beginning: a unique beginning of most of them, of less than 40 characters of ASCII.
        longest: the characters of the longest name.
        controls: whether a name may have control characters.
    """
    # Each pair has a beginning of its own: a name that is in two pairs would be known already.
    for place, (how, (one, other)) in enumerate(ENDINGS.items()):
        yield Pair(how, f"{beginning}-{place}{one}", f"{beginning}-{place}{other}")
    yield Pair("a blank in front", f"{beginning}-f", f" {beginning}-f")
    yield Pair("a byte order mark in front", f"{beginning}-m", f"\ufeff{beginning}-m")
    number = _number(beginning)
    yield Pair("the value of a number", f"1{number}", f"01{number}")
    yield Pair("the value of a number with a fraction", f"2{number}", f"2{number}.0")
    yield Pair("the value of zero", f"0e{number}", f"00e{number}")
    yield Pair(f"their first {SHORTEST_LIMIT} characters", *_cut(beginning, SHORTEST_LIMIT))
    yield Pair(f"all characters but the last of {longest}", *_cut(beginning, longest - 1))
    yield Pair("their first 255 octets", *_cut(beginning + "😀" * ((250 - len(beginning)) // 4) + "x" * 12, 0))
    if controls:
        yield Pair("what stands before a NUL", f"{beginning}-n\0a", f"{beginning}-n\0b")
        yield Pair("what stands before a NUL at the end", f"{beginning}-e", f"{beginning}-e\0")
        yield Pair("a line feed at the end", f"{beginning}-l", f"{beginning}-l\n")


def _number(beginning: str) -> str:
    """Return a number with which nobody else's begins."""
    return "".join(f"{ord(each):03d}" for each in beginning)


def _cut(beginning: str, length: int) -> tuple[str, str]:
    common = beginning.ljust(length, "x")
    return f"{common}a", f"{common}b"


def joined(name: Callable[[], str], *, controls: bool = False) -> Iterator[tuple[str, str, str, str]]:
    """Yield an application, a name in it, and another two that become the same text when a separator joins them.

    Args:
        name: returns a unique name.
        controls: whether the name may have control characters.
    """
    for separator in (*SEPARATORS, *(("\0", "\x1f") if controls else ())):
        first, middle, last = name(), name(), name()
        yield first, f"{middle}{separator}{last}", f"{first}{separator}{middle}", last
