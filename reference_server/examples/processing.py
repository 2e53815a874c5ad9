"""The channels `processor` and `data_service`: work on what the client sends.

The processor is there three times, so that a client that divides its work among instances has some.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from reference_server.examples.actions import Arguments, Refused, handler_of, integer, required
from reference_server.handlers import Request
from reference_server.server import ReferenceServer

INSTANCES: Final = ("data-processor-1", "data-processor-2")

Numbers = list[float]


def basic(numbers: Numbers) -> dict[str, Any]:
    """Return count and sum."""
    return {"count": len(numbers), "sum": math.fsum(numbers)}


def advanced(numbers: Numbers) -> dict[str, Any]:
    """Return count and sum, and where there are numbers the least, the greatest and the mean."""
    found = basic(numbers)
    if numbers:
        found |= {"min": min(numbers), "max": max(numbers), "mean": found["sum"] / len(numbers)}
    return found


_ALGORITHMS: Final[dict[str, Callable[[Numbers], dict[str, Any]]]] = {"basic": basic, "advanced": advanced}


def register(server: ReferenceServer) -> None:
    """Register the channels."""
    for channel_id in ("processor", *INSTANCES):
        server.handler(channel_id)(handler_of({"process_data": process_data}))
    server.handler("data_service")(handler_of({"process_item": process_item}))


async def process_data(_request: Request, arguments: Arguments) -> dict[str, Any]:
    """Summarise the numbers in `data`, however deep; with the option `validate` there has to be one."""
    data, options = required(arguments, "data"), arguments.get("options", {})
    if not isinstance(options, dict):
        raise Refused("invalid_message", "the argument 'options' must be an object")
    name = options.get("algorithm", "basic")
    if not isinstance(name, str) or name not in _ALGORITHMS:
        raise Refused("invalid_message", f"the option 'algorithm' must be one of {', '.join(_ALGORITHMS)}")
    # In a thread, since large data would keep the event loop from everybody else's messages.
    found = await asyncio.to_thread(_summarise, data, _ALGORITHMS[name])
    if options.get("validate") and not found["count"]:
        raise Refused("invalid_message", "the data hold no number")
    return {"algorithm": name, **found}


def process_item(_request: Request, arguments: Arguments) -> dict[str, Any]:
    """Note when an item was processed."""
    return {"item_id": integer(arguments, "item_id"), "processed_at": time.time()}


def _summarise(data: object, algorithm: Callable[[Numbers], dict[str, Any]]) -> dict[str, Any]:
    try:
        return algorithm(list(_numbers_in(data)))
    except OverflowError:
        raise Refused("invalid_message", "the numbers of the data are too large to be summed up") from None


def _numbers_in(data: object) -> Iterator[float]:
    rest = [data]
    while rest:
        value = rest.pop()
        if isinstance(value, dict | list):
            rest.extend(value.values() if isinstance(value, dict) else value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield float(value)
