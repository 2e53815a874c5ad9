"""Finds sentences of profiles that contradict a limit of the core, as far as a program can read numbers and units."""

from __future__ import annotations

import re
from collections.abc import Iterator

from conformance.gate.model.release import Release
from conformance.gate.model.spec_table import Row
from conformance.protocol.requirements import Requirement

_WORDS = {"one": 1, "two": 2, "three": 3, "five": 5, "ten": 10, "twenty": 20, "thirty": 30, "sixty": 60}
_AMOUNT = re.compile(rf"(?<!\bon )\b(\d+(?: \d{{3}})*|{'|'.join(_WORDS)}) ([A-Za-z]+)", re.IGNORECASE)
"""A number and its unit. *On one connection* is no amount."""
_FACTORS = {
    "millisecond": ("millisecond", 1),
    "second": ("millisecond", 1000),
    "minute": ("millisecond", 60_000),
    "hour": ("millisecond", 3_600_000),
    "octet": ("octet", 1),
    "byte": ("octet", 1),
    "kib": ("octet", 1024),
    "mib": ("octet", 1024**2),
    "gib": ("octet", 1024**3),
}
_HEAD = re.compile(r"\b(?:after|of|that|when|for|unless|between|at|whose)\b|,")
_STEM = 5
"""Letters that *silence* and *silent* share; a shorter word says too little."""


def contradicted_limit(release: Release, rule: Requirement) -> Row | None:
    """Return the row of the table of limits that a requirement of a profile contradicts, or None.

    Args:
        release: the version whose core promises the limits.
        rule: the requirement.
    """
    stems = set(_stems(rule.text))
    amounts = list(_amounts(rule.text))
    for row in _core_limits(release):
        named = _stems(_HEAD.split(row["limit"])[0])
        unit, factor = _FACTORS.get(_singular(row["unit"]), (_singular(row["unit"]), 1))
        bound = int(row["value"]) * factor
        is_about_it = bool(named) and set(named) <= stems and rule.target in (row["kept by"], "both")
        numbers = [number for number, of in amounts if of == unit]
        outside = [each for each in numbers if (each < bound if row["bound"] == "at least" else each > bound)]
        if is_about_it and outside:
            return row
    return None


def _core_limits(release: Release) -> Iterator[Row]:
    """Find the limits that a requirement outside the chapters of profiles states."""
    chapters = {row["chapter"].removesuffix(".md") for row in release.tables["profiles"].values()}
    for row in release.tables["limits"].values():
        rules = [release.requirements[id_] for id_ in row["rule"].split(", ") if id_ in release.requirements]
        if not any(rule.section.partition("#")[0] in chapters for rule in rules):
            yield row


def _amounts(text: str) -> Iterator[tuple[int, str]]:
    """Find the numbers of a text with their units, in milliseconds and octets where they are times and sizes."""
    for number, word in _AMOUNT.findall(text):
        unit, factor = _FACTORS.get(_singular(word), (_singular(word), 1))
        value = _WORDS.get(number.lower()) or int(number.replace(" ", ""))
        yield value * factor, unit


def _singular(word: str) -> str:
    return word.lower().removesuffix("s")


def _stems(text: str) -> list[str]:
    return [word[:_STEM] for word in re.findall(r"[a-z]+", text.lower()) if len(word) >= _STEM]
