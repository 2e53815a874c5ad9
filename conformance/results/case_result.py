"""The result of one case."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from conformance.core.verdicts import Verdict


@dataclass
class CaseResult:
    """The result of one case; also the form of an entry in the results file."""

    case: str
    requirements: list[str]
    level: str
    verdict: Verdict
    expected: bool
    duration_ms: float
    message: str = ""
    wanted: str = ""
    received: str = ""
    foreseen: str = ""
    reproduce: str = ""
    trace: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the entry as plain JSON values."""
        return vars(self) | {"verdict": str(self.verdict)}
