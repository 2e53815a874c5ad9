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


# Items that start in one turn of the event loop, after which other connections get theirs.
SLICE: Final = 64

# Items whose handlers may wait at the same time. An item takes a task, hundreds of times the octets of a short one.
# A batch that every server accepts (BAT-008) still runs side by side as a whole.
AT_A_TIME: Final = 1000


class BatchProfile(Profile):
    """Answers a batch with the answers to its items, in their order."""

    name = "batch"

    def read(self, message: Message) -> list[Any] | None:
        """Return the payloads of the items of a batch.

        Raises:
            WireError: The batch is not valid (BAT-001), or has more items than the server takes (BAT-008).
        """
        payload = message["payload"]
        if not is_batch(payload):
            return None
        items, most = payload.get("requests"), self._context.limits.max_batch_items
        if type(items) is list and len(items) > most:
            raise WireError(
                ErrorCode.INVALID_MESSAGE, f"the batch has {len(items)} items, the limit is {most}", message
            )
        return read_items(message)

    def at_a_time(self, content: list[Any]) -> int:
        """Return how many items may be in handlers."""
        return min(len(content), AT_A_TIME)

    async def answer(self, content: list[Any], run_handler: RunHandler) -> dict[str, Any]:
        """Run the handler on every item, side by side as far as there are not too many."""
        places = asyncio.Semaphore(AT_A_TIME)
        answers = []
        # Tasks begin in the order in which they are made (BAT-006); cancelling this one cancels them.
        async with asyncio.TaskGroup() as tasks:
            for number, item in enumerate(content, 1):
                await places.acquire()
                answer = tasks.create_task(answer_item(item, run_handler))
                answer.add_done_callback(lambda _: places.release())
                answers.append(answer)
                if number % SLICE == 0:
                    await asyncio.sleep(0)
        return {"responses": [answer.result() for answer in answers]}


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
