"""Error codes of the protocol, and the exceptions that become error answers."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any


class ErrorCode(enum.StrEnum):
    """The closed list of error codes, in the order of the specification's table (ERR-001).

    Attributes:
        fatal: Whether the connection ends with this error.
        explanation: When the error is sent, in words for people.
    """

    fatal: bool
    explanation: str

    def __new__(cls, code: str, fatal: bool, explanation: str) -> ErrorCode:  # noqa: D102 - the class says it
        member = str.__new__(cls, code)
        member._value_ = code
        member.fatal = fatal
        member.explanation = explanation
        return member

    FRAME_TOO_LARGE = "frame_too_large", True, "a header states a length over the limit"
    MALFORMED_FRAME = "malformed_frame", True, "a body is not UTF-8, not JSON, not an object, or nested too deep"
    HANDSHAKE_REQUIRED = "handshake_required", True, "the first message is not a valid connect message"
    HANDSHAKE_TIMEOUT = "handshake_timeout", True, "no complete connect message arrived in time"
    UNSUPPORTED_PROTOCOL = "unsupported_protocol", True, "the client's protocol has another major number"
    UNAUTHORIZED = "unauthorized", True, "the security profile refused the client"
    SESSION_REPLACED = "session_replaced", True, "a newer connection took this one's place"
    SLOW_CONSUMER = "slow_consumer", True, "more outbound data waits for the client than the limit allows"
    TOO_MANY_CONNECTIONS = "too_many_connections", True, "the server is at its limit of connections"
    SHUTTING_DOWN = "shutting_down", True, "the server is about to stop"
    INVALID_MESSAGE = "invalid_message", False, "an envelope or a payload breaks a rule"
    APP_MISMATCH = "app_mismatch", False, "the `app_id` is not that of the connection"
    FORBIDDEN = "forbidden", False, "the message speaks for another connection"
    RESERVED_CHANNEL = "reserved_channel", False, "only the server publishes on this channel"
    ALREADY_CONNECTED = "already_connected", False, "a second connect message arrived"
    UNKNOWN_ACTION = "unknown_action", False, "the channel has no such action"
    NO_HANDLER = "no_handler", False, "the channel has no handler for requests"
    HANDLER_FAILED = "handler_failed", False, "the handler failed, or its answer could not be sent"


def error_payload(code: str, detail: str) -> dict[str, Any]:
    """Return the payload of an error answer (ERR-001)."""
    return {"status": "error", "error": {"code": code, "message": detail}}


class WireError(Exception):
    """Something a client did that it is told about with an error answer.

    Attributes:
        code: The code that the client is told.
        detail: What exactly was wrong, for people; never holds more than names and numbers of the client's message.
        about: The message at fault, empty when the octets did not become a message.
    """

    def __init__(self, code: ErrorCode, detail: str = "", about: Mapping[str, Any] | None = None) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.about = about or {}

    def __str__(self) -> str:
        return self.detail or self.code.explanation


class FrameTooLargeError(WireError):
    """A header states a length over the limit (FRM-010)."""

    def __init__(self, stated: int, limit: int) -> None:
        super().__init__(ErrorCode.FRAME_TOO_LARGE)
        self.stated = stated
        self.limit = limit

    def __str__(self) -> str:
        return f"the header states {self.stated} octets, the limit is {self.limit}"


class MalformedFrameError(WireError):
    """A body is not a JSON object as the specification's encoding chapter wants it (ENC-004 to ENC-013)."""

    def __init__(self, reason: str) -> None:
        super().__init__(ErrorCode.MALFORMED_FRAME, reason)


class HttpRequestError(Exception):
    """The first four octets of a connection begin an HTTP request (FRM-012)."""


class UnsendableError(ValueError):
    """A payload that the server was asked to send has no JSON form, or is too long (LIM-001)."""
