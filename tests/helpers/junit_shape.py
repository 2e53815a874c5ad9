"""What version 10 of the JUnit schema of Jenkins' plugin xUnit allows, as a table; it states what CI services read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree import ElementTree as ET


class Shape(NamedTuple):
    """An element: the attributes that it must and may have, and the elements in it."""

    required: set[str]
    optional: set[str]
    children: set[str]


OUTCOME = Shape(set(), {"type", "message"}, set())
COUNTS = {"tests", "failures", "errors"}
SHAPES = {
    "testsuites": Shape(set(), {"name", "time", *COUNTS}, {"testsuite"}),
    "testsuite": Shape(
        {"name", *COUNTS},
        {"time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url", "version", "group"},
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
    ),
    "testcase": Shape(
        {"name"}, {"time", "classname", "group"}, {"skipped", "error", "failure", "system-out", "system-err"}
    ),
    "properties": Shape(set(), set(), {"property"}),
    "property": Shape({"name", "value"}, set(), set()),
    "skipped": OUTCOME,
    "error": OUTCOME,
    "failure": OUTCOME,
    "system-out": Shape(set(), set(), set()),
    "system-err": Shape(set(), set(), set()),
}


def misfits(text: str) -> list[str]:
    """Return what the schema forbids in a JUnit file."""
    root = ET.fromstring(text)  # noqa: S314 - a text of our own
    wrong_root = [] if root.tag in {"testsuites", "testsuite"} else [f"{root.tag} is not a root"]
    return [*wrong_root, *(each for element in root.iter() for each in _misfits(element))]


def _misfits(element: ET.Element) -> Iterator[str]:
    shape = SHAPES.get(element.tag)
    if shape is None:
        yield f"unknown element {element.tag}"
        return
    names = set(element.keys())
    yield from (f"{element.tag} without {name}" for name in sorted(shape.required - names))
    yield from (f"{element.tag} with {name}" for name in sorted(names - shape.required - shape.optional))
    yield from (f"{child.tag} in {element.tag}" for child in element if child.tag not in shape.children)
    if not re.fullmatch(r"\d*(\.\d{0,3})?", element.get("time", "")):
        yield f"time {element.get('time')} of {element.tag}"
