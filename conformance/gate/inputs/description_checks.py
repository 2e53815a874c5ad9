"""The members that the spec's tables describe, checked against the schemas: bounds, defaults and what is required."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from conformance.gate.inputs.descriptions import MEMBERS
from conformance.gate.model.release import Release, ReleaseError
from conformance.gate.model.spec_table import Row
from conformance.gate.schemas.views import Views, in_place, parts_of

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?: \d{3})*(?:\.\d+)?(?![\w.]*\w)")
_NOT_A_NUMBER = re.compile(r"U\+[0-9A-F]+|`[^`]*`|\b[A-Z]{3}-\d+\b")
_TEXT_WHEN_ABSENT = re.compile(r'`"([^`]*)"` when absent')
_BOUNDS = ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "default")
_NEXT = {"exclusiveMinimum": 1, "exclusiveMaximum": -1}
"""Between integers, an exclusive bound is the next integer; texts state that one."""


def description_problems(release: Release) -> Iterator[tuple[str, str]]:
    """Find the rows that contradict the schemas; yield the key of each in its table, and what is wrong."""
    views = Views.of(release)
    for key, row in release.tables.get(MEMBERS, {}).items():
        try:
            schema = views.receiver(row["schema"])
        except ReleaseError as error:
            yield key, f"the mark above the table names no schema ({error})"
            continue
        yield from ((key, problem) for problem in _problems(row, schema))


def _problems(row: Row, schema: Any) -> Iterator[str]:
    name = row["member"]
    parts = list(parts_of(schema))
    described = [part["properties"][name] for part in parts if name in part.get("properties", {})]
    where = f"the schema {row['schema']}"
    if not described:
        yield f"the table describes {name}, which {where} does not have"
        return
    is_required = any(name in part.get("required", []) for part in in_place(schema))
    if is_required != (row["required"] == "yes"):
        said = ["optional", "required"] if is_required else ["required", "optional"]
        yield f"the table says that {name} is {said[0]}, and {where} says that it is {said[1]}"
    stated, real = sorted(_stated(row["says"])), sorted(_real(described))
    if stated and stated != real:  # a row without numbers may refer to another definition
        yield f"the table says {_listed(stated)} about {name}, and {where} says {_listed(real)}"
    texts = {each["default"] for one in described for each in parts_of(one) if isinstance(each.get("default"), str)}
    said_texts = set(_TEXT_WHEN_ABSENT.findall(row["says"]))
    if texts != said_texts:
        yield (
            f"the table says {_listed(sorted(said_texts))} when {name} is absent, and {where} says "
            f"{_listed(sorted(texts))}"
        )


def _stated(said: str) -> list[float]:
    """Return the numbers in a text, except those of characters and in code spans."""
    return [float(each.replace(" ", "")) for each in _NUMBER.findall(_NOT_A_NUMBER.sub(" ", said))]


def _real(schemas: list[Any]) -> list[float]:
    """Return the bounds and the default of a member."""
    parts = [part for schema in schemas for part in parts_of(schema)]
    found = [part[keyword] for part in parts for keyword in _BOUNDS if keyword in part]
    is_integer = any(part.get("type") == "integer" for part in parts)
    found += [
        part[word] + (step if is_integer else 0) for part in parts for word, step in _NEXT.items() if word in part
    ]
    return [float(each) for each in found if isinstance(each, int | float) and not isinstance(each, bool)]


def _listed(values: list[Any]) -> str:
    return ", ".join(f"{each:.16g}" if isinstance(each, float) else repr(each) for each in values) or "nothing"
