"""Servers that accept one connection and play a script on it, in a thread; tests use them for broken servers."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from conformance.core.trace import Trace
from conformance.peers.client import ClientPeer
from conformance.transport.address import TcpAddress

Message = dict[str, Any]
PATIENCE = 5.0
SECONDS = 10.0  # longer than any working test takes


class Link:
    """The server's end of a connection: reads messages, and writes anything."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        self.stream = end.makefile("rb")
        self.connect: Message = {}

    def receive(self) -> Message:
        """Return the next message of the kit."""
        head = self.stream.read(4)
        message: Message = json.loads(self.stream.read(struct.unpack(">I", head)[0]))
        return message

    def octets(self, data: bytes) -> None:
        """Send octets as they are."""
        self.socket.sendall(data)

    def body(self, body: bytes) -> None:
        """Send one frame."""
        self.octets(struct.pack(">I", len(body)) + body)

    def send(self, *messages: Message) -> None:
        """Send messages."""
        for each in messages:
            self.body(json.dumps(each).encode())

    def shake_hands(self) -> None:
        """Take the connect message and acknowledge it."""
        self.connect = self.receive()
        identity = self.connect["payload"]["connection_id"]
        self.send(response(self.connect, {"status": "connected", "connection_id": identity}, reply_to=None))

    def wait_for_the_end(self) -> None:
        """Keep the connection until the kit ends it."""
        self.stream.read()

    def reset(self) -> None:
        """Drop the connection with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.stream.close()
        self.socket.close()


Script = Callable[[Link], object]


def response(request: Message, payload: Any, **members: Any) -> Message:
    """Return the correct response to a request, with some members replaced."""
    kept = {name: request[name] for name in ("app_id", "channel_id")}
    fixed = {"message_id": f"re-{request['message_id']}", "message_type": "response", "timestamp": 1}
    return kept | fixed | {"payload": payload, "reply_to": request["message_id"]} | members


def pong(request: Message, **members: Any) -> Message:
    return response(request, {"status": "pong"}, **members)


def error(request: Message, code: str, **members: Any) -> Message:
    return response(request, {"status": "error", "error": {"code": code, "message": "no"}}, **members)


@contextmanager
def serving(script: Script) -> Iterator[TcpAddress]:
    """Accept one connection, play the script on it, and end it; yield the address."""
    failures: list[Exception] = []

    def play() -> None:
        try:
            end, _ = listener.accept()
            link = Link(end)
            with end, link.stream:
                script(link)
        except (OSError, struct.error):  # the kit ended the connection, and a test may want that
            pass
        except Exception as failure:  # noqa: BLE001 - handed to the test
            failures.append(failure)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        thread = threading.Thread(target=play)
        thread.start()
        try:
            yield TcpAddress(*listener.getsockname()[:2])
        finally:
            thread.join(SECONDS)
    assert not thread.is_alive(), "the script did not end"
    assert not failures, failures


@contextmanager
def connected(script: Script, *, patience: float = PATIENCE) -> Iterator[ClientPeer]:
    """Yield a connection of the kit, before its handshake, to a server that plays the script."""
    with serving(script) as address:
        connection = ClientPeer("A", address, Trace(), patience)
        connection.app_id, connection.connection_id = "conformance", "kit"
        try:
            yield connection
        finally:
            connection.discard()


def in_turn(*scripts: Script) -> Script:
    """Return the script that plays others one after another."""

    def play(link: Link) -> None:
        for script in scripts:
            script(link)

    return play


def after_handshake(script: Script) -> Script:
    """Return the script with a correct handshake before it."""
    return in_turn(Link.shake_hands, script)
