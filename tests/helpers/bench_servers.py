"""Servers for the tests of the benchmark: real ones, and one with scripted answers."""

from __future__ import annotations

import socketserver
import sys
from collections.abc import Callable

from conformance.protocol import codec

REFERENCE = f"'{sys.executable}' -m reference_server --host {{host}} --port {{port}} --responder"
BARE = f"'{sys.executable}' -m conformance.bench.bare_echo --port {{port}}"

Answers = Callable[[int, bytes], bytes | None]


class ScriptedServer(socketserver.ThreadingTCPServer):
    """Answers the frame number N of a connection with ``answers(N, frame)``; None ends the connection."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, answers: Answers) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.answers = answers
        self.frames = 0

    def handle_error(self, *_: object) -> None:
        """A generator that gave up closes its sockets; that is no error here."""


class _Conversation(socketserver.StreamRequestHandler):
    server: ScriptedServer

    def handle(self) -> None:
        number = 0
        while header := self.rfile.read(codec.HEADER_BYTES):
            frame = header + self.rfile.read(codec.stated_length(header))
            self.server.frames += 1
            answer = self.server.answers(number, frame)
            if answer is None:
                return
            self.wfile.write(answer)
            number += 1
