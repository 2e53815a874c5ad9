"""Files read strictly: JSON that two parsers may read differently is refused with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from conformance.gate.model.release import ReleaseError


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8 without a byte order mark. Raises ReleaseError when it is none."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReleaseError(f"{path}: cannot be read ({error})") from None
    if text.startswith("\ufeff"):
        raise ReleaseError(f"{path}:1: begins with a byte order mark; save it without")
    return text


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file. Raises ReleaseError when it is none, or not the same to every parser."""
    return parse_object(read_text(path), str(path))


def parse_object(text: str, name: str) -> dict[str, Any]:
    """Return the object that a JSON text is.

    Args:
        text: the text.
        name: where it is from, for the error.

    Raises:
        ReleaseError: it is no JSON object, names a member twice, or has a number or string that not every parser takes.
    """
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError:
        raise ReleaseError(f"{name}: nested too deep to be read") from None
    except ValueError as error:
        raise ReleaseError(f"{name}: not JSON that every parser reads alike ({error})") from None
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
    raise ValueError(f"{name} is no number of JSON")
