"""What the gate makes of a tree, and the waivers that it takes into account."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field

from conformance.gate.model.findings import Finding
from conformance.gate.model.version import Step, Version

WAIVERS_FILE = "waivers.toml"


@dataclass(frozen=True, slots=True)
class Waiver:
    """One waiver.

    Attributes:
        rule: the rule's id.
        pointer: the finding's pointer.
        reason: why it is safe.
        expires: the last day on which it holds.
        file: the file that it stands in, for messages.
    """

    rule: str
    pointer: str
    reason: str
    expires: datetime.date
    file: str = WAIVERS_FILE

    def covers(self, finding: Finding) -> bool:
        """Tell whether it is about this finding."""
        return (self.rule, self.pointer) == (finding.rule.id, finding.pointer)

    def has_ended(self, today: datetime.date) -> bool:
        """Tell whether its last day is over."""
        return self.expires < today


@dataclass(frozen=True)
class Judgement:
    """What the gate makes of a tree.

    Attributes:
        old: the version that the tree was compared with.
        new: the version of the tree.
        refused: what the tree's version does not allow, or none does.
        accepted: the other differences.
        waived: differences that would be refused, with their waivers, none of which has ended.
        problems: what is wrong with the waivers.
    """

    old: Version
    new: Version
    refused: list[Finding] = field(default_factory=list)
    accepted: list[Finding] = field(default_factory=list)
    waived: list[tuple[Finding, Waiver]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def is_accepted(self) -> bool:
        """Whether the tree may become the version that it says it is."""
        return not self.refused and not self.problems

    @property
    def needs(self) -> Step:
        """The step that all differences together need, waived and impossible ones aside."""
        steps = [each.needs for each in (*self.refused, *self.accepted) if each.needs is not Step.NEVER]
        return max(steps, default=Step.NONE)
