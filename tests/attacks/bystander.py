"""Another client of the attacked server, in a process of its own: how long does it wait for its pings?"""

from __future__ import annotations

import contextlib
import multiprocessing
import socket
import statistics
import time
from io import BufferedReader
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from typing import Self

import frames

PAUSE_SECONDS = 0.005
PATIENCE_SECONDS = 30.0


class Bystander:
    """Pings the server from entering the context until leaving it.

    Args:
        port: where the server listens.
        host: the address that it connects from.
        token: the token, if the server requires one.
    """

    def __init__(self, port: int, host: str = "127.0.0.2", token: str | None = None) -> None:
        context = multiprocessing.get_context("spawn")
        self._stop = context.Event()
        self._results, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=_ping, args=(port, host, token, self._stop, theirs), daemon=True)
        self.seconds: list[float] = []

    def __enter__(self) -> Self:
        self._process.start()
        self._results.recv()  # it is connected
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        with contextlib.suppress(EOFError):
            if self._results.poll(PATIENCE_SECONDS + 5):
                self.seconds = self._results.recv()
        self._process.kill()
        self._process.join()

    @property
    def milliseconds(self) -> tuple[float, float, float]:
        """Median, 99th percentile and maximum of the waits, in milliseconds."""
        if len(self.seconds) < 2:
            return (float("inf"),) * 3
        waits = sorted(self.seconds)
        return statistics.median(waits) * 1000, waits[int(len(waits) * 0.99)] * 1000, waits[-1] * 1000


def _ping(port: int, host: str, token: str | None, stop: Event, results: Connection) -> None:
    shown = {} if token is None else {"token": token}
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS, (host, 0)) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = link.makefile("rb")
        link.sendall(frames.connect("bystander", **shown))
        _read_frame(reader)
        results.send("ready")
        seconds = list[float]()
        with contextlib.suppress(OSError):
            while not stop.is_set():
                sent = time.perf_counter()
                link.sendall(frames.ping())
                if not _read_frame(reader):
                    break
                seconds.append(time.perf_counter() - sent)
                time.sleep(PAUSE_SECONDS)
        results.send(seconds)


def _read_frame(reader: BufferedReader) -> bytes:
    header = reader.read(4)
    return reader.read(int.from_bytes(header, "big")) if len(header) == 4 else b""
