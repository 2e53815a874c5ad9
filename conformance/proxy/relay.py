"""A relay between clients and a server, for client developers: shows every frame and checks those of clients."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Self

from conformance.core.trace import Trace
from conformance.core.verdicts import BrokenFrame
from conformance.peers.frame_checks import ClientFrameChecks
from conformance.protocol import codec
from conformance.transport.address import LOOPBACK, Address, TcpAddress, address_of, at_once

READ_BYTES = 262_144
CONNECT_SECONDS = 10.0
BACKLOG = 50
REMEMBERED_IDS = 10_000
"""A client in development may stay connected for days."""
NO_LINGER = struct.pack("ii", 1, 0)


class Link:
    """One connection of the client, with its findings.

    Attributes:
        label: the letter of the connection in the trace.
        findings: the problems of the client's frames.
    """

    def __init__(self, label: str) -> None:
        self.label = label
        self.findings: list[str] = []
        self._checks = ClientFrameChecks(remembered=REMEMBERED_IDS)
        self._has_connected = False
        self._requests = bytearray()
        self._answers = bytearray()

    def take_from_client(self, octets: bytes, trace: Trace) -> None:
        """Record octets of the client and check each complete frame (LIM-001, ENC, ENV, HSK-001)."""
        self._requests += octets
        for frame in self._frames(self._requests, self._checks):
            trace.octets(self.label, "sent", frame)
            self.findings += map(_text, self._problems(frame[codec.HEADER_BYTES :]))

    def take_from_server(self, octets: bytes, trace: Trace) -> None:
        """Record octets of the server, frame by frame."""
        self._answers += octets
        for frame in self._frames(self._answers, None):
            trace.octets(self.label, "received", frame)

    def _problems(self, body: bytes) -> Iterator[BrokenFrame]:
        try:
            message = self._checks.message(body)
        except BrokenFrame as problem:
            yield problem
            return
        yield from self._checks.problems(message)
        if not self._has_connected:
            self._has_connected = True
            wrong = self._checks.connect_problem(message)
            if wrong:
                yield wrong
            else:
                self._checks.app_id = message["app_id"]

    def _frames(self, buffer: bytearray, checks: ClientFrameChecks | None) -> list[bytes]:
        """Remove the complete frames from the beginning of ``buffer``; stop at a length over the limit."""
        found = []
        while len(buffer) >= codec.HEADER_BYTES:
            try:
                length = checks.length(bytes(buffer[:64])) if checks else codec.stated_length(buffer[:4])
            except BrokenFrame as problem:
                self.findings.append(_text(problem))
                buffer.clear()
                break
            end = codec.HEADER_BYTES + length
            if len(buffer) < end:
                break
            found.append(bytes(buffer[:end]))
            del buffer[:end]
        return found


def _text(problem: BrokenFrame) -> str:
    return f"{problem.message}: {problem.received}"


class Relay:
    """Listens on a port and forwards every connection to ``upstream``; use it as a context manager.

    Args:
        upstream: where the server listens.
        trace: records everything.
        port: the port to listen on; 0 for a free one.
        on_finding: called with each problem of a frame of the client.
    """

    def __init__(
        self,
        upstream: Address,
        trace: Trace,
        *,
        port: int = 0,
        on_finding: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._upstream = upstream
        self._trace = trace
        self._on_finding = on_finding
        self._listener = TcpAddress(LOOPBACK, port).listen(BACKLOG)
        self.address = address_of(self._listener)
        self.links: list[Link] = []
        self._sockets: list[socket.socket] = []
        self._is_open = True

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_open = False
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # closing alone does not wake the thread in accept
        self._listener.close()
        for end in self._sockets:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    @property
    def findings(self) -> list[str]:
        """The problems of the client's frames on all its connections."""
        return [finding for link in self.links for finding in link.findings]

    def _accept(self) -> None:
        while self._is_open:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = self._upstream.connect(CONNECT_SECONDS)
            except OSError as error:
                self._trace.event("*", f"the server does not accept a connection: {error}")
                client.close()
                continue
            self._join(client, server)

    def _join(self, client: socket.socket, server: socket.socket) -> None:
        link = Link(chr(ord("A") + len(self.links) % 26))
        self.links.append(link)
        self._trace.event(link.label, "the client connected")
        ways = ((client, server, self._client_taker(link)), (server, client, self._server_taker(link)))
        for source, sink, take in ways:
            at_once(source).settimeout(None)
            self._sockets.append(source)
            threading.Thread(target=self._pump, args=(source, sink, take), daemon=True).start()

    def _server_taker(self, link: Link) -> Callable[[bytes], None]:
        return lambda octets: link.take_from_server(octets, self._trace)

    def _client_taker(self, link: Link) -> Callable[[bytes], None]:
        def take(octets: bytes) -> None:
            known = len(link.findings)
            link.take_from_client(octets, self._trace)
            for finding in link.findings[known:]:
                self._on_finding(f"{link.label}: {finding}")

        return take

    def _pump(self, source: socket.socket, sink: socket.socket, take: Callable[[bytes], None]) -> None:
        """Forward octets until one side ends, then end the stream to the other side too."""
        with contextlib.suppress(OSError):
            while octets := source.recv(READ_BYTES):
                take(octets)
                sink.sendall(octets)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
