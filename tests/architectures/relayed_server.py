"""The server of threads behind a TCP relay, which cuts and joins what passes and holds octets of its own.

The relay is the process that the kit starts. It starts the server on a port of its own, and passes SIGTERM on.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

SERVER = Path(__file__).parent / "threaded_server.py"
PIECES = (1, 3, 100, 1460, 65536, 65536)


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Pass octets on in pieces of other sizes, then the end of the stream; a broken connection breaks both."""
    try:
        while data := source.recv(random.choice((10, 1000, 65536, 65536))):
            while data:
                piece = random.choice(PIECES)
                sink.sendall(data[:piece])
                data = data[piece:]
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def carry(client: socket.socket, port: int) -> None:
    """Join a client with the server until both directions have ended."""
    with client:
        try:
            server = socket.create_connection(("127.0.0.1", port))
        except OSError:
            return
        with server:
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(target=pump, args=(server, client))
            back.start()
            pump(client, server)
            back.join()


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def await_server(port: int) -> None:
    """Wait until the server listens."""
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.01)


class Terminated(Exception):
    """SIGTERM."""


def terminate(*_: Any) -> None:
    """Interrupt the main thread."""
    raise Terminated


def main() -> None:
    """Relay until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port, inner = parser.parse_args().port, free_port()
    with subprocess.Popen([sys.executable, str(SERVER), "--port", str(inner)]) as server:
        try:
            signal.signal(signal.SIGTERM, terminate)
            await_server(inner)
            with socket.create_server(("127.0.0.1", port), backlog=256) as listener:
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=carry, args=(client, inner)).start()
        except Terminated:
            server.terminate()


if __name__ == "__main__":
    main()
