"""Helpers for tests of the reference server: frames, a protocol core, a server in a thread, a blocking client."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from reference_server import Limits, ReferenceServer
from reference_server.protocol.connection import Connection
from reference_server.protocol.events import ConnectReceived
from reference_server.protocol.states import State

SECONDS = 10.0  # longer than any working test takes

_numbers = itertools.count(1)


def message(kind: str = "request", channel: str = "system", payload: Any = None, **members: Any) -> dict[str, Any]:
    """Return a valid message of application `demo`, with some members replaced."""
    envelope = {
        "message_id": f"m{next(_numbers)}",
        "app_id": "demo",
        "channel_id": channel,
        "message_type": kind,
        "payload": payload,
        "timestamp": 1,
    }
    return envelope | members


def connect(name: str = "alice", app: str = "demo", **payload: Any) -> dict[str, Any]:
    return message(payload={"action": "connect", "connection_id": name} | payload, app_id=app)


def ping(**members: Any) -> dict[str, Any]:
    return message(payload={"action": "ping"}, **members)


def subscribe(channel: str, name: str = "alice", kind: str = "subscribe", **members: Any) -> dict[str, Any]:
    return message(kind, channel, {"connection_id": name}, **members)


def publish(channel: str, payload: Any = None, **members: Any) -> dict[str, Any]:
    return message("publish", channel, payload, **members)


def frame(*messages: Any) -> bytes:
    """Return the frames of messages; octets are a whole body."""
    bodies = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in messages]
    return b"".join(struct.pack(">I", len(body)) + body for body in bodies)


def messages_in(octets: bytes) -> list[dict[str, Any]]:
    """Return the messages of whole frames."""
    found = []
    while octets:
        (length,) = struct.unpack_from(">I", octets)
        assert len(octets) >= 4 + length
        found.append(json.loads(octets[4 : 4 + length]))
        octets = octets[4 + length :]
    return found


def code_of(answer: dict[str, Any]) -> str:
    """Return the code of an error answer."""
    assert answer["payload"]["status"] == "error", answer
    return str(answer["payload"]["error"]["code"])


def octets_until_blocked(connection: socket.socket, data: bytes) -> int:
    """Send the same octets repeatedly until the peer accepts no more, detected by the socket's timeout."""
    sent = 0
    try:
        while True:
            sent += connection.send(data[sent % len(data) :])
    except TimeoutError:
        return sent


class Recorder:
    """A watcher that records its calls."""

    def __init__(self) -> None:
        self.outputs = 0
        self.left: list[State] = []

    def output_ready(self) -> None:
        self.outputs += 1

    def state_changed(self, before: State) -> None:
        self.left.append(before)

    def may_decode(self, _frame: bytes) -> bool:
        return True


class Core:
    """A connection without a broker: it accepts connect messages and leaves requests to the test."""

    def __init__(self, limits: Limits | None = None, profiles: Sequence[str] = (), token: str | None = None) -> None:
        self.watcher = Recorder()
        self.connection = Connection(
            limits or Limits(), self.watcher, ReferenceServer(profiles=profiles, token=token).capabilities
        )
        self.events: list[Any] = []

    def feed(self, *chunks: bytes) -> list[dict[str, Any]]:
        """Feed octets and return the resulting messages."""
        for chunk in chunks:
            self.connection.receive_data(chunk)
            for event in self.connection.events():
                self.events.append(event)
                if isinstance(event, ConnectReceived):
                    self.connection.accept(event)
        return self.sent()

    def sent(self) -> list[dict[str, Any]]:
        return messages_in(bytes(self.connection.data_to_send(0)))


def open_core(
    limits: Limits | None = None, name: str = "alice", app: str = "demo", profiles: Sequence[str] = ()
) -> Core:
    """Return a core that has completed the handshake."""
    core = Core(limits, profiles)
    core.feed(frame(connect(name, app)))
    core.events.clear()
    return core


def _dial(address: int | Path) -> socket.socket:
    if isinstance(address, int):
        return socket.create_connection(("127.0.0.1", address), timeout=SECONDS)
    dialled = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    dialled.settimeout(SECONDS)
    try:
        dialled.connect(str(address))
    except OSError:
        dialled.close()
        raise
    return dialled


class Client:
    """A blocking client that sends exactly the octets of the test."""

    def __init__(self, address: int | Path, name: str | None = None, app: str = "demo") -> None:
        """Connect to a port of 127.0.0.1, or to the unix socket of a path."""
        self.socket = _dial(address)
        self.name = name
        self.app = app
        if name is not None:
            self.send(connect(name, app))
            self.acknowledgement = self.receive()
            assert self.acknowledgement["payload"]["status"] == "connected"

    def send(self, *messages: Any) -> None:
        self.socket.sendall(frame(*messages))

    def receive(self) -> dict[str, Any]:
        (length,) = struct.unpack(">I", self._read(4))
        return dict(json.loads(self._read(length)))

    def ask(self, channel: str, payload: Any = None) -> dict[str, Any]:
        request = message("request", channel, payload, app_id=self.app)
        self.send(request)
        answer = self.receive()
        assert answer["reply_to"] == request["message_id"]
        return answer

    def ping_barrier(self) -> list[dict[str, Any]]:
        """Return everything that arrives before the answer to a ping."""
        barrier = ping(app_id=self.app)
        self.send(barrier)
        arrived = []
        while (answer := self.receive()).get("reply_to") != barrier["message_id"]:
            arrived.append(answer)
        return arrived

    def ends(self) -> bool:
        """Wait for the end of the stream; anything that arrives before it is an error."""
        return self.socket.recv(1) == b""

    def close(self) -> None:
        self.socket.close()

    def _read(self, count: int) -> bytes:
        octets = bytearray()
        while len(octets) < count:
            piece = self.socket.recv(count - len(octets))
            if not piece:
                raise EOFError(f"the stream ended after {len(octets)} of {count} octets")
            octets += piece
        return bytes(octets)


class Running:
    """A server in its own thread, and the clients of a test."""

    def __init__(self, server: ReferenceServer) -> None:
        self.server = server
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._clients: list[Client] = []
        self.wait(server.start())
        self.port = 0 if server.unix else server.port

    def wait(self, coroutine: Any) -> Any:
        """Run a coroutine in the server's loop and return its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(SECONDS)

    def begin(self, coroutine: Any) -> Any:
        """Start a coroutine in the server's loop and return its future."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def tasks(self) -> int:
        """Return the number of tasks, except those that accept connections and the one that counts."""

        async def count() -> int:
            return sum(task.get_name() != "accept" for task in asyncio.all_tasks()) - 1

        return int(self.wait(count()))

    def client(self, name: str | None = None, app: str = "demo") -> Client:
        client = Client(self.server.unix or self.port, name, app)
        self._clients.append(client)
        return client

    def stop(self) -> None:
        for client in self._clients:
            client.close()
        self.wait(self.server.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SECONDS)
        self._loop.close()


@contextlib.contextmanager
def running(
    register: Callable[[ReferenceServer], object] | None = None,
    *,
    profiles: Sequence[str] = (),
    state: Path | None = None,
    token: str | None = None,
    tls: ssl.SSLContext | None = None,
    unix: Path | None = None,
    **limits: Any,
) -> Iterator[Running]:
    """Run a server with handlers and limits; by default it does not wait for handlers at the end."""
    limited = Limits(**{"shutdown_grace": 0, "linger": 1} | limits)
    where: dict[str, Any] = {"port": 0} if unix is None else {"unix": unix}
    server = ReferenceServer(**where, limits=limited, profiles=profiles, state=state, token=token, tls=tls)
    if register:
        register(server)
    run = Running(server)
    try:
        yield run
    finally:
        run.stop()
