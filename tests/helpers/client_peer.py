"""A server that a test plays for the asyncio client, in the same event loop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from reference_server.client import Client, ClientError

_T = TypeVar("_T")
SECONDS = 120.0  # only a hung test takes this long, also on a busy machine


def run(scenario: Coroutine[Any, Any, _T]) -> _T:
    """Run a test's coroutine, and show that it leaves no task."""

    async def main() -> _T:
        result = await asyncio.wait_for(scenario, SECONDS)
        await asyncio.sleep(0)  # what was cancelled ends
        await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left
        return result

    return asyncio.run(main())


async def until(holds: Any) -> None:
    """Wait until a function returns something true."""
    while not holds():  # noqa: ASYNC110 - what it waits for has no event
        await asyncio.sleep(0.002)


class End:
    """The server's end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.hello: dict[str, Any] = {}

    async def read(self) -> dict[str, Any]:
        (length,) = struct.unpack(">I", await self.reader.readexactly(4))
        message: dict[str, Any] = json.loads(await self.reader.readexactly(length))
        return message

    def send_body(self, *bodies: bytes) -> None:
        self.writer.write(b"".join(struct.pack(">I", len(body)) + body for body in bodies))

    def send(self, *messages: dict[str, Any]) -> None:
        self.send_body(*(json.dumps(each).encode() for each in messages))

    def message(self, kind: str, channel: str, payload: Any, **members: Any) -> dict[str, Any]:
        app = self.hello.get("app_id", "demo")
        made = {"message_id": "s", "app_id": app, "channel_id": channel, "message_type": kind, "payload": payload}
        return made | {"timestamp": 1.5, "reply_to": None} | members

    def respond(self, request: dict[str, Any], payload: Any) -> None:
        self.send(self.message("response", request["channel_id"], payload, reply_to=request["message_id"]))

    def fail(self, code: str, request: dict[str, Any] | None = None) -> None:
        payload = {"status": "error", "error": {"code": code, "message": "because"}}
        reply_to = request and request["message_id"]
        self.send(self.message("response", request["channel_id"] if request else "system", payload, reply_to=reply_to))

    async def acknowledge(self, *, deployed: bool = False, ahead: int = 0, **members: Any) -> None:
        """Acknowledge the connect message, behind some octets of messages that a client ignores before that."""
        self.hello = await self.read()
        self.send(*[self.message("publish", "other", "x" * 1000)] * (ahead // 1000))
        payload = {"status": "connected", "connection_id": self.hello["payload"]["connection_id"]}
        if not deployed:
            payload |= {"protocol": "1.0", "profiles": [], "limits": {"max_frame_bytes": 1 << 24}}
        self.send(self.message("response", "system", payload | members))

    async def ended(self) -> None:
        """Wait for the client's end."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(1 << 16):
                pass

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        with contextlib.suppress(AttributeError):  # older releases of CPython 3.11 cannot abort closed TLS
            self.writer.transport.abort()


class Peer:
    """A listening server."""

    def __init__(self) -> None:
        self._ends: asyncio.Queue[End] = asyncio.Queue()
        self.all: list[End] = []
        self.port = 0

    async def accept(self, **acknowledgement: Any) -> End:
        """Return the next connection, after its handshake."""
        end = await self.accept_only()
        await end.acknowledge(**acknowledgement)
        return end

    async def accept_only(self) -> End:
        end = await self._ends.get()
        self.all.append(end)
        return end

    def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ends.put_nowait(End(reader, writer))

    @property
    def waiting(self) -> int:
        """How many connections nobody accepted."""
        return self._ends.qsize()


@contextlib.asynccontextmanager
async def peer(path: Path | None = None, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """Listen on a port, or on a unix socket."""
    made = Peer()
    if path is None:
        server = await asyncio.start_server(made.take, "127.0.0.1", 0, ssl=tls)
        made.port = server.sockets[0].getsockname()[1]
    else:
        server = await asyncio.start_unix_server(made.take, path, ssl=tls)
    try:
        yield made
    finally:
        server.close()
        while made.waiting:
            await made.accept_only()
        for end in made.all:
            end.reset()
        await server.wait_closed()
        await asyncio.sleep(0.01)  # transports of TLS take a few turns to end


def make(server: Peer, **options: Any) -> Client:
    """Return a client for a server that a test plays: without attempts to come back, and without pings."""
    usual = {"reconnect_attempts": 0, "reconnect_delay": 0.01, "heartbeat_interval": 0}
    return Client("demo", "127.0.0.1", server.port, **usual | options)


async def connected(server: Peer, client: Client, **acknowledgement: Any) -> End:
    """Connect a client, and return the server's end."""
    end, _ = await asyncio.gather(server.accept(**acknowledgement), client.connect())
    return end


async def coming_back(server: Peer, client: Client) -> None:
    """Let a client lose its connection, and wait until it is about to connect again."""
    client.on_error(lambda _: None)
    (await connected(server, client)).reset()
    await until(lambda: client.info.status == "reconnecting")


async def failure(work: Awaitable[Any]) -> ClientError:
    """Return the error with which something ends."""
    result: Any
    (result,) = await asyncio.gather(work, return_exceptions=True)
    assert isinstance(result, ClientError), result
    return result
