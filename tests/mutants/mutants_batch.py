"""Mistakes about batches (chapter BAT)."""

from __future__ import annotations

from typing import Any

import msgspec
from mutation import around, mutant

from reference_server.handlers import HandlerFailedError
from reference_server.network.handler_runner import HandlerRunner
from reference_server.profiles import batch
from reference_server.profiles.batch import BatchProfile
from reference_server.protocol.errors import ErrorCode, WireError, error_payload
from reference_server.protocol.events import RunHandler

_MANY = 100


@mutant("BAT-001")
def items_not_checked() -> None:
    """A batch that breaks the rules is treated as one without items."""

    @around(batch, "read_items")
    def read_items(original: Any, message: Any) -> Any:
        try:
            return original(message)
        except WireError:
            return []


@mutant("BAT-001/late")
def handler_asked_first() -> None:
    """Whether a batch is valid is asked only where there is a handler, which then fails."""

    @around(BatchProfile, "read")
    def read(original: Any, self: BatchProfile, message: Any) -> Any:
        try:
            return original(self, message)
        except WireError:
            return object()  # has no items


@mutant("BAT-002")
def answers_as_they_come() -> None:
    """Answers stand in the order in which they are done."""

    @around(BatchProfile, "answer")
    async def answer(original: Any, self: BatchProfile, items: Any, run_handler: RunHandler) -> Any:
        made = await original(self, items, run_handler)
        made["responses"].sort(key=repr)
        return made


@mutant("BAT-002/empty")
def empty_refused() -> None:
    """A batch without items fails."""

    @around(batch, "read_items")
    def read_items(original: Any, message: Any) -> Any:
        items = original(message)
        if not items:
            raise WireError(ErrorCode.INVALID_MESSAGE, "there are no items", message)
        return items


@mutant("BAT-003")
def one_fails_all() -> None:
    """A handler that fails for one item fails the batch."""

    @around(batch, "answer_item")
    async def answer_item(original: Any, item: Any, run_handler: RunHandler) -> Any:
        answer = await original(item, run_handler)
        if isinstance(answer, dict) and answer.get("error", {}).get("code") is ErrorCode.HANDLER_FAILED:
            raise RuntimeError("an item failed")
        return answer


@mutant("BAT-004")
def text_told() -> None:
    """The error in an item's place has the text of the exception."""

    @around(HandlerRunner, "_call_for_profile")
    async def call(_original: Any, self: HandlerRunner, handler: Any, _event: Any, request: Any, payload: Any) -> Any:
        try:
            return await self._call(handler, msgspec.structs.replace(request, payload=payload))
        except Exception as error:  # noqa: BLE001 - as the server itself does
            raise HandlerFailedError(str(error)) from None


@mutant("BAT-005")
def handled_twice() -> None:
    """Each item is handled twice."""

    @around(batch, "answer_item")
    async def answer_item(original: Any, item: Any, run_handler: RunHandler) -> Any:
        await original(item, run_handler)
        return await original(item, run_handler)


@mutant("BAT-006")
def last_first() -> None:
    """The items are handled from the last to the first."""

    @around(BatchProfile, "answer")
    async def answer(original: Any, self: BatchProfile, items: Any, run_handler: RunHandler) -> Any:
        made = await original(self, items[::-1], run_handler)
        made["responses"].reverse()
        return made


@mutant("BAT-007")
def nested_handled() -> None:
    """A batch in a batch is handed to the handler."""

    @around(batch, "answer_item")
    async def answer_item(_original: Any, item: Any, run_handler: RunHandler) -> Any:
        return await run_handler(item)


@mutant("BAT-008")
def hundred_items() -> None:
    """A batch of more than a hundred items is refused."""

    @around(batch, "read_items")
    def read_items(original: Any, message: Any) -> Any:
        items = original(message)
        if len(items) > _MANY:
            raise WireError(ErrorCode.INVALID_MESSAGE, "there are too many items", message)
        return items


@mutant("BAT-009")
def placed_by_id() -> None:
    """Answers are placed by the ids of the items."""

    @around(batch, "read_items")
    def read_items(original: Any, message: Any) -> Any:
        original(message)
        items = sorted(message["payload"]["requests"], key=lambda item: repr(item.get("id")))
        return [item["payload"] for item in items]


@mutant("BAT-005/equal")
def equal_ones_once() -> None:
    """Items that are equal are handled once."""

    @around(BatchProfile, "answer")
    async def answer(original: Any, self: BatchProfile, items: Any, run_handler: RunHandler) -> Any:
        single = [item for place, item in enumerate(items) if item not in items[:place]]
        made = await original(self, single, run_handler)
        return {"responses": [made["responses"][single.index(item)] for item in items]}


@mutant("BAT-008/slow")
def sixty_four_at_a_time() -> None:
    """Of the items whose handlers wait, the sixty-fifth and those behind it fail."""
    waiting = 0

    @around(batch, "answer_item")
    async def answer_item(original: Any, item: Any, run_handler: RunHandler) -> Any:
        nonlocal waiting
        if waiting >= 64:
            return error_payload(ErrorCode.HANDLER_FAILED, "too many items")
        waiting += 1
        try:
            return await original(item, run_handler)
        finally:
            waiting -= 1
