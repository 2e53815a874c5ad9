"""Waivers: findings that are accepted anyway, each with a reason and an expiry date."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

from conformance.gate.model.judgement import Waiver
from conformance.gate.rules import rule_named
from conformance.protocol import schemas
from conformance.protocol.files import parse_toml


def read_waivers(path: Path) -> list[Waiver]:
    """Read a file of waivers (TOML; schema ``tools/waivers``).

    Raises ValueError if the file cannot be read, breaks its schema, names a rule or a day that does not exist, or
    waives a finding twice; the message names the file and the entry.
    """
    content = _content(path)
    wrong = next(schemas.validator("tools/waivers").iter_errors(content), None)
    if wrong:
        raise ValueError(f"{path}: {_place(content, *wrong.absolute_path)}: {wrong.message}")
    found: list[Waiver] = []
    for number, entry in enumerate(content.get("waiver", [])):
        try:
            found.append(_waiver(entry, path, found))
        except ValueError as error:
            raise ValueError(f"{path}: {_place(content, 'waiver', number)}: {error}") from None
    return found


def _content(path: Path) -> dict[str, Any]:
    """Return the content of a file, with dates as text."""
    try:
        content: dict[str, Any] = json.loads(json.dumps(parse_toml(path), default=str))
    except FileNotFoundError:
        raise ValueError(f"{path}: no such waivers file") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from None
    return content


def _place(content: dict[str, Any], *path: str | int) -> str:
    """Describe an entry by its number, counted from 1, its finding, and the member in it."""
    if len(path) < 2:
        return "waivers"
    _, number, *member = path
    entry = content["waiver"][number]
    waives = f" ({entry.get('rule')} at {entry.get('pointer')})" if isinstance(entry, dict) else ""
    return f"waiver {int(number) + 1}{waives}{''.join(f', {name}' for name in member)}"


def _waiver(entry: dict[str, str], path: Path, others: list[Waiver]) -> Waiver:
    rule = rule_named(entry["rule"]).id
    if any((other.rule, other.pointer) == (rule, entry["pointer"]) for other in others):
        raise ValueError("a second waiver for the same finding; remove one")
    try:
        expires = datetime.date.fromisoformat(entry["expires"])
    except ValueError as error:
        raise ValueError(f"{entry['expires']!r} is not a date ({error})") from None
    return Waiver(rule, entry["pointer"], entry["reason"], expires, str(path))
