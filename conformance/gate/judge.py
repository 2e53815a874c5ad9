"""The judgement: every difference, and whether the version allows it."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from conformance.gate import rules
from conformance.gate.inputs.against import released
from conformance.gate.inputs.working_tree import Tree
from conformance.gate.model.findings import Finding
from conformance.gate.model.judgement import Judgement, Waiver
from conformance.gate.model.release import Release
from conformance.gate.rules import versions
from conformance.gate.rules.comparison import Comparison
from conformance.gate.rules.places import placed


def judge(
    old: Release,
    tree: Tree,
    waived: Sequence[Waiver] = (),
    today: datetime.date | None = None,
    *,
    progress: Callable[[str], None] = lambda _: None,
    edited_releases: Mapping[str, str] = MappingProxyType({}),
) -> Judgement:
    """Compare a tree with a version.

    Args:
        old: the version.
        tree: the tree.
        waived: waivers.
        today: the day on which waivers must be valid; the current day if None.
        progress: called with a description of each step that may take a while.
        edited_releases: what happened to releases that were edited or deleted, by version.

    Raises:
        ReleaseError: a schema is missing that a table names or another schema refers to.
    """
    comparison = Comparison(old, tree.release)
    findings = list(rules.differences(comparison, progress))
    findings += versions.check(comparison, findings, tree.changes, released(tree.root))
    findings += versions.edited(edited_releases)
    findings = [placed(each, old, tree.release) for each in findings]
    new = tree.release.version
    judgement = Judgement(old.version, new)
    today = today or datetime.date.today()
    current = [each for each in waived if not each.has_ended(today)]
    for finding in findings:
        waiver = next((each for each in current if each.covers(finding)), None)
        if finding.needs <= judgement.step:
            judgement.accepted.append(finding)
        elif waiver:
            judgement.waived.append((finding, waiver))
        else:
            judgement.refused.append(finding)
    would_be_refused = [*judgement.refused, *(finding for finding, _ in judgement.waived)]
    judgement.problems.extend(waiver_problems(waived, would_be_refused, today))
    return judgement


def waiver_problems(waivers: Iterable[Waiver], findings: Iterable[Finding], today: datetime.date) -> list[str]:
    """Return the problems of waivers: they expired, or match no finding any more."""
    found = list(findings)
    texts = []
    for waiver in waivers:
        name = f"{waiver.file}: the waiver of {waiver.rule} at {waiver.pointer}"
        if not any(waiver.covers(finding) for finding in found):
            texts.append(f"{name} is stale: no finding matches it; remove it")
        elif waiver.has_ended(today):
            texts.append(f"{name} expired on {waiver.expires}; fix the finding, or set a later date and say why")
    return texts
