"""What a case can end with, and what a whole run can."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Verdict(StrEnum):
    """The outcome of one case."""

    PASS = "pass"  # noqa: S105 - a verdict, no password
    """The target did what the requirements ask."""
    FAIL = "fail"
    """The target broke a MUST."""
    WARN = "warn"
    """The target went against a SHOULD."""
    UNSUPPORTED = "unsupported"
    """The case needs something optional that the target or the way it is reached does not offer."""
    ERROR = "error"
    """The kit itself failed; says nothing about the target."""


class ExitCode(IntEnum):
    """The exit status of ``ipc-conformance``."""

    CONFORMANT = 0
    NOT_CONFORMANT = 1
    USAGE = 2
    UNREACHABLE = 3
    NOTHING_RAN = 4
    KIT_ERROR = 5


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
