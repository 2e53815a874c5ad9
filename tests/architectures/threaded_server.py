"""A conforming server of blocking sockets and threads: two for each connection, and one for each request.

Written from the specification alone. It reads and writes every body with the json module: members come out in another
order, characters as escapes, and numbers in Python's form. What it sends waits in a queue for the connection's writer.
Answers and errors overtake each other, and pongs overtake both.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import itertools
import json
import math
import random
import re
import signal
import socket
import struct
import threading
import time
from datetime import UTC, datetime
from typing import Any

MAX_FRAME = 4 * 1024 * 1024
MAX_OUTBOUND = 8 * 1024 * 1024
MAX_DEPTH = 100
HIGH_WATER = 1024 * 1024
"""Octets waiting for a client from which on nothing more is read from it (LIM-007)."""
HANDSHAKE_SECONDS = 2.0
DRAIN_SECONDS = 5.0
LINGER_SECONDS = 2.0
SLOW_SECONDS = 6.0
GRACE_SECONDS = 3.0
APP = "conformance"
TYPES = ("request", "response", "notification", "subscribe", "unsubscribe", "publish")
MEMBERS = ("message_id", "app_id", "channel_id", "message_type", "payload", "timestamp")
PROTOCOL = re.compile(r"(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})", re.ASCII)
METHODS = (b"GET ", b"HEAD", b"POST", b"PUT ", b"DELE", b"OPTI", b"PATC", b"CONN", b"TRAC", b"PRI ")
HINT_TEXT = b"This port speaks the IPC Framework Wire Protocol 1.0.\n"
HINT = (
    b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: ipc-framework\r\nConnection: upgrade, close\r\n"
    b"Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(HINT_TEXT), HINT_TEXT)
)
FATAL = {"frame_too_large", "malformed_frame", "handshake_required", "handshake_timeout", "unsupported_protocol"}


class Refusal(Exception):
    """A message breaks a rule; the argument is the code of the error."""


# -- encoding ----------------------------------------------------------------------------------------------------------


def number(text: str) -> float | int:
    """Read a number, and refuse one that is infinite in binary64."""
    if math.isinf(value := float(text)):
        raise Refusal("malformed_frame")
    return value if any(each in text for each in ".eE") else int(text)


def constant(_text: str) -> None:
    """Refuse NaN and Infinity, which the module knows and JSON does not."""
    raise Refusal("malformed_frame")


def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its members, and refuse one that has a name twice."""
    if len(found := dict(pairs)) != len(pairs):
        raise Refusal("malformed_frame")
    return found


READER = json.JSONDecoder(object_pairs_hook=members, parse_float=number, parse_int=number, parse_constant=constant)


def deep(text: str) -> bool:
    """Return true if the text is nested too deep: the decoder would recurse."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depth = 0
    for bracket in re.findall(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', text, re.DOTALL):
        if bracket in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif bracket in "]}":
            depth -= 1
    return False


def decode(body: bytes) -> dict[str, Any]:
    """Read a body."""
    try:
        text = body.decode()
        if deep(text):
            raise Refusal("malformed_frame")
        message = READER.decode(text)
        json.dumps(message, ensure_ascii=False).encode()  # fails for half of a surrogate pair
    except (ValueError, RecursionError):
        raise Refusal("malformed_frame") from None
    if not isinstance(message, dict):
        raise Refusal("malformed_frame")
    return message


def encode(message: dict[str, Any]) -> bytes:
    """Write a body, with the members in the order of the alphabet."""
    return json.dumps(message, sort_keys=True).encode()


# -- rules -------------------------------------------------------------------------------------------------------------


def is_text(value: Any, longest: int) -> bool:
    """Return true if it is a string of 1 to so many characters."""
    return isinstance(value, str) and 1 <= len(value) <= longest


def is_channel(value: Any) -> bool:
    """Return true if it is a channel_id."""
    return is_text(value, 255) and not any(character < " " for character in value)


def is_envelope(message: dict[str, Any]) -> bool:
    """Return true if the members of the message are as the table of the envelope says."""
    stamp = message.get("timestamp")
    return (
        all(name in message for name in MEMBERS)
        and not message.keys() - {*MEMBERS, "reply_to"}
        and is_text(message["message_id"], 128)
        and is_text(message["app_id"], 255)
        and is_channel(message["channel_id"])
        and message["message_type"] in TYPES
        and isinstance(stamp, int | float)
        and not isinstance(stamp, bool)
        and stamp >= 0
        and (message.get("reply_to") is None or is_text(message["reply_to"], 128))
    )


def is_connect(message: dict[str, Any]) -> bool:
    """Return true if this is a valid connect message."""
    payload = message.get("payload")
    if not is_envelope(message) or message["message_type"] != "request" or message["channel_id"] != "system":
        return False
    if not isinstance(payload, dict) or payload.get("action") != "connect":
        return False
    client = payload.get("client", {})
    protocol = payload.get("protocol", "1.0")
    return (
        is_text(payload.get("connection_id"), 128)
        and isinstance(protocol, str)
        and PROTOCOL.fullmatch(protocol) is not None
        and isinstance(payload.get("token", ""), str)
        and isinstance(client, dict)
        and all(isinstance(client.get(name, ""), str) for name in ("name", "version"))
    )


# -- connections -------------------------------------------------------------------------------------------------------


class Connection:
    """A client, its reader thread and its writer thread."""

    def __init__(self, hub: Hub, sock: socket.socket) -> None:
        self.hub = hub
        self.sock = sock
        self.state = "awaiting_connect"
        self.app = "system"
        self.name = ""
        self.channels: set[str] = set()
        self.owed = 0
        self.notes: list[threading.Thread] = []
        self.numbers = itertools.count(1)
        self.frames: collections.deque[bytes] = collections.deque()
        self.waiting = 0
        self.give_up = math.inf
        self.change = threading.Condition()
        self.reader_done = threading.Event()
        self.accepted = time.monotonic()
        threading.Thread(target=self.read, daemon=True).start()
        threading.Thread(target=self.write, daemon=True).start()

    # -- reading

    def read(self) -> None:
        """Read frames until the stream ends."""
        try:
            self.receive_frames()
            self.discard()
        except OSError:
            self.lose()
        finally:
            self.reader_done.set()

    def receive_frames(self) -> None:
        """Process frames until the client ends the stream, or this side does."""
        first = True
        while self.state in ("awaiting_connect", "open"):
            header = self.exactly(4)
            if header is None:
                return self.peer_ended()
            length = int.from_bytes(header)
            if first and header in METHODS:
                return self.end(HINT)
            first = False
            if length > MAX_FRAME:
                return self.fail("frame_too_large")
            body = self.exactly(length)
            if body is None:
                return self.peer_ended()
            with self.change:
                self.change.wait_for(lambda: self.waiting < HIGH_WATER or self.state != "open")
            self.receive(body)
        return None

    def exactly(self, count: int) -> bytes | None:
        """Return so many octets, or None if the stream ends or the handshake takes too long."""
        parts, missing = [], count
        while missing:
            seconds = 0.0
            if self.state == "awaiting_connect":
                seconds = self.accepted + HANDSHAKE_SECONDS - time.monotonic()
                if seconds <= 0:
                    self.fail("handshake_timeout")
                    return None
            timeout = struct.pack("ll", int(seconds), int(seconds % 1 * 1_000_000) + 1 if seconds else 0)
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
            try:
                part = self.sock.recv(min(missing, 65536))
            except BlockingIOError:
                continue
            if not part:
                return None
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def discard(self) -> None:
        """Read until the stream ends: what arrives after a fatal error is not processed."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 0))
        while self.sock.recv(65536):
            pass

    def receive(self, body: bytes) -> None:
        """Process a body."""
        message: dict[str, Any] = {}
        try:
            message = decode(body)
            if self.state == "awaiting_connect":
                self.shake_hands(message)
            elif self.state == "open":
                self.process(message, body)
        except Refusal as refusal:
            code = str(refusal)
            if code in FATAL:
                self.fail(code, message)
            else:
                self.start(self.refuse, code, message)

    def refuse(self, code: str, message: dict[str, Any]) -> None:
        """Send an error that is not fatal, a moment later: a pong to a later ping may overtake it."""
        time.sleep(random.uniform(0, 0.002))
        self.send(self.error(code, message))

    def start(self, work: Any, *arguments: Any) -> threading.Thread:
        """Run something that owes an answer, in a thread of its own."""

        def run() -> None:
            work(*arguments)
            with self.change:
                self.owed -= 1
                self.change.notify_all()

        with self.change:
            self.owed += 1
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def shake_hands(self, message: dict[str, Any]) -> None:
        """Accept or refuse the first message."""
        if not is_connect(message):
            raise Refusal("handshake_required")
        payload = message["payload"]
        if payload.get("protocol", "1.0").split(".")[0] != "1":
            raise Refusal("unsupported_protocol")
        self.hub.join(self, message["app_id"], payload["connection_id"])

    def process(self, message: dict[str, Any], body: bytes) -> None:
        """Process a message of an open connection."""
        if not is_envelope(message):
            raise Refusal("invalid_message")
        kind, channel, payload = message["message_type"], message["channel_id"], message["payload"]
        if kind == "response":
            return
        if message["app_id"] != self.app:
            raise Refusal("app_mismatch")
        if kind in ("subscribe", "unsubscribe"):
            if not isinstance(payload, dict) or not is_text(payload.get("connection_id"), 128):
                raise Refusal("invalid_message")
            if payload["connection_id"] != self.name:
                raise Refusal("forbidden")
            self.hub.subscribe(self, channel, kind == "subscribe")
        elif kind == "publish":
            if channel == "system":
                raise Refusal("reserved_channel")
            same = encode(message)
            self.hub.publish(self.app, channel, same if len(same) <= MAX_FRAME else body)
        elif kind == "notification":
            if self.app == APP and channel == "conformance.note":
                self.notes.append(self.start(self.hub.notes.append, payload))
        elif channel == "system":
            self.system(message)
        else:
            self.request(message)

    def system(self, message: dict[str, Any]) -> None:
        """Answer a request on the channel system."""
        payload = message["payload"]
        if not isinstance(payload, dict) or not isinstance(payload.get("action"), str):
            raise Refusal("invalid_message")
        if payload["action"] == "connect":
            raise Refusal("already_connected")
        if payload["action"] == "ping":
            self.answer(message, {"status": "pong"})
        elif payload["action"] == "get_time":
            now = time.time()
            self.answer(message, {"timestamp": now, "iso": datetime.fromtimestamp(now, UTC).isoformat()})
        else:
            raise Refusal("unknown_action")

    def request(self, message: dict[str, Any]) -> None:
        """Start the handler of a request, in a thread of its own."""
        channel = message["channel_id"]
        if self.app != APP or channel not in HANDLERS:
            raise Refusal("no_handler")
        for note in self.notes:  # the responder remembers them before it handles a later request
            note.join()
        self.notes.clear()
        if channel == "conformance.silent":
            with self.change:
                self.owed += 1
        else:
            self.start(self.handle, message)

    def handle(self, message: dict[str, Any]) -> None:
        """Run a handler and answer."""
        try:
            self.answer(message, HANDLERS[message["channel_id"]](self, message["payload"]))
        except Exception:  # noqa: BLE001 - whatever the handler raises
            self.send(self.error("handler_failed", message))

    # -- writing

    def fresh(self) -> str:
        """Return a message_id of this server."""
        return f"threaded-{next(self.numbers)}"

    def answer(self, message: dict[str, Any], payload: Any) -> None:
        """Send the response to a request."""
        body = self.message(message["channel_id"], payload, message["message_id"], message["message_id"])
        if len(body) > MAX_FRAME:
            body = self.error("handler_failed", message)
        self.send(body)

    def message(self, channel: Any, payload: Any, reply_to: Any, other: Any = None) -> bytes:
        """Return the body of a response."""
        identity = self.fresh()
        while identity == other:
            identity = self.fresh()
        return encode(
            {
                "message_id": identity,
                "app_id": self.app,
                "channel_id": channel,
                "message_type": "response",
                "payload": payload,
                "timestamp": time.time(),
                "reply_to": reply_to,
            }
        )

    def error(self, code: str, message: dict[str, Any]) -> bytes:
        """Return the body of an error answer."""
        about = message.get("message_id")
        about = about if is_text(about, 128) else None
        channel = message.get("channel_id")
        channel = channel if about is not None and is_channel(channel) else "system"
        payload = {"status": "error", "error": {"code": code, "message": f"Refused: {code}."}}
        return self.message(channel, payload, about, about)

    def send(self, body: bytes) -> None:
        """Queue a body for the writer, or end a connection that reads too slowly."""
        with self.change:
            if self.state not in ("open", "draining"):
                return
            if self.waiting + len(body) + 4 <= MAX_OUTBOUND:
                self.queue(body)
                return
        self.fail("slow_consumer", seconds=SLOW_SECONDS)

    def queue(self, body: bytes) -> None:
        """Queue a body for the writer; the caller holds the lock."""
        self.frames.append(len(body).to_bytes(4) + body)
        self.waiting += len(body) + 4
        self.change.notify_all()

    def fail(self, code: str, message: dict[str, Any] | None = None, seconds: float = SLOW_SECONDS) -> None:
        """Send a fatal error and end this side."""
        self.end(None, code, message or {}, seconds)

    def end(
        self, hint: bytes | None = None, code: str = "", message: dict[str, Any] | None = None, seconds: float = 6.0
    ) -> None:
        """End this side, behind what waits and a last message."""
        self.hub.leave(self)
        with self.change:
            if self.state not in ("awaiting_connect", "open", "draining"):
                return
            self.state = "closing"
            self.give_up = time.monotonic() + seconds
            if hint:
                self.frames.append(hint)
            elif code:
                self.queue(self.error(code, message or {}))
            self.change.notify_all()

    def peer_ended(self) -> None:
        """Answer what is owed, then end this side."""
        with self.change:
            if self.state == "open":
                self.state = "draining"
        self.hub.unsubscribe_all(self)
        with self.change:
            self.change.wait_for(lambda: not self.owed or self.state != "draining", DRAIN_SECONDS)
        self.end()

    def lose(self) -> None:
        """Forget the connection, which is broken."""
        self.hub.leave(self)
        with self.change:
            self.state = "closed"
            self.frames.clear()
            self.change.notify_all()

    def write(self) -> None:
        """Write what is queued, until this side ends; then wait for the other side, and close."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 1, 0))
        try:
            while True:
                with self.change:
                    self.change.wait_for(lambda: self.frames or self.state in ("closing", "closed"))
                    if not self.frames:
                        break
                    frame = self.frames.popleft()
                self.transmit(frame)
            self.sock.shutdown(socket.SHUT_WR)
            self.reader_done.wait(LINGER_SECONDS)
        except OSError:
            self.lose()
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.reader_done.wait()
        self.sock.close()
        self.state = "closed"
        self.hub.forget(self)

    def transmit(self, frame: bytes) -> None:
        """Write a frame, piece by piece, as long as there is time."""
        rest = memoryview(frame)
        while rest:
            try:
                sent = self.sock.send(rest)
            except BlockingIOError:
                sent = 0
            rest = rest[sent:]
            with self.change:
                self.waiting -= sent
                self.change.notify_all()
            if self.state == "closed" or time.monotonic() > self.give_up:
                raise OSError("the client does not read")


class Hub:
    """Everything that connections share, under one lock."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.connections: set[Connection] = set()
        self.live: dict[tuple[str, str], Connection] = {}
        self.subscribers: dict[tuple[str, str], dict[Connection, None]] = {}
        self.notes: collections.deque[Any] = collections.deque(maxlen=1000)

    def add(self, sock: socket.socket) -> None:
        """Serve a new connection."""
        with self.lock:
            self.connections.add(Connection(self, sock))

    def forget(self, connection: Connection) -> None:
        """Forget a connection that is closed."""
        with self.lock:
            self.connections.discard(connection)

    def join(self, connection: Connection, app: str, name: str) -> None:
        """Make a connection live: replace an older one, and acknowledge."""
        with self.lock:
            older = self.live.get((app, name))
            if older:
                older.fail("session_replaced")
            with connection.change:
                if connection.state != "awaiting_connect":
                    return
                connection.app, connection.name, connection.state = app, name, "open"
                self.live[app, name] = connection
                limits = {
                    "max_frame_bytes": MAX_FRAME,
                    "max_depth": MAX_DEPTH,
                    "max_outbound_bytes": MAX_OUTBOUND,
                    "handshake_timeout_ms": int(HANDSHAKE_SECONDS * 1000),
                }
                payload = {"status": "connected", "connection_id": name, "protocol": "1.0"}
                connection.queue(connection.message("system", payload | {"profiles": [], "limits": limits}, None))

    def leave(self, connection: Connection) -> None:
        """Make a connection no longer live."""
        with self.lock:
            self.unsubscribe_all(connection)
            if self.live.get((connection.app, connection.name)) is connection:
                del self.live[connection.app, connection.name]

    def subscribe(self, connection: Connection, channel: str, active: bool) -> None:
        """Begin or end a subscription."""
        with self.lock:
            if active and connection.state == "open":
                connection.channels.add(channel)
                self.subscribers.setdefault((connection.app, channel), {})[connection] = None
            elif channel in connection.channels:
                connection.channels.discard(channel)
                del self.subscribers[connection.app, channel][connection]
                if not self.subscribers[connection.app, channel]:
                    del self.subscribers[connection.app, channel]

    def unsubscribe_all(self, connection: Connection) -> None:
        """End all subscriptions of a connection."""
        with self.lock:
            for channel in list(connection.channels):
                self.subscribe(connection, channel, active=False)

    def publish(self, app: str, channel: str, body: bytes) -> None:
        """Queue a body for each subscriber."""
        with self.lock:
            for subscriber in list(self.subscribers.get((app, channel), {})):
                subscriber.send(body)

    def emit(self, app: str, channel: str, kind: str, payload: Any) -> None:
        """Send a message of the server's own to each subscriber."""
        with self.lock:
            for subscriber in list(self.subscribers.get((app, channel), {})):
                message = json.loads(subscriber.message(channel, payload, None))
                subscriber.send(encode(message | {"message_type": kind}))

    def shut_down(self) -> None:
        """Wait for answers, then say goodbye to every connection, and wait for their ends."""
        deadline = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < deadline and any(each.owed for each in self.all()):
            time.sleep(0.01)
        for each in self.all():
            if each.state in ("open", "draining"):
                each.fail("shutting_down")
            else:
                each.end()
        deadline = time.monotonic() + LINGER_SECONDS + 1
        while time.monotonic() < deadline and self.all():
            time.sleep(0.01)

    def all(self) -> list[Connection]:
        """Return the connections."""
        with self.lock:
            return [each for each in self.connections if each.state != "closed"]


# -- the responder -----------------------------------------------------------------------------------------------------


def echo(connection: Connection, payload: Any) -> Any:
    """Return the payload."""
    return payload


def delay(connection: Connection, payload: dict[str, Any]) -> Any:
    """Return the value after a while."""
    if isinstance(payload["delay_ms"], bool) or payload["delay_ms"] < 0:
        raise ValueError
    value = payload["value"]
    time.sleep(payload["delay_ms"] / 1000)
    return {"value": value}


def fail(connection: Connection, payload: dict[str, str]) -> Any:
    """Raise an exception."""
    raise RuntimeError(payload["detail"])


def emit(connection: Connection, payload: dict[str, Any]) -> Any:
    """Send messages to the subscribers of a channel."""
    channel, count, kind = payload["channel"], payload["count"], payload["message_type"]
    content = payload["payload"]
    count = int(count) if isinstance(count, float) and count.is_integer() else count
    if not is_channel(channel) or channel == "system" or kind not in ("publish", "notification"):
        raise ValueError
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise ValueError
    for _ in range(count):
        connection.hub.emit(connection.app, channel, kind, content)
    return {"emitted": count}


def seen(connection: Connection, payload: Any) -> Any:
    """Return the payloads of the notes."""
    return {"seen": list(connection.hub.notes)}


def close(connection: Connection, payload: Any) -> Any:
    """End the connection; what is answered then goes nowhere."""
    connection.end()
    return None


HANDLERS = {
    "conformance.echo": echo,
    "conformance.delay": delay,
    "conformance.fail": fail,
    "conformance.silent": echo,
    "conformance.emit": emit,
    "conformance.seen": seen,
    "conformance.close": close,
}


class Terminated(Exception):
    """SIGTERM."""


def terminate(*_: Any) -> None:
    """Interrupt the loop of the main thread."""
    raise Terminated


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    threading.stack_size(512 * 1024)
    hub = Hub()
    listener = socket.create_server(("127.0.0.1", port), backlog=256)
    signal.signal(signal.SIGTERM, terminate)
    signal.signal(signal.SIGINT, terminate)
    try:
        while True:
            sock, _ = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            hub.add(sock)
    except Terminated:
        listener.close()
    hub.shut_down()


if __name__ == "__main__":
    main()
