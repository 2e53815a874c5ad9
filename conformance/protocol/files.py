"""Reads the input files of the kit, and checks each against its schema."""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conformance.protocol import schemas

MEBIBYTE = 1_048_576
MOST_OCTETS = 64 * MEBIBYTE
"""Of any file; a results file with all traces has a fifth of it."""
MOST_TOML_OCTETS = MEBIBYTE
MOST_DOTS = 64
"""In a key: the time that ``tomllib`` takes grows with the square of its parts."""
_TOML_STRING = re.compile(r'"(?:[^"\\\n]++|\\.)*+"|\'[^\'\n]*+\'')


def read_octets(path: Path, most: int = MOST_OCTETS) -> bytes:
    """Return the content of a file. Neither a device nor a pipe can block it or fill the memory.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not a regular file, or is longer than ``most`` octets.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("not a regular file")
        octets = file.read(most + 1)
    if len(octets) > most:
        raise ValueError(f"longer than {most} octets")
    return octets


def read_text(path: Path, most: int = MOST_OCTETS) -> str:
    """Return the text of a UTF-8 file, with line feeds as the only line ends.

    Raises the same as :func:`read_octets`, and ValueError if it is not UTF-8.
    """
    return read_octets(path, most).decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


def parse_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file, unchecked.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not TOML, or so large or deep that no person wrote it.
    """
    text = read_text(path, MOST_TOML_OCTETS)
    for number, line in enumerate(text.split("\n"), start=1):
        if line.count(".") > MOST_DOTS and _TOML_STRING.sub("", line).count(".") > MOST_DOTS:
            raise ValueError(f"line {number} has a key of more than {MOST_DOTS} parts")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def parse_json(path: Path) -> Any:
    """Return the content of a JSON file, unchecked; raises the same as :func:`parse_toml`."""
    try:
        return json.loads(read_text(path))
    except RecursionError:
        raise ValueError("nested too deep") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not a JSON file: {error}") from None


def read_toml(path: Path, schema: str, kind: str) -> dict[str, Any]:
    """Return the content of a TOML file.

    Args:
        path: the file.
        schema: the name of its schema for :func:`conformance.protocol.schemas.problem`.
        kind: the kind of file, for the error.

    Raises:
        ValueError: it cannot be read or breaks its schema; the message says which file and why.
    """
    return _read(path, schema, kind, parse_toml)


def read_json(path: Path, schema: str, kind: str) -> dict[str, Any]:
    """Return the content of a JSON file; like :func:`read_toml`."""
    return _read(path, schema, kind, parse_json)


def _read(path: Path, schema: str, kind: str, parse: Callable[[Path], Any]) -> dict[str, Any]:
    try:
        content: dict[str, Any] = parse(path)
        wrong = schemas.problem(schema, content)
    except OSError as error:
        raise ValueError(f"{kind} {path}: {error.strerror}") from None
    except RecursionError:
        raise ValueError(f"{kind} {path}: nested too deep") from None
    except ValueError as error:
        raise ValueError(f"{kind} {path}: {error}") from None
    if wrong:
        raise ValueError(f"{kind} {path}: {wrong}")
    return content
