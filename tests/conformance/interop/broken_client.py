"""The driver of the Python client, which is wrong in one way: ``python broken_client.py WRONG``."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from reference_server.client import Client, Message, client, connection, driver
from reference_server.client.messages import make_frame

WRONG = sys.argv[1]
ECHO = "conformance.echo"
subscribed: set[str] = set()


class Wrong(Client):
    """The client."""

    attempts = 0
    requests = 0

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        if WRONG == "crashes when it is replaced":
            self.on_disconnected(lambda reason: os._exit(3) if reason and reason.code == "session_replaced" else None)

    async def connect(self) -> None:
        """Connect, the first time perhaps."""
        self.attempts += 1
        if WRONG != "connects once" or self.attempts == 1:
            await super().connect()

    async def notify(self, channel: str, payload: Any) -> None:
        """Notify, or not."""
        if WRONG != "notifies nothing":
            await super().notify(channel, payload)

    async def request(self, channel: str, payload: Any = None, **options: Any) -> Message:
        """Send a request, or not, and wait for the response."""
        self.requests += 1
        if WRONG == "sends no requests" or (WRONG == "sends one request" and self.requests > 1):
            raise TimeoutError("nothing came")
        if WRONG == "leaves at once":
            asyncio.get_running_loop().call_later(0.05, asyncio.ensure_future, super().close())
        if WRONG == "waits longer":
            options = {}
        response = await super().request(channel, payload, **options)
        if WRONG == "loses responses":
            raise TimeoutError("nothing came")
        if WRONG == "hands over nothing" and isinstance(payload, dict) and "number" in payload:
            return msgspec.structs.replace(response, payload={"nothing": True})
        return response

    async def publish(self, channel: str, payload: Any) -> None:
        """Publish, or not."""
        if WRONG == "writes rubbish":
            sys.stdout.write("publishing\n")
        if WRONG != "publishes nothing":
            await super().publish(channel, payload)

    async def add_handler(self, channel: str, handler: Callable[[Message], Any], **named: Any) -> None:
        """Hand over messages, or not all."""
        heard: list[Message] = []

        async def deaf(message: Message) -> None:
            heard.append(message)
            if len(heard) == 1 or WRONG != "hands over once":
                await handler(message)

        if WRONG != "subscribes to nothing":
            await super().add_handler(channel, deaf, **named)

    def remove_handler(self, channel: str, *handlers: Any) -> None:
        """Unsubscribe, or only forget the handler."""
        if WRONG != "never unsubscribes":
            super().remove_handler(channel, *handlers)

    async def close(self) -> None:
        """End the connection, or not."""
        if WRONG != "stays connected":
            await super().close()


def frame(*given: Any, **named: Any) -> bytes:
    """Return a frame, a wrong one perhaps."""
    message = json.loads(make_frame(*given, **named)[4:])
    if WRONG == "sends a wrong member":
        message["priority"] = 1
    elif WRONG == "subscribes once" and message["message_type"] == "subscribe":
        message["channel_id"] = message["channel_id"] if message["channel_id"] not in subscribed else "elsewhere"
        subscribed.add(message["channel_id"])
    elif f"adds to {message['message_type']}" == WRONG and message["channel_id"] not in ("system", ECHO):
        message["priority"] = 1
    elif WRONG.startswith("omits "):
        del message[WRONG.removeprefix("omits ")]
    body = json.dumps(message).encode()
    if WRONG == "sends no JSON" and message["message_type"] == "request":
        body = body[:-1] + b', "priority": NaN}'
    return len(body).to_bytes(4, "big") + body


vars(client)["make_frame"] = frame
if WRONG == "comes back after it was replaced":
    vars(connection)["FINAL_CODES"] = frozenset()
vars(driver)["Client"] = Wrong
asyncio.run(driver.Driver().run())
if WRONG == "ends with an error":
    sys.exit(4)
