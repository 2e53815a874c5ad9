"""A judgement as text."""

from __future__ import annotations

import json
from collections.abc import Iterator

from conformance.gate.model.judgement import Judgement
from conformance.gate.model.version import Step
from conformance.gate.output.items import Item, plain
from conformance.gate.schemas.abridged import abridged

_LONGEST = 500
_FIXED_IN_PLACE = (
    "changelog-missing",
    "id-kept",
    "place-unknown",
    "since-wrong",
    "version-back",
    "version-skipped",
)
"""Rules without a version step: no version allows these findings."""


def text(judgement: Judgement, found: list[Item], against: str, *, is_verbose: bool) -> Iterator[str]:
    """Yield the lines of a report: refused findings in full, others on one line, accepted ones only if verbose."""
    for item in found:
        if item.verdict == "refused":
            yield from (*lines_about(item, judgement), "")
        elif item.verdict == "waived" or is_verbose:
            yield plain(f"{item.verdict:<8} {item.finding.rule.id}  {item.file}:{item.place.line}  {item.told}")
    yield from map(plain, judgement.problems)
    yield verdict(judgement, against)


def lines_about(item: Item, judgement: Judgement) -> list[str]:
    """Return the lines about a refused finding."""
    return [plain(line) for line in _lines(item, judgement)]


def _lines(item: Item, judgement: Judgement) -> Iterator[str]:
    finding = item.finding
    yield f"refused  {finding.rule.id}  {item.file}:{item.place.line}"
    yield f"  {finding.what}"
    if finding.who:
        yield f"  breaks   {' and '.join(f'{role}s' for role in finding.who)} of {judgement.old}"
    if finding.needs is not Step.NEVER:
        yield f"  needs    version {judgement.old.after(finding.needs)}"
    elif finding.rule.id not in _FIXED_IN_PLACE:
        yield "  needs    no version allows it"
    for label, value in (("before", finding.before), ("after", finding.after)):
        if value is not None:
            yield f"  {label:<8} {_short(value)}"
    if finding.witness:
        witness = finding.witness
        sides = f"a sender of {witness.sent_by} may send this, a receiver of {witness.refused_by} refuses it"
        yield f"  witness  {sides}: {witness.reason}"
        yield f"           {_short(json.dumps(abridged(witness.message)))}"
    if finding.also:
        yield f"  also     {_short(', '.join(finding.also))}"
    yield f"  pointer  {finding.pointer}"
    yield f"  do       {finding.rule.remedy}"
    yield f"  more     ipc-conformance gate --explain {finding.rule.id}"


def verdict(judgement: Judgement, against: str) -> str:
    """Return the judgement in one line."""
    numbers = f"{len(judgement.refused)} refused, {len(judgement.accepted)} accepted, {len(judgement.waived)} waived"
    if judgement.problems:
        numbers += f", waivers to fix: {len(judgement.problems)}"
    compared = plain(f"{judgement.new} against {against} ({judgement.old})")
    if not (judgement.refused or judgement.accepted or judgement.waived or judgement.problems):
        return f"accepted: {compared}: nothing differs"
    if judgement.is_accepted:
        return f"accepted: {compared}: {numbers}"
    needs = judgement.needs
    is_too_small = needs > judgement.step
    advice = f"; what may change at all needs version {judgement.old.after(needs)}" if is_too_small else ""
    return f"refused: {compared}: {numbers}{advice}"


def _short(said: str) -> str:
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}... ({len(said)} characters)"
