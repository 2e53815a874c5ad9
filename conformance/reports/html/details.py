"""The cases of the runs as data for the page's script: compressed, since traces are long and alike."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from conformance.core.text import printable
from conformance.protocol.requirements import Requirement, load
from conformance.reports.html.marks import MARKS
from conformance.reports.html.views import Column, link_to, plain
from conformance.results.case_result import CaseResult
from conformance.results.causes import is_bad

DIRECTIONS = {"sent": 0, "received": 1, "event": 2}
HEADER_OCTETS = 4
LONGEST_EVENT = 2000
"""Characters of an event."""
NOTE = 3
"""The direction of a line about the trace itself."""
MOST_ENTRIES = 200
"""Entries of a trace: the first half and the last."""


def packed(columns: Sequence[Column], spec_url: str = "") -> str:
    """Return the data: JSON, compressed with zlib, in base64.

    Args:
        columns: the runs.
        spec_url: where the rendered specification is, if that is known.
    """
    text = json.dumps(_printable(_data(columns, spec_url)), ensure_ascii=True, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode("ascii"), 9)).decode("ascii")


def _data(columns: Sequence[Column], spec_url: str) -> dict[str, Any]:
    known = load()
    cases: dict[str, Any] = {}
    for result in (each for column in columns for each in column.run.results):
        cases.setdefault(result.case, {"purpose": result.purpose, "requirements": result.requirements})
    named = sorted({each for case in cases.values() for each in case["requirements"]} & known.keys())
    return {
        "targets": [
            {
                "name": each.name,
                "short": each.short,
                "role": each.run.role,
                "causes": {cause.id: cause.sentence for cause in each.causes},
            }
            for each in columns
        ],
        "marks": {str(verdict): [mark.sign, mark.name, mark.style] for verdict, mark in MARKS.items()},
        "requirements": {each: _requirement(known[each], spec_url) for each in named},
        "cases": dict(sorted(cases.items())),
        "results": [_results(each) for each in columns],
    }


def _requirement(known: Requirement, spec_url: str) -> list[str]:
    return [known.level, plain(known.text), known.section.replace("#", ", "), link_to(known, spec_url)]


def _results(column: Column) -> dict[str, Any]:
    causes = {case: cause.id for cause in column.causes for case in cause.cases}
    return {each.case: _result(each, causes.get(each.case, "")) for each in column.run.results}


def _result(result: CaseResult, cause: str) -> dict[str, Any]:
    """Return what is shown of a result; of a good one only the verdict, the reason for it and the command."""
    shown: dict[str, Any] = {
        "verdict": str(result.verdict),
        "expected": result.expected,
        "known": result.known,
        "message": result.message,
        "again": result.reproduce,
    }
    if is_bad(result) or not result.verdict.is_clean:
        shown |= {name: vars(result)[name] for name in ("wanted", "received", "foreseen")}
        shown["cause"] = cause
        shown["trace"] = _trace(result.trace)
        shown["earlier"] = [
            {"verdict": each["verdict"], "message": each["message"], "trace": _trace(each["trace"])}
            for each in result.earlier
        ]
    return {name: value for name, value in shown.items() if value not in ("", [])}


def _printable(value: Any) -> Any:
    """Return a JSON value with its texts, and the names of members, made printable."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [_printable(each) for each in value]
    return {_printable(name): _printable(each) for name, each in value.items()} if isinstance(value, dict) else value


def _trace(entries: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """Return the lines of a trace; of a long one the first and the last."""
    omitted = len(entries) - MOST_ENTRIES
    if omitted <= 0:
        return [_entry(each) for each in entries]
    half = MOST_ENTRIES // 2
    note = f"… {omitted} entries omitted; the results file has them"
    first, last = ([_entry(each) for each in part] for part in (entries[:half], entries[-half:]))
    return [*first, [first[-1][0], "", NOTE, 0, note, ""], *last]


def _entry(entry: Mapping[str, Any]) -> list[Any]:
    """Return a line of a trace; without its octets, if they are those of the text behind its length."""
    text = printable(entry["text"])
    if entry["direction"] == "event":
        text = text if len(text) <= LONGEST_EVENT else f"{text[:LONGEST_EVENT]}…"
    octets = "" if entry["direction"] == "event" or _is_told(entry, text) else entry["hex"]
    return [entry["at"], entry["peer"], DIRECTIONS[entry["direction"]], entry["octets"], text, octets]


def _is_told(entry: Mapping[str, Any], text: str) -> bool:
    """Return true if the octets of an entry are those of a text, behind the length of the text."""
    body = text.encode("utf-8")
    is_long_enough = entry["octets"] == HEADER_OCTETS + len(body)
    return bool(is_long_enough and entry["hex"] == len(body).to_bytes(HEADER_OCTETS, "big").hex() + body.hex())
