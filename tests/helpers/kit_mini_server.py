"""A small server without dependencies: correct for the cases of the system channel, or with one named mistake.

Run as a script: ``python kit_mini_server.py --port PORT [--wrong NAME]``. Further arguments are ignored, so that a test
can mark the process with one.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import socketserver
import struct
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Message = dict[str, Any]
hanging = threading.Event()
numbers = itertools.count(1)
LATE_SECONDS = 1.0


class Refused(Exception):
    """The request gets an error answer with this code."""


def act(payload: Any, wrong: str) -> Message:
    """Return the answer of the system channel to a payload."""
    if not isinstance(payload, dict) or not isinstance(payload.get("action"), str):
        raise Refused("invalid_message")
    if payload["action"] == "ping":
        return {"status": "gnip" if wrong == "pong" else "pong"}
    if payload["action"] == "get_time":
        be_late(wrong)
        now = datetime.now(UTC)
        return {"timestamp": now.timestamp()} | ({} if wrong == "time" else {"iso": now.isoformat()})
    if payload["action"] == "reboot":
        misbehave(wrong)
    raise Refused("unknown_action")


def be_late(wrong: str) -> None:
    """Answer late: always, never, or once; the file that the variable LATE_ONCE names says that it was."""
    was_late = Path(os.environ.get("LATE_ONCE", os.devnull))
    if wrong == "slow" or (wrong == "late-once" and not was_late.exists()):
        was_late.write_text("it was", "utf-8")
        time.sleep(LATE_SECONDS)
    elif wrong == "silent":
        sleep_for_ever()


def misbehave(wrong: str) -> None:
    """Die or stop serving, if the named mistake says so."""
    if wrong == "dies":
        sys.stderr.write("out of coffee\n")
        sys.stderr.flush()
        os._exit(7)
    if wrong == "hangs":
        hanging.set()
        sleep_for_ever()


def sleep_for_ever() -> None:
    """Stop serving."""
    while True:
        time.sleep(60)


class Handler(socketserver.StreamRequestHandler):
    """One connection."""

    wrong = ""

    def handle(self) -> None:
        """Answer the connect message, then every further message, until the stream ends."""
        connect = self.receive()
        if connect is None:
            return
        if self.wrong != "mute":
            identity = connect["payload"]["connection_id"]
            self.answer(connect, {"status": "connected", "connection_id": identity, "profiles": ["tea"]}, None)
        while request := self.receive():
            try:
                if request["channel_id"] != "system":
                    raise Refused("no_handler")
                payload = act(request["payload"], self.wrong)
            except Refused as code:
                payload = {"status": "error", "error": {"code": str(code), "message": "no"}}
            self.answer(request, payload, request["message_id"])

    def receive(self) -> Message | None:
        """Return the next message, or None at the end of the stream."""
        if self.wrong in ("segments", "first"):
            return self.receive_segment()
        head = self.rfile.read(4)
        body = self.rfile.read(int.from_bytes(head, "big")) if len(head) == 4 else b""
        if hanging.is_set():
            sleep_for_ever()
        return json.loads(body) if body else None

    def receive_segment(self) -> Message | None:
        """Treat a segment as one frame, or as containing only one frame."""
        segment = self.connection.recv(65_536)
        end = 4 + int.from_bytes(segment[:4], "big") if self.wrong == "first" else len(segment)
        return json.loads(segment[4:end]) if segment else None

    def answer(self, request: Message, payload: Message, reply_to: str | None) -> None:
        """Send the response to a request."""
        kept = {name: request[name] for name in ("app_id", "channel_id")}
        message = {"message_id": f"s{next(numbers)}", "message_type": "response", "timestamp": time.time()}
        body = json.dumps(kept | message | {"payload": payload, "reply_to": reply_to}).encode()
        self.wfile.write(struct.pack(">I", len(body)) + body)


class Server(socketserver.ThreadingTCPServer):
    """A thread for each connection; a reset by the client is not an error."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 100

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet."""


def main() -> None:
    """Serve forever."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--wrong", default="")
    options, _ = parser.parse_known_args()
    Handler.wrong = options.wrong
    with Server(("127.0.0.1", options.port), Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
