"""One way to write patterns that are equal at first sight: without counts, and with their alternatives in order."""

from __future__ import annotations

import copy
import re
from typing import Any

from conformance.gate.schemas.keywords import subschemas

_COUNTED = re.compile(r"(\[[^]]+\]|[A-Za-z0-9])\{([1-9])\}(?![?+*])")
_NUMBERED = re.compile(r"(?<!\\)((?:\\\\)*)\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4}))")
"""A character by its number, as in ``\\x1f`` or ``\\u001f``, behind an even number of backslashes."""
_CLASS = re.compile(r"\[[^]]+\]")
_ODD_CLASS = re.compile(r"\[\^?\]|\[[^]]*\{")
"""A class that holds a bracket or a brace."""


def with_plain_patterns(schema: Any) -> Any:
    """Return a copy of a schema with plain patterns."""
    plain = copy.deepcopy(schema)
    for _, part in subschemas(plain):
        if isinstance(part.get("pattern"), str):
            part["pattern"] = plain_pattern(part["pattern"])
    return plain


def plain_pattern(pattern: str) -> str:
    """Return a pattern with one kind of escape, without small counts, and sorted if it is a list of alternatives.

    A pattern with a backslash, or with brackets or braces in a class, stays as it is. So do the alternatives of one
    with groups or with ``|`` in a class.
    """
    pattern = _NUMBERED.sub(lambda found: f"{found[1]}\\u{(found[2] or found[3]).lower():0>4}", pattern)
    if "\\" in pattern or _ODD_CLASS.search(pattern):
        return pattern
    long = _COUNTED.sub(lambda found: found[1] * int(found[2]), pattern)
    if "(" in long or any("|" in each for each in _CLASS.findall(long)):
        return long
    return "|".join(sorted(long.split("|")))
