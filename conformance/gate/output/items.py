"""A judgement as text for people, as JSON, as JUnit XML, and as annotations on GitHub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from conformance.gate.inputs.working_tree import Place, Tree
from conformance.gate.judge import Judgement
from conformance.gate.model.findings import Finding
from conformance.gate.model.version import Step

_LONGEST = 500
_MENDED_IN_PLACE = ("changelog-missing", "place-unknown", "since-wrong", "version-back")
"""Rules that no version allows to break, and that none is needed to keep."""


@dataclass(frozen=True, slots=True)
class Item:
    """A finding with what became of it.

    Attributes:
        finding: the finding.
        verdict: refused, waived or accepted.
        place: where it is, relative to the tree.
        file: its file as seen from the present folder.
        reason: that of its waiver.
    """

    finding: Finding
    verdict: str
    place: Place
    file: str
    reason: str | None = None

    @property
    def told(self) -> str:
        """What differs, and why that is waived."""
        return plain(f"{self.finding.what}: {self.reason}" if self.reason else self.finding.what)


def items(judgement: Judgement, tree: Tree) -> list[Item]:
    """Return the findings of a judgement, the refused ones first."""
    found: list[tuple[str, Finding, str | None]] = [("refused", each, None) for each in judgement.refused]
    found += [("waived", each, waiver.reason) for each, waiver in judgement.waived]
    found += [("accepted", each, None) for each in judgement.accepted]
    places = [tree.locate(finding.pointer) for _, finding, _ in found]
    return [
        Item(finding, verdict, place, _seen_from_here(tree.root / place.file), reason)
        for (verdict, finding, reason), place in zip(found, places, strict=True)
    ]


def _seen_from_here(path: Path) -> str:
    here = Path.cwd()
    return (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()


def plain(said: str) -> str:
    """Write what cannot be printed as escapes, so that nothing from a tree begins a line or moves the cursor."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in said)


def text(judgement: Judgement, found: list[Item], against: str, *, is_verbose: bool) -> Iterator[str]:
    """Give the lines for people: refused findings whole, the others a line each, accepted ones when asked for."""
    for item in found:
        if item.verdict == "refused":
            yield from (*_whole(item, judgement), "")
        elif item.verdict == "waived" or is_verbose:
            yield plain(f"{item.verdict:<8} {item.finding.rule.id}  {item.file}:{item.place.line}  {item.told}")
    yield from map(plain, judgement.problems)
    yield verdict(judgement, against)


def _whole(item: Item, judgement: Judgement) -> list[str]:
    """Return the lines about a refused finding."""
    return [plain(line) for line in _lines(item, judgement)]


def _lines(item: Item, judgement: Judgement) -> Iterator[str]:
    finding = item.finding
    yield f"refused  {finding.rule.id}  {item.file}:{item.place.line}"
    yield f"  {finding.what}"
    if finding.directions:
        yield f"  breaks   {' and '.join(finding.directions)} of {judgement.old}"
    if finding.needs is not Step.NEVER:
        yield f"  needs    version {judgement.old.after(finding.needs)}"
    elif finding.rule.id not in _MENDED_IN_PLACE:
        yield "  needs    no version allows it"
    for label, value in (("before", finding.before), ("after", finding.after)):
        if value is not None:
            yield f"  {label:<8} {_short(value)}"
    if finding.witness:
        witness = finding.witness
        sides = f"a sender of {witness.sent_by} may send this, a receiver of {witness.refused_by} refuses it"
        yield f"  witness  {sides}: {witness.reason}"
        yield f"           {_short(json.dumps(witness.message))}"
    if finding.also:
        yield f"  also     {_short(', '.join(finding.also))}"
    yield f"  pointer  {finding.pointer}"
    yield f"  do       {finding.rule.remedy}"
    yield f"  more     ipc-conformance gate --explain {finding.rule.id}"


def verdict(judgement: Judgement, against: str) -> str:
    """Return the judgement in a line."""
    numbers = f"{len(judgement.refused)} refused, {len(judgement.accepted)} accepted, {len(judgement.waived)} waived"
    if judgement.problems:
        numbers += f", waivers to mend: {len(judgement.problems)}"
    compared = plain(f"{judgement.new} against {against} ({judgement.old})")
    if not (judgement.refused or judgement.accepted or judgement.waived or judgement.problems):
        return f"accepted: {compared}: nothing differs"
    if judgement.is_accepted:
        return f"accepted: {compared}: {numbers}"
    needs = judgement.needs
    advice = f"; what may change at all needs version {judgement.old.after(needs)}" if needs > Step.NONE else ""
    return f"refused: {compared}: {numbers}{advice}"


def as_json(judgement: Judgement, found: list[Item], against: str) -> dict[str, Any]:
    """Return the content of the results file (schema ``tools/gate``)."""
    return {
        "format": "ipc-conformance-gate/1",
        "against": against,
        "old": str(judgement.old),
        "new": str(judgement.new),
        "accepted": judgement.is_accepted,
        "needs": str(judgement.needs),
        "problems": judgement.problems,
        "findings": [_item_as_json(item) for item in found],
    }


def _item_as_json(item: Item) -> dict[str, Any]:
    finding = item.finding
    return {
        "rule": finding.rule.id,
        "verdict": item.verdict,
        "pointer": finding.pointer,
        "file": item.place.file,
        "line": item.place.line,
        "what": finding.what,
        "breaks": list(finding.directions),
        "needs": str(finding.needs),
        "before": finding.before,
        "after": finding.after,
        "also": list(finding.also),
        "witness": asdict(finding.witness) if finding.witness else None,
        "remedy": finding.rule.remedy,
        "reason": item.reason,
    }


def as_junit(judgement: Judgement, found: list[Item]) -> str:
    """Return the judgement as JUnit XML: a test case for each finding, and one for the waivers."""
    failures = len(judgement.refused) + bool(judgement.problems)
    suite = ET.Element(
        "testsuite", name="ipc-conformance-gate", tests=str(len(found) + 1), failures=str(failures), errors="0"
    )
    for item in found:
        name = f"{item.finding.rule.id} {item.finding.pointer}"
        case = ET.SubElement(suite, "testcase", classname=item.finding.rule.id, name=_printable(name))
        if item.verdict == "refused":
            failure = ET.SubElement(case, "failure", message=_printable(item.told))
            failure.text = _printable("\n".join(_whole(item, judgement)))
    waivers = ET.SubElement(suite, "testcase", classname="waivers", name="waivers")
    if judgement.problems:
        ET.SubElement(waivers, "failure", message=_printable("; ".join(judgement.problems)))
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(suite, encoding="unicode")}\n'


def as_annotations(judgement: Judgement, found: list[Item], against: str, *, is_verbose: bool) -> Iterator[str]:
    """Give the workflow commands that put findings beside their lines on GitHub, and the verdict behind them."""
    for item in found:
        file, title = _escaped(item.file, ":,"), _escaped(item.finding.rule.id, ":,")
        place = f"file={file},line={item.place.line},title={title}"
        if item.verdict == "refused":
            lines = "\n".join(_whole(item, judgement))
            yield f"::error {place}::{_escaped(lines)}"
        elif item.verdict == "waived":
            yield f"::warning {place}::{_escaped(f'waived: {item.told}')}"
        elif is_verbose:
            yield f"::notice {place}::{_escaped(item.told)}"
    yield from map(as_error, judgement.problems)
    said = _escaped(verdict(judgement, against))
    yield f"::notice::{said}" if judgement.is_accepted else f"::error::{said}"


def as_error(said: str) -> str:
    """Return the workflow command that shows an error without a place on GitHub."""
    return f"::error::{_escaped(plain(said))}"


def _escaped(said: str, further: str = "") -> str:
    """Write characters that end a workflow command, or further ones that end a property of it, as their codes."""
    return "".join(f"%{ord(c):02X}" if c in f"%\r\n{further}" else c for c in said)


def _printable(said: str) -> str:
    """Replace what XML cannot have."""
    return "".join(
        c if c in "\n\t" or (c >= " " and not "\ud800" <= c <= "\udfff" and c not in "\ufffe\uffff") else "?"
        for c in said
    )


def _short(said: str) -> str:
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}... ({len(said)} characters)"
