"""Mistakes about where a read ends, and about the time until the next one (FRM-005, FRM-006)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from mutation import around, mutant, replace

from reference_server.network.session import Session
from reference_server.network.tls import TlsLayer
from reference_server.protocol.frames import FrameDecoder


def _hold(wants_more: Callable[[bytes], bool]) -> None:
    """Keep a read that makes the server wait for the next one."""
    held: dict[Session, bytes] = {}

    @around(Session, "data_received")
    def received(original: Any, self: Session, data: bytes) -> None:
        data = held.pop(self, b"") + data
        if wants_more(data):
            held[self] = data
        else:
            original(self, data)


@mutant("FRM-006/pages")
def full_pages() -> None:
    """After a read of exactly k x 4096 octets the server waits for more."""
    _hold(lambda data: len(data) % 4096 == 0)


@mutant("FRM-006/kilobytes")
def full_kilobytes() -> None:
    """After a read of exactly 1024 octets the server waits for more."""
    _hold(lambda data: len(data) == 1024)


@mutant("FRM-006/buffers")
def full_buffers() -> None:
    """After a read of exactly 16384 octets the server waits for more."""
    _hold(lambda data: len(data) == 16384)


@mutant("FRM-006/one-short")
def one_short_of_a_page() -> None:
    """After a read of exactly 4095 octets the server waits for more."""
    _hold(lambda data: len(data) == 4095)


@mutant("SUB-010/page-then-end")
def page_then_end() -> None:
    """A read of exactly 4096 octets is processed when no more came, but the end of the stream comes first."""

    waiting: set[Session] = set()

    @around(Session, "data_received")
    def received(original: Any, self: Session, data: bytes) -> None:
        def process() -> None:
            if self in waiting:
                waiting.discard(self)
                original(self, data)

        if len(data) % 4096:
            original(self, data)
        else:
            waiting.add(self)
            self._loop.call_later(0.02, process)

    @around(Session, "eof_received")
    def ended(original: Any, self: Session) -> Any:
        waiting.discard(self)
        return original(self)


@mutant("FRM-005/rest-of-a-header")
def rest_of_a_header() -> None:
    """When a read ends inside a header behind a whole frame, the octets of that header are lost."""
    last = b""

    @around(FrameDecoder, "receive_data")
    def receive(original: Any, self: FrameDecoder, data: bytes) -> None:
        nonlocal last
        last = data
        original(self, data)

    @around(FrameDecoder, "next_frame")
    def next_frame(original: Any, self: FrameDecoder) -> Any:
        frame = original(self)
        rest = len(self._buffer) - self._start
        if frame is not None and 0 < rest < 4 and len(last) > 4:
            self._buffer = self._buffer[:-rest]
        return frame


@mutant("FRM-006/three-octets")
def three_octets_of_the_next() -> None:
    """A frame waits while fewer than four octets of the next one have arrived behind it."""

    @around(FrameDecoder, "next_frame")
    def next_frame(original: Any, self: FrameDecoder) -> Any:
        rest = len(self._buffer) - self._start
        if rest > 4:
            length = int.from_bytes(self._buffer[self._start : self._start + 4])
            if 0 < rest - 4 - length < 4:
                return None
        return original(self)


def _impatient(seconds: float, *, in_header: bool) -> None:
    """Take what comes after a pause inside a frame for the beginning of another one."""

    @around(FrameDecoder, "receive_data")
    def receive(original: Any, self: FrameDecoder, data: bytes) -> None:
        now, since = time.monotonic(), self.__dict__.get("since", 0.0)
        waiting = len(self._buffer) - self._start
        if waiting and (waiting < 4) == in_header and now - since > seconds:
            self._buffer, self._start = b"", 0
        self.__dict__["since"] = now
        original(self, data)


@mutant("FRM-005/slow-body")
def slow_body() -> None:
    """A body that pauses for a fifth of a second is given up, and the next octets are a header."""
    _impatient(0.2, in_header=False)


@mutant("FRM-005/slow-header")
def slow_header() -> None:
    """A header that pauses for a fifth of a second is given up, and the next octets are another one."""
    _impatient(0.2, in_header=True)


@mutant("FRM-006/pending-tls", harms=("*",), because="two short frames are two records, and arrive together")
def pending_in_tls() -> None:
    """Of what arrived inside TLS at once, one piece is read, and the rest when more arrives."""

    def read(self: TlsLayer) -> None:
        if not self._ending and not self._client_ended:
            self._inner.data_received(self._tls.read(16384))

    replace(TlsLayer, "_read", read)


@mutant("FRM-006/records-tls")
def records_in_tls() -> None:
    """A whole record of TLS makes the server wait for another one."""
    _hold(lambda data: len(data) % 16384 == 0)
