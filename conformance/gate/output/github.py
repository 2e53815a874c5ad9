"""A judgement as annotations on GitHub."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from conformance.core.workflow_commands import command
from conformance.gate.model.judgement import Judgement
from conformance.gate.output.items import Item, plain, seen_from_here
from conformance.gate.output.text import lines_about, verdict

_PLACE = re.compile(r"(?P<file>[^:\n]+\.(?:md|json|toml))(?::(?P<line>\d+))?: ")


def as_annotations(judgement: Judgement, found: list[Item], against: str, *, is_verbose: bool) -> Iterator[str]:
    """Yield the workflow commands that show findings at their lines on GitHub, then the verdict."""
    for item in found:
        place: dict[str, str | int] = {"file": item.file, "line": item.place.line, "title": item.finding.rule.id}
        if item.verdict == "refused":
            yield command("error", "\n".join(lines_about(item, judgement)), **place)
        elif item.verdict == "waived":
            yield command("warning", f"waived: {item.told}", **place)
        elif is_verbose:
            yield command("notice", item.told, **place)
    yield from map(as_error, judgement.problems)
    yield command("notice" if judgement.is_accepted else "error", verdict(judgement, against))


def as_error(said: str) -> str:
    """Return the workflow command that shows an error on GitHub, at its file and line if it begins with them."""
    found = _PLACE.match(said)
    place: dict[str, str | int] = {}
    if found:
        place = {"file": seen_from_here(Path(found["file"])), "line": found["line"] or 1}
    return command("error", plain(said), **place)
