"""What a case can end with, and what a whole run can."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Self


class ExitCode(IntEnum):
    """The exit status of ``ipc-conformance``."""

    CONFORMANT = 0
    NOT_CONFORMANT = 1
    USAGE = 2
    UNREACHABLE = 3
    NOTHING_RAN = 4
    KIT_ERROR = 5


class Verdict(StrEnum):
    """The outcome of one case.

    Attributes:
        severity: the greater, the worse; 0 when the case was not executed.
        style: how a terminal shows it, in rich's words.
        exit_status: what a run ends with when nobody expected this outcome.
    """

    severity: int
    style: str
    exit_status: ExitCode

    PASS = "pass", 1, "green", ExitCode.CONFORMANT
    """The target did what the requirements ask."""
    FAIL = "fail", 3, "bold red", ExitCode.NOT_CONFORMANT
    """The target broke a MUST."""
    WARN = "warn", 2, "yellow", ExitCode.CONFORMANT
    """The target went against a SHOULD."""
    UNSUPPORTED = "unsupported", 0, "cyan", ExitCode.CONFORMANT
    """The case needs something optional that the target or the way it is reached does not offer."""
    ERROR = "error", 4, "bold magenta", ExitCode.KIT_ERROR
    """The kit itself failed; says nothing about the target."""

    def __new__(
        cls, text: str, severity: int = 0, style: str = "", exit_status: ExitCode = ExitCode.CONFORMANT
    ) -> Self:
        """Make a verdict of its text and attributes; look one up by its text alone."""
        verdict = str.__new__(cls, text)
        verdict._value_ = text
        verdict.severity, verdict.style, verdict.exit_status = severity, style, exit_status
        return verdict

    @property
    def is_executed(self) -> bool:
        """Whether the case was tried."""
        return self.severity > 0

    @property
    def is_good(self) -> bool:
        """Whether a conformant target may have it."""
        return self.exit_status is ExitCode.CONFORMANT

    @property
    def is_clean(self) -> bool:
        """Whether it says nothing against the target, not even about a SHOULD."""
        return self.severity <= Verdict.PASS.severity


SERVER_ENDED = "the server process ended during the case"
"""What a failure says when its server ended while it ran."""


class Violation(Exception):
    """The target did something that a requirement rules out.

    Args:
        message: what went wrong, in words that are the same each time it goes wrong.
        expected: what the requirement asks for, if the message alone does not say.
        received: what came instead, as text.
    """

    def __init__(self, message: str, *, expected: str = "", received: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.expected = expected
        self.received = received


class BrokenFrame(Violation):
    """A frame broke a MUST that holds for every frame, whatever the case is about: a failure even where it is not."""


class Unsupported(Exception):
    """The case cannot be tried on this target; the text says what is missing."""


class TargetError(Exception):
    """The target could not be started or reached; the text says what happened and what to do."""
