"""A small server that is wrong in one way: ``python broken_server.py --port PORT WRONG``.

It knows the channels ``conformance.echo`` and ``system``, subscriptions and publishes; no other handler.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socketserver
import sys
import threading
import time
from typing import Any

Message = dict[str, Any]
WRONG = sys.argv[3]
numbers = itertools.count(1)
lock = threading.Lock()
subscribers: dict[str, set[Connection]] = {}
live: dict[str, Connection] = {}
waiting: dict[str, Message] = {}


class Connection(socketserver.StreamRequestHandler):
    """One connection."""

    def handle(self) -> None:
        """Answer the connect message, then every further message."""
        if WRONG == "is full":
            self.answer({"app_id": "system", "channel_id": "system"}, error("too_many_connections"), None)
            return
        if WRONG == "accepts one connection":
            server.socket.shutdown(2)  # closing alone does not wake the thread that waits for connections
            server.socket.close()
        connect = self.receive()
        if WRONG == "wants a token" and connect:
            self.answer(connect, error("unauthorized"), None)
            return
        if WRONG == "says that it waited" and connect:
            self.answer(connect, error("handshake_timeout"), None)
            return
        if connect is None or WRONG == "never acknowledges":
            self.receive()
            return
        identity = connect["payload"]["connection_id"]
        older, live[identity] = live.get(identity), self
        self.answer(connect, {"status": "connected", "connection_id": identity, "protocol": "1.0"}, None)
        if older:
            older.answer(connect, error("session_replaced"), None)
            if WRONG != "keeps replaced connections":
                older.finish()
        while message := self.receive():
            self.act(message)
        if WRONG == "dies of a loss":
            os._exit(7)

    def act(self, message: Message) -> None:
        """Do what a message says, wrongly perhaps."""
        kind, channel = message["message_type"], message["channel_id"]
        if f"drops on {kind}" == WRONG:
            self.finish()
        if kind == "subscribe":
            subscribers.setdefault(channel, set()).add(self)
        elif kind == "unsubscribe" and WRONG != "ignores unsubscribe":
            subscribers.get(channel, set()).discard(self)
        elif kind == "publish":
            self.deliver(channel, message)
        elif kind == "request" and not (WRONG == "answers no pings" and channel == "system"):
            if WRONG == "dies":
                os._exit(7)
            self.answer(message, respond(channel, message["payload"]), message["message_id"])

    def deliver(self, channel: str, message: Message) -> None:
        """Deliver a publish, or wait for the next one and deliver that one first."""
        if WRONG == "swaps publishes" and channel not in waiting:
            waiting[channel] = message
            return
        for each in list(subscribers.get(channel, ())):
            each.send(message)
            if channel in waiting:
                each.send(waiting[channel])
        waiting.pop(channel, None)

    def receive(self) -> Message | None:
        """Return the next message, or None at the end of the stream."""
        with contextlib.suppress(OSError):
            head = self.rfile.read(4)
            body = self.rfile.read(int.from_bytes(head, "big")) if len(head) == 4 else b""
            return json.loads(body) if body else None
        return None

    def answer(self, request: Message, payload: Any, reply_to: str | None) -> None:
        """Send a response."""
        kept = {name: request[name] for name in ("app_id", "channel_id")}
        self.send(
            kept | {"message_id": f"s{next(numbers)}", "message_type": "response", "payload": payload} | stamp(reply_to)
        )

    def send(self, message: Message) -> None:
        """Send a message."""
        if WRONG == "numbers responses" and "number" in str(message["payload"]):
            message = message | {"message_id": 1}
        body = json.dumps(message).encode()
        if WRONG == "sends no JSON" and message.get("reply_to"):
            body = body[:-1]
        with lock, contextlib.suppress(OSError, ValueError):
            self.wfile.write(len(body).to_bytes(4, "big") + body)

    def finish(self) -> None:
        """End the connection."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(2)


def stamp(reply_to: str | None) -> Message:
    """Return the members of every response."""
    return {"timestamp": time.time(), "reply_to": reply_to}


def error(code: str) -> Message:
    """Return the payload of an error answer."""
    return {"status": "error", "error": {"code": code, "message": "no"}}


def respond(channel: str, payload: Any) -> Any:
    """Return the payload of a response."""
    if channel == "system":
        return {"status": "pong"}
    if channel == "conformance.delay" and WRONG == "delays nothing":
        return {"value": payload["value"]}
    if channel != "conformance.echo":
        return error("no_handler")
    if WRONG == "writes ASCII":
        return json.loads(json.dumps(payload, ensure_ascii=False).encode("ascii", "replace"))
    if WRONG == "mixes up numbers" and isinstance(payload, dict) and payload.get("number"):
        return payload | {"number": 0}
    return payload


class Server(socketserver.ThreadingTCPServer):
    """A thread for each connection."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 100


with Server(("127.0.0.1", int(sys.argv[2])), Connection) as server:
    server.serve_forever()
