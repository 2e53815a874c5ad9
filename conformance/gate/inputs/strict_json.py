"""Strict reading of files: JSON that two parsers may read differently is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NoReturn

from conformance.gate.model.release import ReleaseError
from conformance.protocol import files

CONFLICT = re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE)
"""A line that git writes into a file when a merge fails."""


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file.

    Raises ReleaseError if it is not UTF-8, has a byte order mark, or has the marks of a merge conflict.
    """
    try:
        text = files.read_text(path)
    except (OSError, ValueError) as error:
        raise ReleaseError(f"{path}: cannot be read ({error})") from None
    if text.startswith("\ufeff"):
        raise ReleaseError(f"{path}:1: begins with a byte order mark; save it without")
    conflict = CONFLICT.search(text)
    if conflict:
        line = text.count("\n", 0, conflict.start()) + 1
        raise ReleaseError(f"{path}:{line}: a merge conflict; resolve it")
    return text


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file. Raises ReleaseError if it is not one, or if parsers may read it differently."""
    return parse_object(read_text(path), str(path))


def parse_object(text: str, name: str) -> dict[str, Any]:
    """Parse a JSON text as an object.

    Args:
        text: the text.
        name: its origin, for the error.

    Raises:
        ReleaseError: it is not a JSON object, names a member twice, or has a number or string that some parsers refuse.
    """
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError:
        raise ReleaseError(f"{name}: nested too deep") from None
    except ValueError as error:
        raise ReleaseError(f"{name}: not JSON that every parser reads the same way ({error})") from None
    if not isinstance(value, dict):
        raise ReleaseError(f"{name}: not an object")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        twice = next(name for number, (name, _) in enumerate(pairs) if name in dict(pairs[:number]))
        raise ValueError(f"an object has the member {twice!r} twice")
    return members


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")
