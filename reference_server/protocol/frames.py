"""Octets in, frames out (chapter FRM). Opens nothing."""

from __future__ import annotations

import struct
from typing import Final

from reference_server.protocol.errors import FrameTooLargeError, HttpRequestError

HEADER: Final = struct.Struct(">I")

# The longest body of the first frame of a stream. A connect message needs a few hundred octets, and nobody knows yet
# who sends it; no server may accept less (FRM-008).
FIRST_BODY_LIMIT: Final = 1024 * 1024

HTTP_METHODS: Final = frozenset(
    (b"GET ", b"HEAD", b"POST", b"PUT ", b"DELE", b"OPTI", b"PATC", b"CONN", b"TRAC", b"PRI ")
)

_HINT_BODY: Final = b"This port speaks the IPC Framework Wire Protocol 1.1: frames with JSON, not HTTP.\n"
HTTP_HINT: Final = (
    b"HTTP/1.1 426 Upgrade Required\r\n"
    b"Upgrade: ipc-framework/1.1\r\n"
    b"Connection: Upgrade, close\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_HINT_BODY), _HINT_BODY)
)


# From this length on, one copy of a frame takes less time than a view does.
_LONG: Final = 16 * 1024


def encode_frame(body: bytes) -> bytes:
    """Return the body with its header in front (FRM-001)."""
    return HEADER.pack(len(body)) + body


class FrameDecoder:
    """Cuts a stream of octets into frames, however it was cut into segments (FRM-005).

    Args:
        limit: The longest body accepted, in octets; for the first frame also `FIRST_BODY_LIMIT`.

    Attributes:
        unfinished: The length of the frame whose header has arrived and whose body has not; after `next_frame`.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer: bytes | bytearray = b""
        self._start = 0  # of the next frame in the buffer
        self._at_stream_start = True
        self.unfinished = 0

    @property
    def ready(self) -> int:
        """How many octets wait for `next_frame`, 0 if they are known to be only the beginning of a frame."""
        waiting = len(self._buffer) - self._start
        return waiting if waiting >= self.unfinished else 0

    def receive_data(self, data: bytes) -> None:
        """Take octets from the peer; call `next_frame` until it returns None."""
        if self._start == len(self._buffer):
            self._buffer = data  # mostly whole frames, which are not copied then
            self._start = 0
            return
        if type(self._buffer) is not bytearray:
            self._buffer = bytearray(self._buffer)
        if self._start:
            # Removing a prefix of a bytearray moves no octets, so many frames in one segment stay linear.
            del self._buffer[: self._start]
            self._start = 0
        self._buffer += data

    def next_frame(self) -> bytes | None:
        """Return the next complete frame, header included, octet for octet as it arrived, or None.

        Raises:
            FrameTooLargeError: On the header alone (FRM-010). The stream cannot be read any further.
            HttpRequestError: The stream begins like an HTTP request (FRM-012).
        """
        buffer, start = self._buffer, self._start
        size = len(buffer)
        if size - start < 4:
            self.unfinished = 0
            return None
        (length,) = HEADER.unpack_from(buffer, start)
        if length > self._limit or (self._at_stream_start and length > FIRST_BODY_LIMIT):
            self._refuse(length)
        end = start + 4 + length
        if size < end:
            self.unfinished = end - start
            return None
        self._at_stream_start = False
        frame = bytes(buffer[start:end]) if length < _LONG else _copied(buffer, start, end)
        if size == end:  # an idle connection holds no octets
            self._buffer = b""
            self._start = 0
        else:
            self._start = end
        return frame

    def _refuse(self, length: int) -> None:
        # Every method is a length over 2**30, and no limit is (FRM-008): only here can it be one.
        if self._at_stream_start and HEADER.pack(length) in HTTP_METHODS:
            raise HttpRequestError
        raise FrameTooLargeError(length, min(self._limit, FIRST_BODY_LIMIT) if self._at_stream_start else self._limit)


def _copied(buffer: bytes | bytearray, start: int, end: int) -> bytes:
    """Return a part of a buffer that was copied once only."""
    with memoryview(buffer) as view:
        return bytes(view[start:end])
