"""A relay between clients and a server, for who develops a client: shows every frame and checks the client's."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from conformance.core.trace import Trace
from conformance.protocol import codec, schemas
from conformance.protocol.codec import Message

READ_BYTES = 262_144
NO_LINGER = struct.pack("ii", 1, 0)


@dataclass
class Link:
    """One connection of the client, with what was seen on it.

    Attributes:
        label: the letter of the connection in the trace.
        sent: the messages of the client, in order.
        findings: what is wrong with the client's frames.
    """

    label: str
    sent: list[Message] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    _buffer: bytearray = field(default_factory=bytearray)
    _answers: bytearray = field(default_factory=bytearray)

    def take_from_client(self, octets: bytes, trace: Trace) -> None:
        """Note octets of the client and check each frame that is complete (FRM-001, ENC-001 to ENC-003, ENV-001)."""
        self._buffer += octets
        for frame in _frames(self._buffer):
            trace.octets(self.label, "sent", frame)
            self._check(frame[codec.HEADER_BYTES :])

    def take_from_server(self, octets: bytes, trace: Trace) -> None:
        """Note octets of the server, frame by frame."""
        self._answers += octets
        for frame in _frames(self._answers):
            trace.octets(self.label, "received", frame)

    def _check(self, body: bytes) -> None:
        try:
            message = codec.decode(body)
        except codec.BadBody as error:
            self.findings.append(str(error))
            return
        problem = schemas.problem("client-message", message)
        if problem:
            self.findings.append(f"a message breaks the envelope rules (ENV-001): {problem}")
        if not self.sent and schemas.problem("connect-message", message):
            self.findings.append("the first message is not a valid connect message (HSK-001)")
        if message.get("message_id") in {each.get("message_id") for each in self.sent[-1000:]}:
            self.findings.append(f"the message_id {message.get('message_id')!r} was used before (ENV-004)")
        self.sent.append(message)


class Relay:
    """Listens on a free port and passes every connection on to ``upstream``; use it as a context manager.

    Args:
        upstream: where the server listens.
        trace: where everything is noted.
        port: the port to listen on; 0 for a free one.
        on_finding: called with each thing that is wrong with a frame of the client.
    """

    def __init__(
        self,
        upstream: tuple[str, int],
        trace: Trace,
        *,
        port: int = 0,
        on_finding: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._upstream = upstream
        self._trace = trace
        self._on_finding = on_finding
        self._listener = socket.create_server(("127.0.0.1", port))
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self.links: list[Link] = []
        self._sockets: list[socket.socket] = []
        self._is_open = True

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_open = False
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # closing alone does not wake a thread that accepts
        self._listener.close()
        for end in self._sockets:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    @property
    def findings(self) -> list[str]:
        """What is wrong with the frames of the client, over all its connections."""
        return [finding for link in self.links for finding in link.findings]

    def _accept(self) -> None:
        while self._is_open:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._upstream)
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
            source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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
        """Pass octets on until one end is gone, then end the other's receiving side too."""
        with contextlib.suppress(OSError):
            while octets := source.recv(READ_BYTES):
                take(octets)
                sink.sendall(octets)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


def _frames(buffer: bytearray) -> list[bytes]:
    """Take the complete frames off the front of ``buffer``."""
    found = []
    while len(buffer) >= codec.HEADER_BYTES:
        end = codec.HEADER_BYTES + codec.stated_length(buffer[: codec.HEADER_BYTES])
        if len(buffer) < end:
            break
        found.append(bytes(buffer[:end]))
        del buffer[:end]
    return found
