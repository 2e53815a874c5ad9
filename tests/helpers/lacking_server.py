"""The reference server behind a relay that takes one ability away: ``lacking_server.py ABILITY --port PORT``."""

# ruff: noqa: ARG002 - each lack overrides what it needs of the relay
from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import signal
import struct
from typing import Any

from reference_server import responder
from reference_server.protocol.errors import ErrorCode
from reference_server.server import ReferenceServer

LATE_SECONDS = 0.3
FEW_MESSAGES = 50
FEW_CONNECTIONS = 100
HEADER_BYTES = 4
LONGEST = 1 << 24
"""Longer ones are no frames."""
READ_BYTES = 1 << 16
BACKLOG = 512
MOST_WAITING = 1 << 21
"""So many octets of the server wait here for a client; few, so that slow readers slow down the server itself."""
LINGER_SECONDS = 2.0
"""For what a client still sends after the server has ended the connection."""


class Pending:
    """What the server has sent and nobody has written yet, with the times at which it is due."""

    def __init__(self) -> None:
        self._octets = 0
        self._has_room = asyncio.Event()
        self._frames = asyncio.Queue[tuple[float, bytes]]()

    async def put(self, due: float, frame: bytes) -> None:
        """Add a frame when there is room for it; an empty one is the end."""
        while self._octets > MOST_WAITING:
            self._has_room.clear()
            await self._has_room.wait()
        self._octets += len(frame)
        self._frames.put_nowait((due, frame))

    async def get(self) -> tuple[float, bytes]:
        """Return the next frame and when it is due."""
        due, frame = await self._frames.get()
        self._octets -= len(frame)
        self._has_room.set()
        return due, frame


class Relay:
    """Relays connections to the reference server; what the server sends, frame by frame through the lack's methods."""

    def __init__(self) -> None:
        self.connections = 0
        self.port = 0
        self._serving: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection in a task that is kept: nothing else refers to one whose client has ended its stream."""
        task = asyncio.create_task(self.serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one connection until the server has ended it, or both directions have ended."""
        self.connections += 1
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.port)
        upward = asyncio.create_task(self._send_on(reader, server_writer))
        try:
            with contextlib.suppress(OSError):
                await self._return(server_reader, writer)
                self.has_ended()
                await asyncio.wait([upward], timeout=LINGER_SECONDS)
        finally:
            upward.cancel()
            for each in (server_writer, writer):
                each.close()

    async def _send_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay octets of the client as they come, and how they end."""
        try:
            while octets := await reader.read(READ_BYTES):
                self.from_client(octets)
                if not writer.is_closing():
                    writer.write(octets)
                    await writer.drain()
            writer.write_eof()
        except OSError:
            writer.transport.abort()

    async def _return(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay frames of the server, each as late as the lack wants it, and then the end."""
        pending = Pending()
        downward = asyncio.create_task(_write_in_time(pending, writer))
        now = asyncio.get_running_loop().time
        with contextlib.suppress(OSError):
            for number in itertools.count():
                frame = await _next_frame(reader)
                if self.may_pass(frame):
                    await pending.put(now() + self.late_seconds(number), frame)
                if not frame:
                    break
        await pending.put(0.0, b"")
        await downward

    def has_ended(self) -> None:
        """See the server end a connection; what the client still sends may be waited for."""

    def from_client(self, octets: bytes) -> None:
        """See octets of a client."""

    def may_pass(self, frame: bytes) -> bool:
        """Return true if a frame of the server may pass."""
        return True

    def late_seconds(self, number: int) -> float:
        """Return how late the server's frame of that number comes."""
        return 0.0


async def _write_in_time(pending: Pending, writer: asyncio.StreamWriter) -> None:
    """Write frames when their time has come, in their order; an empty one is the end."""
    now = asyncio.get_running_loop().time
    try:
        while True:
            due, frame = await pending.get()
            if due > now():
                await asyncio.sleep(due - now())
            if not frame:
                break
            writer.write(frame)
            await writer.drain()
        writer.write_eof()
    except OSError:  # the client has gone; what the server still sends is dropped
        while frame:
            _, frame = await pending.get()


async def _next_frame(reader: asyncio.StreamReader) -> bytes:
    """Return the next frame, or octets that are none, such as the answer to an HTTP request; nothing at the end."""
    try:
        header = await reader.readexactly(HEADER_BYTES)
        (length,) = struct.unpack(">I", header)
        return header + (await reader.readexactly(length) if length <= LONGEST else await reader.read())
    except asyncio.IncompleteReadError as rest:
        return rest.partial


class NoPing(Relay):
    def may_pass(self, frame: bytes) -> bool:
        return bool(_payload(frame).get("status") != "pong")


class NoErrors(Relay):
    def may_pass(self, frame: bytes) -> bool:
        return not _is_error(frame)


class NoEcho(Relay):
    def may_pass(self, frame: bytes) -> bool:
        return _message(frame).get("channel_id") != "conformance.echo" or _is_error(frame)


def _message(frame: bytes) -> dict[str, Any]:
    try:
        message = json.loads(frame[HEADER_BYTES:])
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def _payload(frame: bytes) -> dict[str, Any]:
    payload = _message(frame).get("payload")
    return payload if isinstance(payload, dict) else {}


def _is_error(frame: bytes) -> bool:
    error = _payload(frame).get("error")
    return isinstance(error, dict) and error.get("code") in set(ErrorCode)  # others are echoes


class LateAcknowledgement(Relay):
    def late_seconds(self, number: int) -> float:
        return LATE_SECONDS if number == 0 else 0.0


class LateAnswers(Relay):
    def late_seconds(self, number: int) -> float:
        return LATE_SECONDS


class OneConnection(Relay):
    def __init__(self) -> None:
        super().__init__()
        self._turn = asyncio.Lock()
        self._served: asyncio.Task[None] | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._turn.acquire()
        self._served = asyncio.current_task()
        try:
            await super().serve(reader, writer)
        finally:
            self.has_ended()

    def has_ended(self) -> None:
        if self._served is asyncio.current_task():
            self._served = None
            self._turn.release()


class Mortal(Relay):
    """Takes the octets of a client for one message at a time, as they come."""

    messages = 0

    def from_client(self, octets: bytes) -> None:
        self.messages += max(1, octets.count(b'"message_type"'))
        if self.messages >= FEW_MESSAGES:
            os._exit(1)


class Exhausted(Relay):
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.connections >= FEW_CONNECTIONS:
            await asyncio.sleep(3600)
        await super().serve(reader, writer)


LACKS: dict[str, type[Relay]] = {
    "nothing": Relay,
    "ping": NoPing,
    "errors": NoErrors,
    "echo": NoEcho,
    "quick-acknowledgement": LateAcknowledgement,
    "quick-answers": LateAnswers,
    "many-connections": OneConnection,
    "long-life": Mortal,
    "many-connections-later": Exhausted,
}


async def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lack", choices=LACKS)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    server = ReferenceServer(port=0)
    responder.install(server)
    async with server:
        relay = LACKS[options.lack]()
        relay.port = server.port
        listener = await asyncio.start_server(relay.accept, "127.0.0.1", options.port, backlog=BACKLOG)
        ended = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
        await ended.wait()
        listener.close()


if __name__ == "__main__":
    asyncio.run(main())
