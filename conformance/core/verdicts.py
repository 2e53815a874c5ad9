"""The verdicts of cases, the exit statuses of runs, and the exceptions that lead to them."""

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
    INTERRUPTED = 130


class Verdict(StrEnum):
    """The outcome of one case.

    Attributes:
        severity: the greater, the worse; 0 when the case was not executed.
        style: its style on a terminal, for rich.
        exit_status: the exit status of a run in which this outcome was not expected.
    """

    severity: int
    style: str
    exit_status: ExitCode

    PASS = "pass", 1, "green", ExitCode.CONFORMANT
    """The target fulfilled the requirements."""
    FAIL = "fail", 3, "bold red", ExitCode.NOT_CONFORMANT
    """The target broke a MUST."""
    WARN = "warn", 2, "yellow", ExitCode.CONFORMANT
    """The target violated a SHOULD."""
    SLOW = "slow", 2, "yellow", ExitCode.CONFORMANT
    """The target fulfilled the requirements, but only with longer deadlines than usual."""
    FLAKY = "flaky", 2, "yellow", ExitCode.CONFORMANT
    """The target was late once, and fulfilled the requirements when the case was tried again alone."""
    UNSUPPORTED = "unsupported", 0, "cyan", ExitCode.CONFORMANT
    """The case needs something optional that the target, or its configuration in the kit, does not offer."""
    ERROR = "error", 4, "bold magenta", ExitCode.KIT_ERROR
    """The kit itself failed, or the driver of a client broke the driver protocol; says nothing about the target."""

    def __new__(
        cls, text: str, severity: int = 0, style: str = "", exit_status: ExitCode = ExitCode.CONFORMANT
    ) -> Self:
        """Create a verdict from its text and attributes; the text alone looks one up."""
        verdict = str.__new__(cls, text)
        verdict._value_ = text
        verdict.severity, verdict.style, verdict.exit_status = severity, style, exit_status
        return verdict

    @property
    def is_executed(self) -> bool:
        """True if the case was executed."""
        return self.severity > 0

    @property
    def is_good(self) -> bool:
        """True if a conformant target may have it."""
        return self.exit_status is ExitCode.CONFORMANT

    @property
    def is_clean(self) -> bool:
        """True if the target violated nothing, not even a SHOULD."""
        return self.severity <= Verdict.PASS.severity


SERVER_ENDED = "the server process ended during the case"
"""The message of a failure whose server ended during the case."""
SERVER_STOPPED = "the server stopped serving"
"""The message of a failure whose server served nobody after a case that broke no MUST itself."""


class Violation(Exception):
    """The target did something that a requirement forbids.

    Args:
        message: what went wrong; the same text each time, since known failures match it.
        expected: what the requirement requires, if the message alone does not say.
        received: what arrived instead, as text.
        ability: the ability of the survey that this step of the case needs; empty if no single one.

    Attributes:
        awaited: what the kit waited for, in the same words each time; empty if it waited for nothing.
        stopped: whether the server served nobody after that and was replaced.
    """

    def __init__(self, message: str, *, expected: str = "", received: str = "", ability: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.expected = expected
        self.received = received
        self.awaited = ""
        self.stopped = False
        self.ability = ability

    @property
    def step(self) -> str:
        """What went wrong at which step, in the same words each time; failures are grouped by it."""
        return f"{self.message}, waiting for {self.awaited}" if self.awaited else self.message


class Late(Violation):
    """The target did not do something in time; what it printed last may say why."""


class GraveViolation(Violation):
    """What breaks a MUST at any speed: a failure even in a case about something else, and no second attempt."""


class BrokenFrame(GraveViolation):
    """A frame broke a MUST for all frames."""


class ServerEnded(GraveViolation):
    """The server's process ended although the case did not end it.

    Args:
        received: how it ended, and its last output.
    """

    def __init__(self, received: str) -> None:
        super().__init__(SERVER_ENDED, received=received)


class Unsupported(Exception):
    """The case cannot be executed on this target; the message says what is missing."""


class TargetError(Exception):
    """The target could not be started or reached; the message says what happened and what to do."""
