"""The outcome of a story: whether it worked, and which requirement was broken by whom if it did not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from conformance.core.roles import Role


class Verdict(StrEnum):
    """How a story ended for a client and a server."""

    WORKS = "works"
    """Everything happened that the story expects, and no frame broke a requirement."""
    NOTE = "note"
    """Everything happened that the story expects, but a requirement or a recommendation was not followed."""
    BROKEN = "broken"
    """Something that a requirement demands did not happen."""
    NOT_RUN = "not-run"
    """The driver, or the server, does not support what the story needs."""


@dataclass(frozen=True, order=True)
class Cause:
    """Why a story did not simply work.

    Attributes:
        party: whose fault it is.
        requirement: the id of the requirement that was not followed; empty if none fits.
        message: what happened, in the same words each time.
    """

    party: Role
    requirement: str
    message: str

    def __str__(self) -> str:
        return f"{self.party}: {self.message}" + (f" [{self.requirement}]" if self.requirement else "")

    def as_json(self) -> dict[str, str]:
        """Return the cause for the results file."""
        return {"party": self.party, "requirement": self.requirement, "message": self.message}


class Broken(Exception):
    """The story cannot go on, or a step of it went wrong.

    Args:
        party: whose fault it is.
        requirement: the id of the requirement that was broken.
        message: what happened, in the same words each time.
        detail: what was seen.
    """

    def __init__(self, party: Role, requirement: str, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.cause = Cause(party, requirement, message)
        self.detail = detail


class Stopped(Exception):
    """The run ends before the story does."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of one story for one pair.

    Attributes:
        client: the name of the client.
        server: the name of the server.
        story: the name of the story.
        verdict: how it ended.
        causes: why it did not simply work; if it is broken, the first cause broke it.
        detail: what was seen.
        trace: the lines of the recording, if it did not work.
        seconds: how long it took.
    """

    client: str
    server: str
    story: str
    verdict: Verdict
    causes: tuple[Cause, ...] = ()
    detail: str = ""
    trace: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def is_broken(self) -> bool:
        """True if what the story expects did not happen."""
        return self.verdict is Verdict.BROKEN

    def verdict_of(self, cause: Cause) -> Verdict:
        """Return the verdict that the story would have if this cause were its only one."""
        return Verdict.NOTE if self.is_broken and cause != self.causes[0] else self.verdict

    def as_json(self) -> dict[str, Any]:
        """Return the outcome for the results file."""
        return {
            "client": self.client,
            "server": self.server,
            "story": self.story,
            "verdict": self.verdict,
            "causes": [each.as_json() for each in self.causes],
            "detail": self.detail,
            "trace": list(self.trace),
            "seconds": round(self.seconds, 2),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Outcome:
        """Return the outcome that :meth:`as_json` wrote."""
        causes = tuple(Cause(**each) for each in content["causes"])
        changed = {"verdict": Verdict(content["verdict"]), "causes": causes, "trace": tuple(content["trace"])}
        return cls(**{**content, **changed})
