"""The gate's judgement of a tree, and the waivers that apply."""

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
        expires: the last day on which it is valid.
        file: its file, for messages.
    """

    rule: str
    pointer: str
    reason: str
    expires: datetime.date
    file: str = WAIVERS_FILE

    def covers(self, finding: Finding) -> bool:
        """Return true if it waives this finding."""
        return (self.rule, self.pointer) == (finding.rule.id, finding.pointer)

    def has_ended(self, today: datetime.date) -> bool:
        """Return true if it expired before this day."""
        return self.expires < today


@dataclass(frozen=True)
class Judgement:
    """The gate's judgement of a tree.

    Attributes:
        old: the version that the tree was compared with.
        new: the version of the tree.
        refused: the differences that the tree's version, or any version, does not allow.
        accepted: the other differences.
        waived: differences that would be refused, with their waivers, none of which has expired.
        problems: the problems of the waivers.
    """

    old: Version
    new: Version
    refused: list[Finding] = field(default_factory=list)
    accepted: list[Finding] = field(default_factory=list)
    waived: list[tuple[Finding, Waiver]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def is_accepted(self) -> bool:
        """True if the tree's version allows all its differences."""
        return not self.refused and not self.problems

    @property
    def step(self) -> Step:
        """The step from the old version to that of the tree."""
        return self.old.step_to(self.new) if self.new >= self.old else Step.NONE

    @property
    def needs(self) -> Step:
        """The step that all differences need, except waived ones and those that no version allows."""
        steps = [each.needs for each in (*self.refused, *self.accepted) if each.needs is not Step.NEVER]
        return max(steps, default=Step.NONE)
