"""The profile batch: several requests for one channel in one message (chapter BAT)."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from reference_server.handlers import HandlerFailedError
from reference_server.profiles.profile import Profile
from reference_server.protocol.errors import ErrorCode, WireError, error_payload
from reference_server.protocol.events import Message, RunHandler
from reference_server.protocol.schemas import explain, validator

ACTION: Final = "batch_process"

_BATCH_REQUEST: Final = validator("batch-request")


class BatchProfile(Profile):
    """Answers a batch with the answers to its items, in their order."""

    name = "batch"

    def read(self, message: Message) -> list[Any] | None:
        """Return the payloads of the items of a batch."""
        return read_items(message) if is_batch(message["payload"]) else None

    async def answer(self, content: list[Any], run_handler: RunHandler) -> dict[str, Any]:
        """Run the handler on every item, side by side."""
        # Tasks begin in the order in which they are made (BAT-006); cancelling this one cancels them.
        return {"responses": await asyncio.gather(*(answer_item(item, run_handler) for item in content))}


def is_batch(payload: object) -> bool:
    """Return true if the payload of a request asks for a batch, rightly or not."""
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


async def answer_item(payload: Any, run_handler: RunHandler) -> Any:
    """Return the answer to an item, or the error in its place (BAT-003)."""
    if is_batch(payload):
        return error_payload(ErrorCode.INVALID_MESSAGE, "a batch cannot be an item of a batch")  # BAT-007
    try:
        return await run_handler(payload)
    except HandlerFailedError as failure:
        return error_payload(ErrorCode.HANDLER_FAILED, str(failure))
