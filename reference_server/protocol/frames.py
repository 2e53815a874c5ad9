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

_HINT_BODY: Final = b"This port speaks the IPC Framework Wire Protocol 1.0: frames with JSON, not HTTP.\n"
HTTP_HINT: Final = (
    b"HTTP/1.1 426 Upgrade Required\r\n"
    b"Upgrade: ipc-framework/1.0\r\n"
    b"Connection: Upgrade, close\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_HINT_BODY), _HINT_BODY)
)


def encode_frame(body: bytes) -> bytes:
    """Return the body with its header in front (FRM-001)."""
    return HEADER.pack(len(body)) + body


class FrameDecoder:
    """Cuts a stream of octets into frames, however it was cut into segments (FRM-005).

    Args:
        limit: The longest body accepted, in octets; for the first frame also `FIRST_BODY_LIMIT`.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._start = 0  # of the next frame in the buffer
        self._at_stream_start = True

    def receive_data(self, data: bytes) -> None:
        """Take octets from the peer; call `next_frame` until it returns None."""
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
        if len(buffer) - start < 4:
            return None
        (length,) = HEADER.unpack_from(buffer, start)
        if length > self._limit or (self._at_stream_start and length > FIRST_BODY_LIMIT):
            self._refuse(length)
        end = start + 4 + length
        if len(buffer) < end:
            return None
        self._start = end
        self._at_stream_start = False
        with memoryview(buffer) as view:
            return bytes(view[start:end])

    def _refuse(self, length: int) -> None:
        # Every method is a length over 2**30, and no limit is (FRM-008): only here can it be one.
        if self._at_stream_start and HEADER.pack(length) in HTTP_METHODS:
            raise HttpRequestError
        raise FrameTooLargeError(length, min(self._limit, FIRST_BODY_LIMIT) if self._at_stream_start else self._limit)
