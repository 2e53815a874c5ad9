"""The profile batch: several requests for one channel in one message (chapter BAT)."""

from __future__ import annotations

from typing import Any, Final

from reference_server.protocol.errors import ErrorCode, WireError
from reference_server.protocol.messages import Message
from reference_server.protocol.schemas import explain, validator

NAME: Final = "batch"
ACTION: Final = "batch_process"

_BATCH_REQUEST: Final = validator("batch-request")


def is_batch(payload: object) -> bool:
    """Tell whether the payload of a request asks for a batch, rightly or not."""
    return type(payload) is dict and payload.get("action") == ACTION


def read_items(message: Message) -> list[Any]:
    """Return the payloads of the items of a batch.

    Raises:
        WireError: The batch is not valid (BAT-001).
    """
    payload = message["payload"]
    if not _BATCH_REQUEST.is_valid(payload):
        raise WireError(ErrorCode.INVALID_MESSAGE, f"payload: {explain(_BATCH_REQUEST, payload)}", message)
    return [item["payload"] for item in payload["requests"]]


def error(code: ErrorCode, detail: str) -> dict[str, Any]:
    """Return what stands for the answer of an item that has none (BAT-003, BAT-007)."""
    return {"status": "error", "error": {"code": code, "message": detail}}
