"""A small server with the responder, in Python: two threads for each connection, and one for each request."""

from __future__ import annotations

import argparse
import contextlib
import json
import queue
import re
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

MAX_FRAME = 4 * 1024 * 1024
MAX_WAITING = 16 * 1024 * 1024
HANDSHAKE_SECONDS = 2.0
DRAIN_SECONDS = 5.0
LINGER_SECONDS = 6.0
FATAL = {
    *("frame_too_large", "malformed_frame", "handshake_required", "handshake_timeout", "unsupported_protocol"),
    "session_replaced",
}
TYPES = ("request", "response", "notification", "subscribe", "unsubscribe", "publish")
MEMBERS = {"message_id", "app_id", "channel_id", "message_type", "payload", "timestamp"}
VERSION = re.compile(r"(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})", re.ASCII)

lock = threading.RLock()
"""Guards everything that connections share."""
live: dict[tuple[str, str], Connection] = {}
subscribers: dict[tuple[str, str], set[Connection]] = {}
notes: deque[Any] = deque(maxlen=1000)


# -- the responder: a handler that raises makes the server answer handler_failed ---------------------------------------


def echo(_: Connection, payload: Any) -> Any:
    return payload


def delay(_: Connection, payload: Any) -> Any:
    value = payload["value"]
    time.sleep(not_negative(payload["delay_ms"]) / 1000)
    return {"value": value}


def fail(_: Connection, payload: Any) -> Any:
    raise RuntimeError(payload["detail"])


def silent(connection: Connection, _: Any) -> Any:
    connection.ended.wait()


def emit(connection: Connection, payload: Any) -> Any:
    channel, kind, content = payload["channel"], payload["message_type"], payload["payload"]
    count = not_negative(payload["count"])
    if not is_channel(channel) or channel == "system" or kind not in ("publish", "notification") or count % 1:
        raise ValueError("the payload is not as the table says")
    for _ in range(int(count)):
        deliver(connection.app, channel, message(connection.app, channel, kind, content))
    return {"emitted": count}


def note(_: Connection, payload: Any) -> None:
    notes.append(payload)


def fail_note(_: Connection, payload: Any) -> None:
    notes.append(payload)
    raise RuntimeError("the notification was to fail")


def seen(_: Connection, payload: Any) -> Any:
    if not isinstance(payload, dict):
        raise TypeError("the payload is not an object")
    return {"seen": list(notes)}


def close(connection: Connection, _: Any) -> None:
    connection.end()


def not_negative(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ValueError("not a number of 0 or more")
    return value


Handler = Callable[["Connection", Any], Any]
REQUESTS: dict[str, Handler] = {
    f"conformance.{each.__name__}": each for each in (echo, delay, fail, silent, emit, seen, close)
}
NOTIFICATIONS: dict[str, Handler] = {"conformance.note": note, "conformance.fail_note": fail_note}


# -- messages ----------------------------------------------------------------------------------------------------------


class Refusal(Exception):
    """A message breaks a rule; the argument is the code of the error."""


def decode(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body.decode(), parse_constant=float)
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()  # fails for infinity and half a surrogate pair
    except (ValueError, RecursionError):
        raise Refusal("malformed_frame") from None
    if not isinstance(found, dict):
        raise Refusal("malformed_frame")
    return found


def message(app: str, channel: str, kind: str, payload: Any, reply_to: str | None = None) -> bytes:
    members = {"message_id": str(uuid.uuid4()), "app_id": app, "channel_id": channel, "message_type": kind}
    return json.dumps(members | {"payload": payload, "timestamp": time.time(), "reply_to": reply_to}).encode()


def is_text(value: Any, longest: int) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= longest


def is_channel(value: Any) -> bool:
    return is_text(value, 255) and min(value) >= " "


def is_envelope(found: dict[str, Any]) -> bool:
    stamp = found.get("timestamp")
    return (
        found.keys() - {"reply_to"} == MEMBERS
        and is_text(found["message_id"], 128)
        and is_text(found["app_id"], 255)
        and is_channel(found["channel_id"])
        and found["message_type"] in TYPES
        and isinstance(stamp, int | float)
        and not isinstance(stamp, bool)
        and stamp >= 0
        and (found.get("reply_to") is None or is_text(found["reply_to"], 128))
    )


def is_connect(found: dict[str, Any]) -> bool:
    payload = found.get("payload")
    if not is_envelope(found) or (found["message_type"], found["channel_id"]) != ("request", "system"):
        return False
    if not isinstance(payload, dict) or payload.get("action") != "connect":
        return False
    version, client = payload.get("protocol", "1.0"), payload.get("client", {})
    return (
        is_text(payload.get("connection_id"), 128)
        and isinstance(version, str)
        and VERSION.fullmatch(version) is not None
        and isinstance(payload.get("token", ""), str)
        and isinstance(client, dict)
        and all(isinstance(client.get(name, ""), str) for name in ("name", "version"))
    )


def deliver(app: str, channel: str, body: bytes) -> None:
    with lock:
        for each in tuple(subscribers.get((app, channel), ())):
            each.send(body)


# -- connections -------------------------------------------------------------------------------------------------------


class Connection:
    """A client. Its state is `new`, then `open`, `draining` if the client ends first, and `closing`."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.app, self.name, self.state = "system", "", "new"
        self.frames: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.waiting = 0
        self.running: list[threading.Thread] = []
        self.ended = threading.Event()
        self.writer = start(self.write)
        start(self.read)
        after(HANDSHAKE_SECONDS, self.give_up)

    def read(self) -> None:
        with contextlib.suppress(OSError):
            while self.state in ("new", "open") and (body := self.frame()) is not None:
                self.receive(body)
            self.drain()
            while self.sock.recv(65536):
                pass  # so that the client can read the error
        self.end()
        self.writer.join()
        self.sock.close()

    def frame(self) -> bytes | None:
        header = self.octets(4)
        if header is None or int.from_bytes(header) <= MAX_FRAME:
            return header and self.octets(int.from_bytes(header))
        self.refuse("frame_too_large", {})
        return None

    def octets(self, count: int) -> bytes | None:
        found = bytearray()
        while len(found) < count:
            part = self.sock.recv(min(count - len(found), 65536))
            if not part:
                return None
            found += part
        return bytes(found)

    def receive(self, body: bytes) -> None:
        found: dict[str, Any] = {}
        try:
            found = decode(body)
            if self.state == "new":
                self.connect(found)
            elif is_envelope(found):
                self.process(found, body)
            else:
                raise Refusal("invalid_message")
        except Refusal as refusal:
            self.refuse(str(refusal), found)

    def connect(self, found: dict[str, Any]) -> None:
        if not is_connect(found):
            raise Refusal("handshake_required")
        payload = found["payload"]
        if not payload.get("protocol", "1.0").startswith("1."):
            raise Refusal("unsupported_protocol")
        name = payload["connection_id"]
        limits = {"max_frame_bytes": MAX_FRAME, "handshake_timeout_ms": int(HANDSHAKE_SECONDS * 1000)}
        answer = {"status": "connected", "connection_id": name, "protocol": "1.1", "profiles": [], "limits": limits}
        with lock:
            if self.state != "new":
                return
            if older := live.get((found["app_id"], name)):
                older.refuse("session_replaced", {})
            self.app, self.name, self.state = found["app_id"], name, "open"
            live[self.app, name] = self
            self.send(message(self.app, "system", "response", answer))

    def process(self, found: dict[str, Any], body: bytes) -> None:
        kind, channel, payload = found["message_type"], found["channel_id"], found["payload"]
        if kind == "response":
            return
        if found["app_id"] != self.app:
            raise Refusal("app_mismatch")
        handlers = {"request": REQUESTS, "notification": NOTIFICATIONS}.get(kind, {})
        handler = handlers.get(channel) if self.app == "conformance" else None
        if kind in ("subscribe", "unsubscribe"):
            self.subscribe(channel, payload, kind == "subscribe")
        elif kind == "publish":
            if channel == "system":
                raise Refusal("reserved_channel")
            deliver(self.app, channel, body)
        elif kind == "notification":
            with contextlib.suppress(Exception):
                if handler:
                    handler(self, payload)
        elif channel == "system":
            self.answer(found, act(payload))
        elif handler:
            self.running = [each for each in self.running if each.is_alive()]
            self.running.append(start(self.handle, handler, found))
        else:
            raise Refusal("no_handler")

    def subscribe(self, channel: str, payload: Any, begins: bool) -> None:
        if not isinstance(payload, dict) or not is_text(payload.get("connection_id"), 128):
            raise Refusal("invalid_message")
        if payload["connection_id"] != self.name:
            raise Refusal("forbidden")
        with lock:
            if begins and self.state == "open":
                subscribers.setdefault((self.app, channel), set()).add(self)
            else:
                self.unsubscribe(self.app, channel)

    def unsubscribe(self, app: str, channel: str) -> None:
        present = subscribers.get((app, channel), set())
        present.discard(self)
        if not present:
            subscribers.pop((app, channel), None)

    def handle(self, handler: Handler, found: dict[str, Any]) -> None:
        try:
            self.answer(found, handler(self, found["payload"]))
        except Exception:  # noqa: BLE001 - whatever a handler raises
            self.refuse("handler_failed", found)

    def answer(self, found: dict[str, Any], payload: Any) -> None:
        body = message(self.app, found["channel_id"], "response", payload, found["message_id"])
        if len(body) > MAX_FRAME:
            self.refuse("handler_failed", found)
        else:
            self.send(body)

    def refuse(self, code: str, found: dict[str, Any]) -> None:
        about, channel = found.get("message_id"), found.get("channel_id")
        if not is_text(about, 128):
            about = None
        if about is None or not is_channel(channel):
            channel = "system"
        payload = {"status": "error", "error": {"code": code, "message": f"Refused: {code}."}}
        self.send(message(self.app, channel, "response", payload, about))
        if code in FATAL:
            self.end()

    def give_up(self) -> None:
        with lock:
            if self.state == "new":
                self.refuse("handshake_timeout", {})

    def send(self, body: bytes) -> None:
        with lock:
            if self.state == "closing":
                return
            self.waiting += len(body)
            if self.waiting > MAX_WAITING:
                self.end()
                self.abort()
            else:
                self.frames.put(len(body).to_bytes(4) + body)

    def drain(self) -> None:
        with lock:
            if self.state == "open":
                self.state = "draining"
            self.leave()
        deadline = time.monotonic() + DRAIN_SECONDS
        for each in self.running:
            if self.state == "draining":
                each.join(max(0.0, deadline - time.monotonic()))
        self.end()

    def end(self) -> None:
        with lock:
            if self.state == "closing":
                return
            self.state = "closing"
            self.leave()
            if live.get((self.app, self.name)) is self:
                del live[self.app, self.name]
        self.ended.set()
        self.frames.put(None)
        after(LINGER_SECONDS, self.abort)

    def leave(self) -> None:
        for app, channel in [key for key, present in subscribers.items() if self in present]:
            self.unsubscribe(app, channel)

    def abort(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def write(self) -> None:
        with contextlib.suppress(OSError):
            while (frame := self.frames.get()) is not None:
                self.sock.sendall(frame)
                with lock:
                    self.waiting -= len(frame) - 4
            self.sock.shutdown(socket.SHUT_WR)


def act(payload: Any) -> Any:
    """Return the answer to a request on the channel system."""
    if not isinstance(payload, dict) or not isinstance(payload.get("action"), str):
        raise Refusal("invalid_message")
    if payload["action"] == "ping":
        return {"status": "pong"}
    if payload["action"] == "get_time":
        now = time.time()
        return {"timestamp": now, "iso": datetime.fromtimestamp(now, UTC).isoformat()}
    raise Refusal("already_connected" if payload["action"] == "connect" else "unknown_action")


def start(work: Callable[..., None], *arguments: Any) -> threading.Thread:
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    return thread


def after(seconds: float, work: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, work)
    timer.daemon = True
    timer.start()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    with socket.create_server(("127.0.0.1", parser.parse_args().port), backlog=256) as listener:
        while True:
            sock, _ = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            Connection(sock)


if __name__ == "__main__":
    main()
