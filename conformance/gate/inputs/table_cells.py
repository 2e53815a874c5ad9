"""Cells of the spec's tables that name channels and actions."""

from __future__ import annotations

import re

_SPAN = re.compile(r"`([^`]+)`")
_BEGINNING = re.compile(r"begins? with `([^`]+)`")
_WORDS = {"the", "channel", "channels", "and", "all", "that", "begin", "begins", "with"}


def names_in(cell: str) -> list[str]:
    """Return the names in a cell: its code spans, or the whole cell if it was one."""
    return _SPAN.findall(cell) or ([cell] if re.fullmatch(r"[a-z_:]+", cell) else [])


def says_more_than_names(cell: str) -> bool:
    """Return true if a cell has text that the gate cannot read, besides names and the words around them."""
    words = set(re.findall(r"\w+", _SPAN.sub("", cell))) - set(names_in(cell))
    return bool(words - _WORDS) or (bool(words) and not names_in(cell))


def channels_in(cell: str) -> list[str]:
    """Return the channels that a cell names; a prefix of several channels ends with ``*``."""
    beginnings = _BEGINNING.findall(cell)
    return [f"{name}*" if name in beginnings else name for name in names_in(cell)]


def is_same_channel(one: str, other: str) -> bool:
    """Return true if two may be the same: ``any``, a name, a prefix such as ``queue:*`` or ```queue:` and a name``."""
    if "any" in (one, other):
        return True
    (name, is_beginning), (second, is_second_beginning) = _parts(one), _parts(other)
    return (
        name == second
        or (is_beginning and second.startswith(name))
        or (is_second_beginning and name.startswith(second))
    )


def _parts(cell: str) -> tuple[str, bool]:
    return (cell.split("`")[1], True) if "`" in cell else (cell.removesuffix("*"), cell.endswith("*"))
