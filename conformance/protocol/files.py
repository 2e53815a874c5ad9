"""Reads the input files of the kit, and checks each against its schema."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conformance.protocol import schemas


def read_toml(path: Path, schema: str, kind: str) -> dict[str, Any]:
    """Return the content of a TOML file.

    Args:
        path: the file.
        schema: the name of its schema for :func:`conformance.protocol.schemas.problem`.
        kind: the kind of file, for the error.

    Raises:
        ValueError: it cannot be read or breaks its schema; the message says which file and why.
    """
    return _read(path, schema, kind, tomllib.loads)


def read_json(path: Path, schema: str, kind: str) -> dict[str, Any]:
    """Return the content of a JSON file; like :func:`read_toml`."""
    return _read(path, schema, kind, json.loads)


def _read(path: Path, schema: str, kind: str, parse: Callable[[str], Any]) -> dict[str, Any]:
    try:
        content: dict[str, Any] = parse(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{kind} {path}: {error}") from None
    wrong = schemas.problem(schema, content)
    if wrong:
        raise ValueError(f"{kind} {path}: {wrong}")
    return content
