"""The channel `api`: users, a record, and an operation that takes its time."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from reference_server.examples.actions import Arguments, Refused, handler_of, integer
from reference_server.examples.users import User, Users, filters_of
from reference_server.handlers import Request
from reference_server.server import ReferenceServer

_RECORDS: Final = {123: {"id": 123, "title": "Notes on the Analytical Engine", "year": 1843}}
_SLOW: Final = 15.0  # seconds; more than the ten that a client waits unless told otherwise
_SLOWEST: Final = 60.0


def register(server: ReferenceServer, users: Users) -> None:
    """Register the channel."""

    def get_users(_request: Request, arguments: Arguments) -> dict[str, list[User]]:
        return {"users": users.find(filters_of(arguments))}

    def get_data(_request: Request, arguments: Arguments) -> dict[str, Any]:
        number = integer(arguments, "id")
        if number not in _RECORDS:
            raise Refused("not_found", f"there is no record {number}")
        return _RECORDS[number]

    async def slow_operation(request: Request, arguments: Arguments) -> dict[str, Any]:
        seconds = arguments.get("seconds", _SLOW)
        if type(seconds) not in (int, float) or not 0 <= seconds <= _SLOWEST:
            raise Refused("invalid_message", f"the argument 'seconds' must be a number from 0 to {_SLOWEST:g}")
        server.publish(request.app_id, "status", {"operation": "slow_operation", "status": "started"})
        await asyncio.sleep(seconds)
        server.publish(request.app_id, "status", {"operation": "slow_operation", "status": "finished"})
        return {"seconds": seconds}

    server.handler("api")(handler_of({"get_users": get_users, "get_data": get_data, "slow_operation": slow_operation}))
