"""Waivers: findings that are accepted all the same, each with a reason and a day on which it ends."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from conformance.files import read_toml
from conformance.gate.finding import Finding
from conformance.gate.rules import RULES

NAME = "waivers.toml"


@dataclass(frozen=True, slots=True)
class Waiver:
    """One waiver.

    Attributes:
        rule: the rule's id.
        pointer: the finding's pointer.
        reason: why it is safe.
        expires: the last day on which it holds.
    """

    rule: str
    pointer: str
    reason: str
    expires: datetime.date

    def covers(self, finding: Finding) -> bool:
        """Tell whether it is about this finding."""
        return (self.rule, self.pointer) == (finding.rule.id, finding.pointer)


def read(path: Path) -> list[Waiver]:
    """Read a file of waivers (TOML; schema ``tools/waivers``).

    Raises ValueError when it cannot be read, breaks its schema, names a rule that does not exist, or waives one thing
    twice.
    """
    content = read_toml(path, "tools/waivers", "waivers")
    try:
        found = [
            Waiver(**{**entry, "expires": datetime.date.fromisoformat(entry["expires"])})
            for entry in content.get("waiver", [])
        ]
    except ValueError as error:
        raise ValueError(f"waivers {path}: {error}") from None
    for number, waiver in enumerate(found):
        if waiver.rule not in RULES:
            raise ValueError(f"waivers {path}: there is no rule {waiver.rule!r}; ipc-conformance gate rules lists them")
        if any((other.rule, other.pointer) == (waiver.rule, waiver.pointer) for other in found[:number]):
            raise ValueError(f"waivers {path}: {waiver.rule} of {waiver.pointer} is waived twice")
    return found


def problems(waivers: Iterable[Waiver], findings: Iterable[Finding], today: datetime.date) -> list[str]:
    """Return what is wrong with waivers: that they have ended, or that there is nothing any more that they waive."""
    found = list(findings)
    texts = []
    for waiver in waivers:
        name = f"the waiver of {waiver.rule} at {waiver.pointer}"
        if not any(waiver.covers(finding) for finding in found):
            texts.append(f"{name} is stale: there is no such finding; remove it")
        elif waiver.expires < today:
            texts.append(f"{name} ended on {waiver.expires}; mend the finding, or give it another day and say why")
    return texts
