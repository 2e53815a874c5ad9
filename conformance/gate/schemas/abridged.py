"""Values without the bulk that makes them long, to be read by people."""

from __future__ import annotations

from itertools import islice
from typing import Any

_MOST_ELEMENTS, _SHOWN_ELEMENTS = 8, 2
_MOST_CHARACTERS, _SHOWN_CHARACTERS = 120, 40


def abridged(value: Any) -> Any:
    """Return a value whose long lists, objects and strings end with a note about the rest."""
    if isinstance(value, str) and len(value) > _MOST_CHARACTERS:
        return f"{value[:_SHOWN_CHARACTERS]}... ({len(value)} characters)"
    if isinstance(value, list):
        shown = value if len(value) <= _MOST_ELEMENTS else value[:_SHOWN_ELEMENTS]
        rest = len(value) - len(shown)
        return [*map(abridged, shown), *([f"... {rest} more items"] if rest else [])]
    if isinstance(value, dict):
        is_long = len(value) > 2 * _MOST_ELEMENTS
        shown_members = islice(value.items(), _SHOWN_ELEMENTS if is_long else None)
        note = {"...": f"{len(value) - _SHOWN_ELEMENTS} more members"} if is_long else {}
        return {name: abridged(each) for name, each in shown_members} | note
    return value
