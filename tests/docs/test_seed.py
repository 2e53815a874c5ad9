"""The checklist in docs/seed.md: what each of its rows refers to has to be there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from conformance.cases.catalogue import all_cases

ROOT = Path(__file__).parents[2]
CHECKLIST = ROOT / "docs" / "seed.md"
HEADER = ["feature", "specified", "implemented", "tested"]

LINK = r"\[[^]]+\]\(\.\./([^)#]+)\)"
REQUIREMENT = re.compile(r"\[([A-Z]{3}-[0-9]{3})\]\(\.\./([^)]+)\)")
SECTION = re.compile(r"API: \[[^]]+\]\(\.\./([^)#]+)#([^)]+)\)")
CODE = re.compile(LINK + r": (`[^`]+`(?:, `[^`]+`)*)")
CASE = re.compile(r"`([a-z-]+/[^`]+)`")
NODE_TEST = re.compile(LINK + r': "(.+)"')
PYTHON_TEST = re.compile(LINK + r": `(test_\w+)`")


@cache
def requirements() -> dict[str, dict[str, str]]:
    listed = json.loads((ROOT / "spec" / "requirements.json").read_text("utf-8"))["requirements"]
    return {each["id"]: each for each in listed}


@cache
def text_of(path: str) -> str | None:
    file = ROOT / path
    return file.read_text("utf-8") if file.is_file() else None


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def check_specified(entry: str) -> str | None:
    if found := REQUIREMENT.fullmatch(entry):
        requirement = requirements().get(found[1])
        if requirement is None or requirement["status"] == "withdrawn":
            return f"{found[1]} is no requirement"
        chapter, _, anchor = requirement["section"].partition("#")
        return None if found[2] == f"spec/{chapter}.md#{anchor}" else f"{found[1]} is not at {found[2]}"
    if found := SECTION.fullmatch(entry):
        text = text_of(found[1])
        return None if text and found[2] in anchors(text) else f"there is no section {found[1]}#{found[2]}"
    return f"{entry!r} names no requirement and no section"


def check_implemented(entry: str) -> str | None:
    found = CODE.fullmatch(entry)
    if not found:
        return f"{entry!r} names no file with symbols"
    text = text_of(found[1])
    if text is None:
        return f"there is no file {found[1]}"
    symbols = re.findall(r"`([^`]+)`", found[2])
    missing = [each for each in symbols if not re.search(rf"(?<![\w$#]){re.escape(each)}(?![\w$])", text)]
    return f"{found[1]} has no {', '.join(missing)}" if missing else None


def check_tested(entry: str) -> str | None:
    if found := CASE.fullmatch(entry):
        return None if found[1] in all_cases() else f"there is no case {found[1]}"
    if found := NODE_TEST.fullmatch(entry):
        calls = [f"test({quote}{found[2]}{quote}," for quote in "'`\""]
    elif found := PYTHON_TEST.fullmatch(entry):
        calls = [f"def {found[2]}("]
    else:
        return f"{entry!r} names no case and no test"
    text = text_of(found[1])
    return None if text and any(call in text for call in calls) else f"{found[1]} has no test {found[2]!r}"


CHECKS = {1: (", ", check_specified), 2: ("<br>", check_implemented), 3: ("<br>", check_tested)}


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def problems_of(line: str) -> Iterator[str]:
    cells = cells_of(line)
    if len(cells) != len(HEADER):
        yield f"has {len(cells)} cells"
        return
    yield from (f"{name} is empty" for name, cell in zip(HEADER, cells, strict=True) if not cell)
    for place, (separator, check) in CHECKS.items():
        yield from filter(None, (check(entry) for entry in cells[place].split(separator) if entry))


def rows_of(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [line for line in lines if cells_of(line) != HEADER and not re.fullmatch(r"[|-]+", line)]


def test_every_row_refers_to_what_there_is() -> None:
    rows = rows_of(CHECKLIST.read_text("utf-8"))
    assert rows
    problems = [f"{line[:60]}: {each}" for line in rows for each in problems_of(line)]
    assert problems == []


def test_features_are_named_once_in_every_chapter() -> None:
    chapters = [rows_of(chapter) for chapter in CHECKLIST.read_text("utf-8").split("\n## ")[1:]]
    features = [(number, cells_of(line)[0]) for number, rows in enumerate(chapters) for line in rows]
    assert len(features) == len(set(features))


GOOD = [
    "a feature",
    "[FRM-001](../spec/01-framing.md#sending-frames), API: [The client](../node_harness/README.md#the-client)",
    "[x](../node_harness/client/framing.js): `encodeFrame`, `#take`<br>[x](../reference_server/broker.py): `Broker`",
    "`framing/octet-wise`"
    '<br>[x](../node_harness/test/process.test.js): "process ends by itself when the attempts are used up"'
    "<br>[x](../tests/docs/test_seed.py): `test_good_row_has_no_problem`",
]


def row(**changed: str) -> str:
    return f"| {' | '.join(changed.get(name, cell) for name, cell in zip(HEADER, GOOD, strict=True))} |"


def test_good_row_has_no_problem() -> None:
    assert list(problems_of(row())) == []


FRAMING = "../spec/01-framing.md#sending-frames"
PROCESS = "../node_harness/test/process.test.js"
HUB = "[x](../reference_server/broker.py)"
BAD = {
    "unknown requirement": ("specified", f"[FRM-999]({FRAMING})", "FRM-999 is no requirement"),
    "requirement elsewhere": ("specified", f"[ENC-001]({FRAMING})", "ENC-001 is not at"),
    "unknown section": ("specified", "API: [x](../README.md#nowhere)", "no section README.md#nowhere"),
    "section of no file": ("specified", "API: [x](../nowhere.md#the-client)", "no section nowhere.md"),
    "no reference": ("specified", "somewhere", "names no requirement"),
    "missing file": ("implemented", "[x](../reference_server/gone.py): `x`", "no file reference_server/gone.py"),
    "missing symbol": ("implemented", f"{HUB}: `Broker`, `Broke`", "broker.py has no Broke"),
    "file without symbol": ("implemented", HUB, "names no file with symbols"),
    "unknown case": ("tested", "`framing/octet-unwise`", "no case framing/octet-unwise"),
    "unknown title": ("tested", f'[x]({PROCESS}): "process ends"', "has no test 'process ends'"),
    "test of no file": ("tested", '[x](../gone.test.js): "x"', "gone.test.js has no test 'x'"),
    "unknown pytest": ("tested", "[x](../tests/docs/test_seed.py): `test_x`", "has no test 'test_x'"),
    "no test": ("tested", "yes", "names no case and no test"),
    "empty feature": ("feature", "", "feature is empty"),
    "empty specified": ("specified", "", "specified is empty"),
    "empty implemented": ("implemented", "", "implemented is empty"),
    "empty tested": ("tested", "", "tested is empty"),
    "five cells": ("tested", "`framing/octet-wise` | x", "has 5 cells"),
}


@pytest.mark.parametrize(("name", "cell", "problem"), BAD.values(), ids=BAD)
def test_bad_row_has_its_problem(name: str, cell: str, problem: str) -> None:
    (found,) = problems_of(row(**{name: cell}))
    assert problem in found


def test_withdrawn_requirement_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(requirements(), "FRM-001", requirements()["FRM-001"] | {"status": "withdrawn"})
    assert list(problems_of(row())) == ["FRM-001 is no requirement"]
