"""Versions of the protocol, as peers state them."""

from __future__ import annotations

import re

FIRST_VERSION = "1.0"
VERSION = re.compile(r"(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})")
"""The form of a version (HSK-001)."""


def version(text: str) -> str:
    """Return a text that is a version of the protocol. Raises ValueError if it is none, or older than the first."""
    if not VERSION.fullmatch(text) or version_key(text) < version_key(FIRST_VERSION):
        raise ValueError(f"{text!r} is no version of the protocol; write MAJOR.MINOR, such as {FIRST_VERSION}")
    return text


def version_key(text: str) -> tuple[int, ...]:
    """Return a version in a form that can be compared with others."""
    return tuple(map(int, text.split(".")))
