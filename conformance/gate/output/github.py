"""A judgement as annotations on GitHub."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.gate.model.judgement import Judgement
from conformance.gate.output.items import Item, plain
from conformance.gate.output.text import lines_about, verdict


def as_annotations(judgement: Judgement, found: list[Item], against: str, *, is_verbose: bool) -> Iterator[str]:
    """Yield the workflow commands that show findings at their lines on GitHub, then the verdict."""
    for item in found:
        file, title = _escaped(item.file, ":,"), _escaped(item.finding.rule.id, ":,")
        place = f"file={file},line={item.place.line},title={title}"
        if item.verdict == "refused":
            lines = "\n".join(lines_about(item, judgement))
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
    """Escape the characters that end a workflow command, and further ones that end a property of it."""
    return "".join(f"%{ord(c):02X}" if c in f"%\r\n{further}" else c for c in said)
