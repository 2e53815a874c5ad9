"""A relay between clients and a server, for client developers: shows every frame and checks those of clients."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Generic, Self, TypeVar

from conformance.core.roles import Role
from conformance.core.trace import Trace
from conformance.core.verdicts import BrokenFrame
from conformance.peers.frame_checks import ClientFrameChecks, FrameChecks
from conformance.protocol import codec
from conformance.protocol.codec import Message
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
        for frame in self._frames(self._requests, self._checks, "client"):
            trace.octets(self.label, "sent", frame)
            for problem in self._problems(frame[codec.HEADER_BYTES :]):
                self.note_problem(problem, "client")

    def take_from_server(self, octets: bytes, trace: Trace) -> None:
        """Record octets of the server, frame by frame."""
        self._answers += octets
        for frame in self._frames(self._answers, None, "server"):
            trace.octets(self.label, "received", frame)

    def note_problem(self, problem: BrokenFrame, side: Role) -> None:
        """Keep the problem of a frame that ``side`` sent, if it is the client."""
        if side == "client":
            self.findings.append(f"{problem.message}: {problem.received}")

    def note_message(self, message: Message) -> None:
        """Take note of a message of the client; a client in development sends too many to keep them."""

    def note_end(self, side: Role) -> None:
        """Take note that a side has ended its stream, or was reset."""

    def _problems(self, body: bytes) -> Iterator[BrokenFrame]:
        try:
            message = self._checks.message(body)
        except BrokenFrame as problem:
            yield problem
            return
        self.note_message(message)
        yield from self._checks.problems(message)
        if not self._has_connected:
            self._has_connected = True
            wrong = self._checks.connect_problem(message)
            if wrong:
                yield wrong
            else:
                self._checks.app_id = message["app_id"]

    def _frames(self, buffer: bytearray, checks: FrameChecks | None, side: Role) -> list[bytes]:
        """Remove the complete frames from the beginning of ``buffer``; stop at a length over the limit."""
        found = []
        while len(buffer) >= codec.HEADER_BYTES:
            try:
                length = checks.length(bytes(buffer[:64])) if checks else codec.stated_length(buffer[:4])
            except BrokenFrame as problem:
                self.note_problem(problem, side)
                buffer.clear()
                break
            end = codec.HEADER_BYTES + length
            if len(buffer) < end:
                break
            found.append(bytes(buffer[:end]))
            del buffer[:end]
        return found


AnyLink = TypeVar("AnyLink", bound=Link)


class Relay(Generic[AnyLink]):
    """Listens on a port and forwards every connection to ``upstream``; use it as a context manager.

    Args:
        upstream: where the server listens.
        trace: records everything.
        link: makes the record of a connection from its label.
        port: the port to listen on; 0 for a free one.
        on_finding: called with each problem of a frame of the client.
    """

    def __init__(
        self,
        upstream: Address,
        trace: Trace,
        *,
        link: Callable[[str], AnyLink],
        port: int = 0,
        on_finding: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._upstream = upstream
        self._trace = trace
        self._make_link = link
        self._on_finding = on_finding
        self._listener = TcpAddress(LOOPBACK, port).listen(BACKLOG)
        self.address = address_of(self._listener)
        self.links: list[AnyLink] = []
        self._sockets: list[socket.socket] = []
        self._joining = threading.RLock()
        """Held while a connection is joined, and while connections are ended: each is ended whole, or not at all."""
        self._is_open = True

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_listening()
        self._end_connections()

    def _start(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _listen_with(self, bound: socket.socket) -> None:
        """Listen again, after :meth:`_stop_listening`, with a socket that has the address."""
        bound.listen(BACKLOG)
        self._listener = bound
        self._is_open = True
        self._start()

    def _stop_listening(self) -> None:
        self._is_open = False
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # closing alone does not wake the thread in accept
        self._listener.close()

    def _end_connections(self) -> None:
        with self._joining:
            for end in self._sockets:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    @property
    def findings(self) -> list[str]:
        """The problems of the client's frames on all its connections."""
        return [finding for link in self.links for finding in link.findings]

    def _accept(self, listener: socket.socket) -> None:
        while self._is_open:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = self._upstream.connect(CONNECT_SECONDS)
            except OSError as error:
                self._trace.event("*", f"the server does not accept a connection: {error}")
                with self._joining:
                    if self._is_open and listener is self._listener:
                        self.note_unreached(str(error))
                client.close()
                continue
            with self._joining:
                self._sockets += client, server
                if not self._is_open:  # it was left meanwhile
                    self._end_connections()
                    return
                self._join(client, server)

    def note_unreached(self, reason: str) -> None:
        """Take note that the server did not accept a connection."""

    def _join(self, client: socket.socket, server: socket.socket) -> None:
        link = self._make_link(chr(ord("A") + len(self.links) % 26))
        self.links.append(link)
        self._trace.event(link.label, "the client connected")
        self._begin(client, server, self._client_taker(link), lambda: link.note_end("client"))
        self._begin(server, client, self._server_taker(link), lambda: link.note_end("server"))

    def _begin(
        self, source: socket.socket, sink: socket.socket, take: Callable[[bytes], None], end: Callable[[], None]
    ) -> None:
        at_once(source).settimeout(None)
        threading.Thread(target=self._pump, args=(source, sink, take, end), daemon=True).start()

    def _server_taker(self, link: AnyLink) -> Callable[[bytes], None]:
        return lambda octets: link.take_from_server(octets, self._trace)

    def _client_taker(self, link: AnyLink) -> Callable[[bytes], None]:
        def take(octets: bytes) -> None:
            known = len(link.findings)
            link.take_from_client(octets, self._trace)
            for finding in link.findings[known:]:
                self._on_finding(f"{link.label}: {finding}")

        return take

    @staticmethod
    def _pump(
        source: socket.socket, sink: socket.socket, take: Callable[[bytes], None], end: Callable[[], None]
    ) -> None:
        """Forward octets until the source ends, then end the stream to the sink too.

        If the sink is gone, what follows is read and dropped: only the thread that reads from a side notes its end.
        """
        can_send = True
        while octets := _received(source):
            take(octets)
            try:
                if can_send:
                    sink.sendall(octets)
            except OSError:
                can_send = False
        end()
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


def _received(source: socket.socket) -> bytes:
    """Return the next octets; none at the end of the stream, or after a reset."""
    try:
        return source.recv(READ_BYTES)
    except OSError:
        return b""
