"""Frames that are created before the measurement, and a counter of frames that does not parse them."""

from __future__ import annotations

import re
import struct

from conformance.protocol import codec
from conformance.protocol.codec import Message

POOL_FRAMES = 1024
ROUND_DIGITS = 8

_length_at = struct.Struct(">I").unpack_from


class FramePool:
    """An endless sequence of frames with the same message and unique message ids.

    The pool is a ring: after its last octet is sent, every id in it changes, and the first frame follows again. No id
    repeats within ``10 ** ROUND_DIGITS`` rounds.

    Args:
        message: the message of every frame; wherever its ``message_id`` occurs, it becomes the prefix of their ids.
        frames: number of frames in the ring.

    Attributes:
        frame_octets: the length of each frame, header included.
    """

    def __init__(self, message: Message, frames: int = POOL_FRAMES) -> None:
        template, name = codec.encode(message), message["message_id"].encode()
        ids = [b"%s-%04d-%0*d" % (name, index, ROUND_DIGITS, 0) for index in range(frames)]
        made = [codec.frame(template.replace(name, each)) for each in ids]
        self.frame_octets = len(made[0])
        self._ring = bytearray().join(made)
        self._view = memoryview(self._ring)
        self._frames = frames
        self._position = 0
        self._round = 0
        self._digits_at = [found.end() - ROUND_DIGITS for found in re.finditer(re.escape(ids[0]), made[0])]

    def upcoming(self, limit: int) -> memoryview:
        """Return the octets to send next: at most ``limit``, and at most up to the end of the ring."""
        return self._view[self._position : self._position + limit]

    def advance(self, octets: int) -> None:
        """Record that the first ``octets`` of the data from :meth:`upcoming` have been sent."""
        self._position += octets
        if self._position == len(self._ring):
            self._position = 0
            self._change_ids()

    def _change_ids(self) -> None:
        self._round += 1
        digits = b"%0*d" % (ROUND_DIGITS, self._round)
        for start in self._digits_at:
            for place, digit in enumerate(digits, start):
                self._ring[place :: self.frame_octets] = bytes([digit]) * self._frames


class FrameCounter:
    """Counts the frames that end in a stream, however it is segmented; reads only the headers."""

    def __init__(self) -> None:
        self._to_next_header = 0
        self._partial_header = b""
        self._in_body = False

    def count(self, data: bytes | bytearray, length: int) -> int:
        """Return how many frames end in the first ``length`` octets of ``data``, the next part of the stream."""
        if self._partial_header:
            data = self._partial_header + data[:length]
            length = len(data)
            self._partial_header = b""
        frames = int(self._in_body)
        position = self._to_next_header
        last_header = length - codec.HEADER_BYTES
        while position <= last_header:
            position += codec.HEADER_BYTES + _length_at(data, position)[0]
            frames += 1
        self._in_body = position > length
        self._to_next_header = max(0, position - length)
        if position < length:
            self._partial_header = bytes(data[position:length])
        return frames - self._in_body
