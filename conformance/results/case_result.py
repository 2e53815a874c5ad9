"""The result of one case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

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
    known: str = ""
    """The reason in the known failures that expect this outcome; empty if they do not name it."""
    reproduce: str = ""
    chance: bool = False
    """Whether the case drew random input, so that its outcome may depend on the seed."""
    purpose: str = ""
    trace: list[dict[str, Any]] = field(default_factory=list)
    step: str = ""
    """What the case waited for when it failed, and what came instead, in the same words each time."""
    needed: str = ""
    """The ability of the survey that the failed step needed; empty if no single one."""
    ends_run: bool = False
    """Whether the target served nobody after this case, and the kit cannot restart it."""
    stopped: bool = False
    """Whether the target served nobody after this case, although its process went on."""
    watched: bool = False
    """Whether the absence of messages was only watched for a time, since the server answers nothing."""
    late: bool = False
    """Whether the outcome rests on a deadline alone, which a busy machine may miss."""
    earlier: list[dict[str, Any]] = field(default_factory=list)
    """What came of earlier tries, if the case was tried again."""

    def as_try(self) -> dict[str, Any]:
        """Return what the results file has of a try that did not count."""
        return {name: vars(self)[name] for name in ("message", "received", "trace")} | {"verdict": str(self.verdict)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return the result that :meth:`as_json` wrote."""
        return cls(**{**content, "verdict": Verdict(content["verdict"])})

    def as_json(self) -> dict[str, Any]:
        """Return the entry as plain JSON values."""
        return vars(self) | {"verdict": str(self.verdict)}
