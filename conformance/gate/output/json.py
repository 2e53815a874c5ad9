"""A judgement as JSON, for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from conformance.gate.model.judgement import Judgement
from conformance.gate.output.items import Item


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
        "who": list(finding.who),
        "needs": str(finding.needs),
        "before": finding.before,
        "after": finding.after,
        "also": list(finding.also),
        "witness": asdict(finding.witness) if finding.witness else None,
        "remedy": finding.rule.remedy,
        "reason": item.reason,
    }
