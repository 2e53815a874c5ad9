"""JSON pointers, and the lines of values in JSON files."""

from __future__ import annotations

import json
import re
from json.decoder import scanstring  # type: ignore[attr-defined]

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def line_of(text: str, tokens: list[str]) -> int:
    """Return the line, counted from 1, of the value that a JSON pointer leads to, or of its nearest parent.

    Args:
        text: a JSON text.
        tokens: the pointer's parts, unescaped.
    """
    start = _skip(text, 0)
    for token in tokens:
        inside = _member(text, start, token) if text[start] == "{" else _element(text, start, token)
        if inside is None:
            break
        start = inside
    return text.count("\n", 0, start) + 1


def split_pointer(pointer: str) -> list[str]:
    """Return the parts of a JSON pointer, unescaped."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def join_pointer(*tokens: str | int) -> str:
    """Return the JSON pointer with these parts."""
    return "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in tokens)


def _skip(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _member(text: str, start: int, name: str) -> int | None:
    position = _skip(text, start + 1)
    while text[position] == '"':
        found, position = scanstring(text, position + 1)
        position = _skip(text, _skip(text, position) + 1)
        if found == name:
            return position
        position = _behind(text, position)
    return None


def _element(text: str, start: int, index: str) -> int | None:
    if text[start] != "[" or not index.isdecimal():
        return None
    position = _skip(text, start + 1)
    for _ in range(int(index)):
        if text[position] == "]":
            return None
        position = _behind(text, position)
    return None if text[position] == "]" else position


def _behind(text: str, position: int) -> int:
    """Return the position after a value where the next member or element begins, or the object or array ends."""
    _, position = _DECODER.raw_decode(text, position)
    position = _skip(text, position)
    return _skip(text, position + 1) if text[position] == "," else position
