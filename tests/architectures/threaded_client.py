"""A conforming client of blocking sockets and threads, and its driver.

Written from the specification and the driver protocol alone. One thread reads, another one calls the handlers, each
call after a random pause: what a handler is given comes long after the answer to a command. Every command that may wait
has a thread of its own. ``disconnect`` ends the sending side and waits until the server has ended its own, so that
everything was delivered. A connection shows as connected only after its subscriptions were renewed. It pings as soon as
it is connected, has few requests in flight, and comes back after a random part of its delay, but not to a server that
sent a malformed frame. A publish over the server's limit is dropped without a word.

``--told``: it comes back only when it is told to connect, and leaves a channel without an unsubscribe: it drops what
arrives. ``--once``: a client has one connection; it never comes back, and refuses a second ``connect``. It sends one
request after another, and an unsubscribe some time after it was told to.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import math
import os
import queue
import random
import socket
import sys
import threading
import time
import traceback
import uuid
from typing import Any

CUSTOMARY_FRAME = 16 * 1024 * 1024
FINAL = ("session_replaced", "unsupported_protocol", "unauthorized", "malformed_frame")
MOST_IN_FLIGHT = 50
LEAVING_SECONDS = 0.03
PAUSED_CALLS = 40
"""So many calls of handlers wait for up to 20 ms; later only every 25th, so that thousands do not take minutes."""
TYPES = ("request", "response", "notification", "subscribe", "unsubscribe", "publish")


ARGUMENTS = argparse.ArgumentParser()
ARGUMENTS.add_argument("--told", action="store_true")
ARGUMENTS.add_argument("--once", action="store_true")
SWITCHES = ARGUMENTS.parse_args()


class ClientError(Exception):
    """What the user of the client is told; ``code`` says what kind of error it is."""

    def __init__(self, code: str, text: str = "") -> None:
        super().__init__(text or code)
        self.code = code


def refuse_constant(text: str) -> None:
    """Refuse NaN and Infinity, which the json module knows and JSON does not."""
    raise ValueError(text)


def decode(body: bytes) -> dict[str, Any]:
    """Read a body, which must be one JSON object."""
    message = json.loads(body.decode(), parse_constant=refuse_constant)
    if not isinstance(message, dict):
        raise ValueError("no object")
    return message


def encode(message: dict[str, Any]) -> bytes:
    """Write a body, and refuse what other decoders could not read."""

    def check(value: Any) -> None:
        if isinstance(value, float | int) and math.isinf(float(value)):  # float() raises for longer integers
            raise OverflowError
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            check(each)

    try:
        check(message["payload"])
        json.dumps(message, ensure_ascii=False).encode()
    except (OverflowError, UnicodeEncodeError) as error:
        raise ClientError("invalid_message", str(error)) from None
    return json.dumps(message).encode()


def is_text(value: Any, longest: int) -> bool:
    """Return true if it is a string of 1 to so many characters."""
    return isinstance(value, str) and 1 <= len(value) <= longest


def is_channel(value: Any) -> bool:
    """Return true if it is a channel_id."""
    return is_text(value, 255) and not any(character < " " for character in value)


def is_message(message: dict[str, Any]) -> bool:
    """Return true if the envelope breaks no rule otherwise than by further members."""
    stamp = message.get("timestamp")
    return (
        is_text(message.get("message_id"), 128)
        and is_text(message.get("app_id"), 255)
        and is_channel(message.get("channel_id"))
        and message.get("message_type") in TYPES
        and "payload" in message
        and isinstance(stamp, int | float)
        and not isinstance(stamp, bool)
        and stamp >= 0
        and (message.get("reply_to") is None or is_text(message["reply_to"], 128))
    )


class Client:
    """A connection to a server, and its successors."""

    def __init__(self, options: dict[str, Any], report: Any) -> None:
        self.options = options
        self.report = report
        self.app = options["app_id"]
        if not is_text(self.app, 255):
            raise ClientError("invalid_message", "app_id")
        self.name = f"threads-{uuid.uuid4()}"
        self.lock = threading.RLock()
        self.writing = threading.Lock()
        self.connecting = threading.Lock()
        self.endings = 0
        self.handlers: dict[str, list[tuple[str, Any]]] = {}
        self.numbers = itertools.count(1)
        self.sock: Any = None
        self.reader: threading.Thread | None = None
        self.acknowledged: queue.Queue[Any] = queue.Queue()
        self.pending: dict[Any, queue.Queue[Any]] = {}
        self.in_flight = threading.BoundedSemaphore(1 if SWITCHES.once else MOST_IN_FLIGHT)
        self.connected = False
        self.is_ending = threading.Event()
        self.limit = CUSTOMARY_FRAME
        self.last_error = ""
        self.calls: queue.Queue[Any] = queue.Queue()
        threading.Thread(target=self.dispatch, daemon=True).start()

    # -- the connection

    def connect(self) -> None:
        """Connect and wait for the acknowledgement, one call after another."""
        endings = self.endings
        with self.connecting:
            with self.lock:
                if self.endings != endings:
                    raise ClientError("aborted")
                if SWITCHES.once and self.sock is not None:
                    raise ClientError("used_up", "a client has one connection")
                self.is_ending.clear()
            if not self.connected:
                self.attempt()

    def attempt(self) -> None:
        """Make one attempt to connect."""
        seconds = self.options.get("connection_timeout_ms", 10_000) / 1000
        deadline = time.monotonic() + seconds
        address = (self.options.get("host", "localhost"), self.options.get("port", 8888))
        try:
            sock = socket.create_connection(address, seconds)
        except OSError as error:
            raise ClientError("connection_failed", str(error)) from None
        sock.settimeout(None)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.lock:
            self.sock, self.limit, self.last_error = sock, CUSTOMARY_FRAME, ""
            self.acknowledged = queue.Queue()
            self.reader = threading.Thread(target=self.read, args=(sock, self.acknowledged))
            self.reader.start()
        payload = {"action": "connect", "connection_id": self.name, "protocol": "1.0"}
        if "token" in self.options:
            payload["token"] = self.options["token"]
        self.write(sock, self.message("request", "system", payload))
        try:
            failure = self.acknowledged.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            failure = ClientError("timeout")
        if failure:
            self.drop(sock)
            raise failure
        self.report({"event": "connected"})
        interval = self.options.get("heartbeat_interval_ms", 30_000) / 1000
        if interval:
            threading.Thread(target=self.beat, args=(sock, interval), daemon=True).start()

    def drop(self, sock: socket.socket) -> None:
        """End a connection at once."""
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)

    def disconnect(self) -> None:
        """End the sending side, and wait until the server has ended its own."""
        with self.lock:
            self.is_ending.set()
            self.endings += 1
            self.connected = False
            sock, reader = self.sock, self.reader
        if sock is None:
            return
        with self.writing, contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_WR)
        self.fail_pending(ClientError("connection_lost", "disconnect"))
        if reader and reader is not threading.current_thread():
            reader.join(20)

    def read(self, sock: socket.socket, acknowledged: queue.Queue[Any]) -> None:
        """Read frames until the stream ends, then lose the connection."""
        is_open, reason = False, "the server ended the connection"
        try:
            stream = sock.makefile("rb")
            while len(header := stream.read(4)) == 4:
                length = int.from_bytes(header)
                if length > self.limit:
                    reason = "a frame is too long"
                    break
                body = stream.read(length)
                if len(body) < length:
                    break
                message = decode(body)
                if is_open:
                    self.receive(message)
                else:
                    is_open = self.receive_first(message, acknowledged)
        except OSError as error:
            reason = str(error)
        except (ValueError, RecursionError) as error:
            reason, self.last_error = str(error), "malformed_frame"
        self.drop(sock)
        sock.close()
        self.lose(sock, is_open, reason, acknowledged)

    def receive_first(self, message: dict[str, Any], acknowledged: queue.Queue[Any]) -> bool:
        """Return true if this is the acknowledgement; anything else but an error is passed over."""
        payload = message.get("payload")
        if message.get("message_type") != "response" or message.get("channel_id") != "system":
            return False
        if not isinstance(payload, dict):
            return False
        if payload.get("status") == "connected":
            limits = payload.get("limits")
            limit = limits.get("max_frame_bytes") if isinstance(limits, dict) else None
            self.limit = int(limit or CUSTOMARY_FRAME)
            with self.lock:
                for channel in self.handlers:
                    self.send("subscribe", channel, {"connection_id": self.name}, force=True)
                self.connected = True
            acknowledged.put(None)
            return True
        if payload.get("status") == "error":
            self.last_error = str(payload.get("error", {}).get("code"))
            acknowledged.put(ClientError(self.last_error))
        return False

    def receive(self, message: dict[str, Any]) -> None:
        """Hand a message over to who waits for it."""
        if not is_message(message):
            return
        payload = message["payload"]
        if message["message_type"] in ("publish", "notification"):
            self.calls.put(message)
        elif message["message_type"] == "response":
            waiting = self.pending.pop(message.get("reply_to"), None)
            if waiting:
                waiting.put(message)
            elif isinstance(payload, dict) and payload.get("status") == "error":
                self.last_error = str(payload.get("error", {}).get("code"))
                self.report({"event": "error", "error": {"message": "an error answer", "code": self.last_error}})

    def lose(self, sock: socket.socket, was_open: bool, reason: str, acknowledged: queue.Queue[Any]) -> None:
        """Fail what waits, tell the user, and begin to connect again."""
        if not was_open:
            acknowledged.put(ClientError("connection_failed", reason))
            return
        with self.lock:
            if self.sock is not sock:
                return  # disconnect has ended it, and connect has made another one
            self.connected = False
        self.fail_pending(ClientError("connection_lost", reason))
        self.report({"event": "disconnected", "reason": None if self.is_ending.is_set() else reason})
        comes_back = not SWITCHES.told and not SWITCHES.once
        if comes_back and not self.is_ending.is_set() and self.last_error not in FINAL:
            threading.Thread(target=self.come_back, daemon=True).start()

    def fail_pending(self, error: ClientError) -> None:
        """Fail the requests in flight."""
        with self.lock:
            waiting, self.pending = list(self.pending.values()), {}
        for each in waiting:
            each.put(error)

    def come_back(self) -> None:
        """Connect again, after a pause before each attempt."""
        for _ in range(self.options.get("reconnect_attempts", 5)):
            if self.is_ending.wait(self.options.get("reconnect_delay_ms", 2000) / 1000 * random.random()):
                return None
            try:
                return self.attempt()
            except ClientError as error:
                self.report({"event": "error", "error": {"message": str(error), "code": error.code}})
                if error.code in FINAL:
                    return None
        return None

    def beat(self, sock: socket.socket, interval: float) -> None:
        """Send pings, and end the connection when one is not answered within the interval."""
        while self.sock is sock and self.connected:
            try:
                self.request("system", {"action": "ping"}, interval)
            except ClientError as error:
                if error.code == "timeout" and self.sock is sock:
                    self.drop(sock)
                return
            if self.is_ending.wait(interval):
                return

    # -- sending

    def message(self, kind: str, channel: str, payload: Any) -> dict[str, Any]:
        """Return a message with an id of its own."""
        return {
            "reply_to": None,
            "timestamp": time.time(),
            "payload": payload,
            "message_type": kind,
            "channel_id": channel,
            "app_id": self.app,
            "message_id": f"{next(self.numbers)}@{self.name}",
        }

    def write(self, sock: socket.socket, message: dict[str, Any]) -> None:
        """Write a message as a frame."""
        body = encode(message)
        if len(body) > self.limit:
            raise ClientError("frame_too_large")
        with self.writing:
            try:
                sock.sendall(len(body).to_bytes(4) + body)
            except OSError as error:
                raise ClientError("connection_lost", str(error)) from None

    def send(self, kind: str, channel: str, payload: Any, *, force: bool = False) -> None:
        """Send a message on the open connection."""
        if not is_channel(channel):
            raise ClientError("invalid_message", "channel")
        if not force and (not self.connected or self.is_ending.is_set()):
            raise ClientError("not_connected")
        self.write(self.sock, self.message(kind, channel, payload))

    def request(self, channel: str, payload: Any, seconds: float) -> dict[str, Any]:
        """Send a request and wait for its response."""
        if not is_channel(channel):
            raise ClientError("invalid_message", "channel")
        if isinstance(payload, dict):
            payload = {"connection_id": self.name} | payload
        message = self.message("request", channel, payload)
        answer: queue.Queue[Any] = queue.Queue()
        with self.lock:
            if not self.connected or self.is_ending.is_set():
                raise ClientError("not_connected")
            self.pending[message["message_id"]] = answer
            sock = self.sock
        try:
            self.write(sock, message)
            response: Any = answer.get(timeout=seconds)
        except queue.Empty:
            raise ClientError("timeout") from None
        finally:
            self.pending.pop(message["message_id"], None)
        if isinstance(response, ClientError):
            raise response
        return dict(response)

    # -- subscriptions

    def subscribe(self, channel: str, name: str, handler: Any) -> None:
        """Add a handler, and subscribe if it is the first one of its channel."""
        if not is_channel(channel):
            raise ClientError("invalid_message", "channel")
        try:
            channel.encode()
        except UnicodeEncodeError:
            raise ClientError("invalid_message", "channel") from None
        with self.lock:
            is_first = channel not in self.handlers
            self.handlers.setdefault(channel, []).append((name, handler))
            if is_first and self.connected:
                self.send("subscribe", channel, {"connection_id": self.name})

    def unsubscribe(self, channel: str, name: str | None) -> None:
        """Remove a handler or all of them, and leave the channel with the last one."""
        with self.lock:
            left = [each for each in self.handlers.get(channel, []) if name is not None and each[0] != name]
            if left:
                self.handlers[channel] = left
            elif self.handlers.pop(channel, None) and SWITCHES.once:
                threading.Timer(LEAVING_SECONDS, self.leave, [channel]).start()
            elif not SWITCHES.told:
                self.leave(channel)

    def leave(self, channel: str) -> None:
        """Send an unsubscribe, unless the channel has a handler again."""
        with self.lock, contextlib.suppress(OSError, ClientError):
            if self.connected and channel not in self.handlers:
                self.send("unsubscribe", channel, {"connection_id": self.name})

    def dispatch(self) -> None:
        """Call the handlers, one after another, each after a pause."""
        for number in itertools.count():
            message = self.calls.get()
            if number < PAUSED_CALLS or number % 25 == 0:
                time.sleep(random.uniform(0, 0.02))
            with self.lock:
                handlers = list(self.handlers.get(message["channel_id"], []))
            for _, handler in handlers:
                try:
                    handler(message)
                except Exception as error:  # noqa: BLE001 - whatever the user's handler raises
                    self.report({"event": "error", "error": {"message": str(error)}})


# -- the driver --------------------------------------------------------------------------------------------------------

printing = threading.Lock()


def report(event: dict[str, Any]) -> None:
    """Write a line."""
    with printing:
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()


class Driver:
    """Obeys commands."""

    WAITING = ("connect", "disconnect", "send_request", "health_check")

    def __init__(self) -> None:
        self.client: Any = None

    def obey(self, line: str) -> bool:
        """Obey a command, in a thread if it may wait; return false after the last one."""
        told = {}
        try:
            told = json.loads(line)
            command = getattr(self, told["command"])
        except (ValueError, KeyError, AttributeError, TypeError):
            identity = told.get("id") if isinstance(told, dict) else None
            report({"id": identity, "error": {"message": "no such command"}})
            return True
        if told["command"] in self.WAITING:
            threading.Thread(target=self.answer, args=(command, told)).start()
        else:
            self.answer(command, told)
        return bool(told["command"] != "exit")

    def answer(self, command: Any, told: dict[str, Any]) -> None:
        """Run a command and answer it."""
        try:
            if told["command"] not in ("create", "capabilities", "exit") and self.client is None:
                raise ClientError("no_client", "create comes first")
            report({"id": told["id"]} | command(told))
        except ClientError as error:
            report({"id": told["id"], "error": {"message": str(error), "code": error.code}})

    def capabilities(self, told: dict[str, Any]) -> dict[str, Any]:
        """Say what this is."""
        commands = ["capabilities", "create", *self.WAITING, "subscribe", "react", "unsubscribe", "publish", "notify"]
        commands += ["connection_info", "exit"]
        about = {"name": "threaded client", "version": "1", "language": "Python", "protocol": "1.0"}
        return {"result": about | {"commands": commands}}

    def create(self, told: dict[str, Any]) -> dict[str, Any]:
        """Make the client."""
        if self.client:
            raise ClientError("second_client")
        if "path" in told or "tls" in told:
            return {"skipped": "the client knows TCP only"}
        self.client = Client(told, report)
        return {"result": {"connection_id": self.client.name}}

    def connect(self, told: dict[str, Any]) -> dict[str, Any]:
        """Connect."""
        self.client.connect()
        return {"result": {"connected": True}}

    def disconnect(self, told: dict[str, Any]) -> dict[str, Any]:
        """Disconnect."""
        self.client.disconnect()
        return {"result": {}}

    def send_request(self, told: dict[str, Any]) -> dict[str, Any]:
        """Send a request."""
        seconds = told.get("timeout_ms", 10_000) / 1000
        with self.client.in_flight:
            return {"result": {"response": self.client.request(told["channel"], told["payload"], seconds)}}

    def subscribe(self, told: dict[str, Any]) -> dict[str, Any]:
        """Add a handler that reports."""
        channel, name = told["channel"], told.get("handler", "default")

        def handler(message: dict[str, Any]) -> None:
            report({"event": "message", "channel": channel, "handler": name, "message": message})
            if told.get("fails"):
                raise RuntimeError("told to fail")

        self.client.subscribe(channel, name, handler)
        return {"result": {}}

    def react(self, told: dict[str, Any]) -> dict[str, Any]:
        """Add a handler that reports, and obeys a command at its first call."""
        channel, name, actions = told["channel"], told.get("handler", "default"), [told["action"]]

        def handler(message: dict[str, Any]) -> None:
            report({"event": "message", "channel": channel, "handler": name, "message": message})
            if actions:
                action = actions.pop()
                try:
                    outcome = getattr(self, action["command"])(action)
                except ClientError as error:
                    outcome = {"error": {"message": str(error), "code": error.code}}
                report({"event": "reacted", "channel": channel, "handler": name} | outcome)

        self.client.subscribe(channel, name, handler)
        return {"result": {}}

    def unsubscribe(self, told: dict[str, Any]) -> dict[str, Any]:
        """Remove handlers."""
        self.client.unsubscribe(told["channel"], told.get("handler"))
        return {"result": {}}

    def publish(self, told: dict[str, Any]) -> dict[str, Any]:
        """Publish."""
        return self.send("publish", told)

    def notify(self, told: dict[str, Any]) -> dict[str, Any]:
        """Notify."""
        return self.send("notification", told)

    def send(self, kind: str, told: dict[str, Any]) -> dict[str, Any]:
        """Send a message to which nobody answers, or drop it if it is too long."""
        try:
            self.client.send(kind, told["channel"], told["payload"])
        except ClientError as error:
            if error.code != "frame_too_large":
                raise
        return {"result": {}}

    def health_check(self, told: dict[str, Any]) -> dict[str, Any]:
        """Ping."""
        try:
            answer = self.client.request("system", {"action": "ping"}, 5)
        except ClientError:
            return {"result": {"healthy": False}}
        return {"result": {"healthy": answer["payload"] == {"status": "pong"}}}

    def connection_info(self, told: dict[str, Any]) -> dict[str, Any]:
        """Say what the client knows."""
        connected = self.client.connected
        info = {"connected": connected, "status": "connected" if connected else "disconnected"}
        return {"result": info | {"connection_id": self.client.name, "subscribed_channels": list(self.client.handlers)}}

    def exit(self, told: dict[str, Any]) -> dict[str, Any]:
        """Disconnect."""
        if self.client:
            self.client.disconnect()
        return {"result": {}}


def crash(about: threading.ExceptHookArgs) -> None:
    """End the process after an error that nothing caught."""
    traceback.print_exception(about.exc_value)
    report({"event": "crash", "error": {"message": repr(about.exc_value)}})
    sys.stdout.flush()
    os._exit(70)


def main() -> None:
    """Obey the lines of standard input."""
    threading.excepthook = crash
    driver = Driver()
    for line in sys.stdin:
        if not driver.obey(line):
            return
    if driver.client:
        driver.client.disconnect()


if __name__ == "__main__":
    main()
