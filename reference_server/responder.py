"""The responder: the application that makes a server testable (spec chapter 13).

Built with the public interface only; it reads as an example of it.
"""

from __future__ import annotations

import asyncio
import operator
from collections import deque
from typing import Any, Final

from reference_server.handlers import Request
from reference_server.profiles.discovery import DiscoveryProfile
from reference_server.server import ReferenceServer

APPLICATION: Final = "conformance"

_REMEMBERED: Final = 1000
# After so many messages in one go the other connections get their turn, and slow readers show.
_BURST: Final = 64


class RequestedFailure(Exception):
    """What `conformance.fail` and `conformance.fail_note` raise."""


class WrongPayload(ValueError):
    """A handler was given something else than the specification's table says."""


def install(server: ReferenceServer) -> None:
    """Register the responder's handlers with a server."""
    responder = Responder(server)
    for name in ("echo", "delay", "fail", "silent", "emit", "seen", "close"):
        server.handler(f"conformance.{name}", app=APPLICATION)(getattr(responder, name))
    if DiscoveryProfile.name in server.profiles:
        server.handler("conformance.services", app=APPLICATION)(responder.services)
    for name in ("note", "fail_note"):
        server.handler(f"conformance.{name}", kind="notification", app=APPLICATION)(getattr(responder, name))


class Responder:
    """The handlers, one method per channel."""

    def __init__(self, server: ReferenceServer) -> None:
        self._server = server
        self._notes: deque[Any] = deque(maxlen=_REMEMBERED)

    async def echo(self, request: Request) -> Any:
        """Answer with the payload."""
        return request.payload

    async def delay(self, request: Request) -> dict[str, Any]:
        """Answer with `value` after `delay_ms` milliseconds."""
        await asyncio.sleep(_number(request.payload, "delay_ms") / 1000)
        return {"value": request.payload["value"]}

    async def fail(self, request: Request) -> None:
        """Fail with `detail`, which the client must not see."""
        raise RequestedFailure(request.payload["detail"])

    async def silent(self, _request: Request) -> None:
        """Never finish; cancelled when the connection ends."""
        await asyncio.Event().wait()

    async def emit(self, request: Request) -> dict[str, int]:
        """Send `count` messages to the subscribers of `channel`."""
        wanted = request.payload
        send = {"publish": self._server.publish, "notification": self._server.notify}[wanted["message_type"]]
        channel, payload, count = wanted["channel"], wanted["payload"], operator.index(_number(wanted, "count"))
        for number in range(count):
            if number % _BURST == _BURST - 1:
                await asyncio.sleep(0)
            send(request.app_id, channel, payload)
        return {"emitted": count}

    async def note(self, request: Request) -> None:
        """Remember the payload."""
        self._notes.append(request.payload)

    async def fail_note(self, request: Request) -> None:
        """Remember the payload, then fail."""
        await self.note(request)
        raise RequestedFailure("the notification was to fail")

    async def seen(self, request: Request) -> dict[str, list[Any]]:
        """Answer with the remembered payloads, oldest first."""
        if type(request.payload) is not dict:
            raise WrongPayload("the payload is not an object")
        return {"seen": list(self._notes)}

    async def services(self, request: Request) -> dict[str, str]:
        """Add, change or remove an instance of a service."""
        wanted = request.payload
        service_type, registry = wanted["service_type"], self._server.services
        if ("remove" in wanted) == ("set" in wanted):
            raise WrongPayload("there has to be either set or remove")
        if "remove" in wanted:
            registry.remove(service_type, wanted["remove"], app=request.app_id)
        else:
            instance = dict(wanted["set"])
            registry.set(service_type, instance.pop("id"), **instance, app=request.app_id)
        return {"status": "ok"}

    async def close(self, request: Request) -> None:
        """Drop the connection without an answer."""
        request.drop_connection()


def _number(payload: dict[str, Any], member: str) -> Any:
    value = payload[member]
    if type(value) not in (int, float) or value < 0:
        raise WrongPayload(f"{member} is not a number of 0 or more")
    return value
