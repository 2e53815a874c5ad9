"""Mistakes about batches (chapter BAT)."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from mutation import around, mutant

from reference_server.network.handler_runner import HandlerRunner
from reference_server.profiles import batch
from reference_server.protocol.errors import ErrorCode, WireError

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

    @around(batch, "read_items")
    def read_items(original: Any, message: Any) -> Any:
        try:
            return original(message)
        except WireError:
            return None


@mutant("BAT-002")
def answers_as_they_come() -> None:
    """Answers stand in the order in which they are done."""

    @around(HandlerRunner, "_payload")
    async def payload(original: Any, self: HandlerRunner, handler: Any, event: Any, drop: Any) -> Any:
        made = await original(self, handler, event, drop)
        if hasattr(event, "items") and isinstance(made["responses"][:1], list):
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

    @around(HandlerRunner, "_answer_item")
    async def answer_item(original: Any, self: HandlerRunner, handler: Any, event: Any, item: Any) -> Any:
        answer = await original(self, handler, event, item)
        if isinstance(answer, dict) and answer.get("error", {}).get("code") is ErrorCode.HANDLER_FAILED:
            raise RuntimeError("an item failed")
        return answer


@mutant("BAT-004")
def text_told() -> None:
    """The error in an item's place has the text of the exception."""

    @around(HandlerRunner, "_answer_item")
    async def answer_item(_original: Any, self: HandlerRunner, handler: Any, _event: Any, item: Any) -> Any:
        try:
            return await self._call(handler, item)
        except Exception as error:  # noqa: BLE001 - as the server itself does
            return batch.error(ErrorCode.HANDLER_FAILED, str(error))


@mutant("BAT-005")
def handled_twice() -> None:
    """Each item is handled twice."""

    @around(HandlerRunner, "_answer_item")
    async def answer_item(original: Any, self: HandlerRunner, handler: Any, event: Any, item: Any) -> Any:
        await original(self, handler, event, item)
        return await original(self, handler, event, item)


@mutant("BAT-006")
def last_first() -> None:
    """The items are handled from the last to the first."""

    @around(asyncio, "gather")
    async def gather(_original: Any, *items: Any) -> list[Any]:
        tasks = [asyncio.ensure_future(item) for item in reversed(items)]
        return [await task for task in reversed(tasks)]


@mutant("BAT-007")
def nested_handled() -> None:
    """A batch in a batch is handed to the handler."""

    @around(HandlerRunner, "_answer_item")
    async def answer_item(_original: Any, self: HandlerRunner, handler: Any, _event: Any, item: Any) -> Any:
        return await self._call(handler, item)


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

    @around(HandlerRunner, "_payload")
    async def payload(original: Any, self: HandlerRunner, handler: Any, event: Any, drop: Any) -> Any:
        items = getattr(event, "items", None)
        if not isinstance(items, list):
            return await original(self, handler, event, drop)
        single = [item for place, item in enumerate(items) if item not in items[:place]]
        made = await original(self, handler, msgspec.structs.replace(event, items=single), drop)
        return {"responses": [made["responses"][single.index(item)] for item in items]}


@mutant("BAT-008/slow")
def sixty_four_at_a_time() -> None:
    """Of the items whose handlers wait, the sixty-fifth and those behind it fail."""
    waiting = 0

    @around(HandlerRunner, "_answer_item")
    async def answer_item(original: Any, self: HandlerRunner, handler: Any, event: Any, item: Any) -> Any:
        nonlocal waiting
        if waiting >= 64:
            return batch.error(ErrorCode.HANDLER_FAILED, "too many items")
        waiting += 1
        try:
            return await original(self, handler, event, item)
        finally:
            waiting -= 1
