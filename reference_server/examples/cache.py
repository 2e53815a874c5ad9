"""The channel `cache-service`: values that are kept for a time."""

from __future__ import annotations

import time
from typing import Any, Final

from reference_server.examples.actions import Arguments, Refused, handler_of, required
from reference_server.handlers import Request
from reference_server.server import ReferenceServer

_MOST: Final = 100  # values; the one that was set longest ago goes first
_DEFAULT_TTL: Final = 3600.0


class Cache:
    """The values by their keys, in the order in which they were set."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[Any, float]] = {}

    def set(self, _request: Request, arguments: Arguments) -> dict[str, Any]:
        """Keep `data` as `key` for `ttl` seconds."""
        key, data, ttl = _key(arguments), required(arguments, "data"), arguments.get("ttl", _DEFAULT_TTL)
        if type(ttl) not in (int, float) or ttl <= 0:
            raise Refused("invalid_message", "the argument 'ttl' must be a number of seconds over 0")
        self._values.pop(key, None)
        self._values[key] = data, time.monotonic() + ttl
        if len(self._values) > _MOST:
            del self._values[next(iter(self._values))]
        return {"stored": True}

    def get(self, _request: Request, arguments: Arguments) -> dict[str, Any]:
        """Answer with what is kept as `key`."""
        key = _key(arguments)
        data, end = self._values.get(key, (None, 0.0))
        if time.monotonic() < end:
            return {"found": True, "data": data}
        self._values.pop(key, None)
        return {"found": False, "data": None}


def register(server: ReferenceServer) -> None:
    """Register the channel."""
    cache = Cache()
    server.handler("cache-service")(handler_of({"get": cache.get, "set": cache.set}))


def _key(arguments: Arguments) -> str:
    key = required(arguments, "key")
    if not isinstance(key, str):
        raise Refused("invalid_message", "the argument 'key' must be a text")
    return key
