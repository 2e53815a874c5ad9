"""The judgement: every difference, whether the version allows it, and what would."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence

from conformance.gate import rules
from conformance.gate.inputs.working_tree import Tree
from conformance.gate.model.findings import Finding
from conformance.gate.model.judgement import Judgement, Waiver
from conformance.gate.model.release import Release
from conformance.gate.model.version import Step
from conformance.gate.rules import versions
from conformance.gate.rules.comparison import Comparison


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
    judgement.problems.extend(waiver_problems(waived, would_be_refused, today))
    return judgement


def waiver_problems(waivers: Iterable[Waiver], findings: Iterable[Finding], today: datetime.date) -> list[str]:
    """Return what is wrong with waivers: that they have ended, or that there is nothing any more that they waive."""
    found = list(findings)
    texts = []
    for waiver in waivers:
        name = f"{waiver.file}: the waiver of {waiver.rule} at {waiver.pointer}"
        if not any(waiver.covers(finding) for finding in found):
            texts.append(f"{name} is stale: there is no such finding; remove it")
        elif waiver.has_ended(today):
            texts.append(f"{name} ended on {waiver.expires}; mend the finding, or give it another day and say why")
    return texts
