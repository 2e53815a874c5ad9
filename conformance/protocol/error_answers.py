"""Error answers: responses that say what is wrong."""

from __future__ import annotations

from typing import Any

from conformance.protocol.codec import Message


def error_code(message: Message) -> Any:
    """Return the code of an error answer, valid or not; None if there is none."""
    payload = message.get("payload")
    error = payload.get("error") if isinstance(payload, dict) else None
    return error.get("code") if isinstance(error, dict) else None
