"""The judgement: every difference, whether the version allows it, and what would."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from conformance.gate import rules, waivers
from conformance.gate.inputs.working_tree import Tree
from conformance.gate.model.findings import Finding
from conformance.gate.model.release import Release
from conformance.gate.model.version import Step, Version
from conformance.gate.rules import versions
from conformance.gate.rules.comparison import Comparison
from conformance.gate.waivers import Waiver


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


def judge(
    old: Release,
    tree: Tree,
    waived: Sequence[Waiver] = (),
    today: datetime.date | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Judgement:
    """Compare a tree with a version.

    Args:
        old: the version.
        tree: the tree.
        waived: waivers.
        today: the day by which waivers end; the present one if None.
        progress: is told what is being done, when that may take a while.

    Raises:
        ReleaseError: a schema that a table names is missing, or one that it refers to.
    """
    comparison = Comparison(old, tree.release)
    findings = list(rules.differences(comparison, progress))
    findings += versions.check(comparison, findings, tree.changes)
    new = tree.release.version
    judgement = Judgement(old.version, new)
    step = old.version.step_to(new) if new >= old.version else Step.NONE
    today = today or datetime.date.today()
    current = [each for each in waived if not each.has_ended(today)]
    for finding in findings:
        waiver = next((each for each in current if each.covers(finding)), None)
        if finding.needs <= step:
            judgement.accepted.append(finding)
        elif waiver:
            judgement.waived.append((finding, waiver))
        else:
            judgement.refused.append(finding)
    would_be_refused = [*judgement.refused, *(finding for finding, _ in judgement.waived)]
    judgement.problems.extend(waivers.problems(waived, would_be_refused, today))
    return judgement
