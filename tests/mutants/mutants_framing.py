"""Mistakes about frames (chapter FRM), and their effect on other connections (ISO-006)."""

from __future__ import annotations

import codecs
import contextlib
import os
import socket
from typing import Any

from mutation import around, mutant, replace
from patches import session_of

from reference_server.broker import Broker
from reference_server.network.session import Session
from reference_server.protocol import frames, messages
from reference_server.protocol.connection import Connection
from reference_server.protocol.errors import ErrorCode
from reference_server.protocol.frames import HEADER, FrameDecoder
from reference_server.protocol.limits import MIB
from reference_server.protocol.states import State

DELIVERY = ("publish/subscriber-gets-it-once-unchanged",)


def _rest(decoder: FrameDecoder) -> bytes:
    return bytes(decoder._buffer[decoder._start :])


@mutant("FRM-001")
def length_in_characters() -> None:
    """The header states the length of the body in characters."""
    replace(messages, "encode_frame", lambda body: HEADER.pack(len(body.decode())) + body)


@mutant("FRM-002", harms=DELIVERY, because="a delivery is where the header is counted")
def header_counted() -> None:
    """The length of a delivery counts the header too."""

    @around(Broker, "publish")
    def publish(original: Any, self: Broker, app_id: str, channel_id: str, frame: bytes) -> None:
        original(self, app_id, channel_id, HEADER.pack(len(frame)) + frame[4:])


@mutant("FRM-003")
def farewell() -> None:
    """A line of text is sent behind the last frame."""

    @around(Session, "eof_received")
    def eof_received(original: Any, self: Session) -> Any:
        self._transport.write(b"\r\n")
        return original(self)


@mutant("FRM-004")
def two_writes() -> None:
    """Header and body are written with two calls, and Nagle's algorithm is left on."""

    @around(Session, "connection_made")
    def connection_made(original: Any, self: Session, transport: Any) -> None:
        original(self, transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)

    @around(Connection, "data_to_send")
    def data_to_send(original: Any, self: Connection, *arguments: Any) -> Any:
        data = original(self, *arguments)
        session_of(self)._transport.write(data[:4])
        return data[4:]


@mutant("FRM-005")
def short_segment_dropped() -> None:
    """A segment that is shorter than a header is dropped."""

    @around(FrameDecoder, "receive_data")
    def receive_data(original: Any, self: FrameDecoder, data: bytes) -> None:
        if len(_rest(self) + data) >= HEADER.size:
            original(self, data)


@mutant("FRM-005/octets")
def segment_decoded_alone() -> None:
    """Each segment is decoded from UTF-8 by itself, so that a character cut in two is lost."""

    @around(FrameDecoder, "receive_data")
    def receive_data(original: Any, self: FrameDecoder, data: bytes) -> None:
        cut = _cut_character(data) if len(_rest(self) + data) > 2 * HEADER.size else 0
        original(self, data[: len(data) - cut] + b"?" * cut)


def _cut_character(data: bytes) -> int:
    """Return how many octets at the end begin a character that does not end there."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(data[-4:])
    return len(decoder.getstate()[0])


@mutant("FRM-005/recv")
def body_in_one_piece() -> None:
    """What has arrived with a header is taken for its whole body."""

    @around(FrameDecoder, "next_frame")
    def next_frame(original: Any, self: FrameDecoder) -> Any:
        frame, rest = original(self), _rest(self)
        if frame is not None or len(rest) < HEADER.size:
            return frame
        self._start = len(self._buffer)
        return rest


@mutant("FRM-006/one", harms=("*",), because="what was written as two segments may arrive as one")
def one_frame_per_segment() -> None:
    """Of the frames in a segment only the first is processed, the others when more arrives."""

    @around(Session, "data_received")
    def data_received(original: Any, self: Session, data: bytes) -> None:
        self._connection._frames.__dict__["had"] = False
        original(self, data)

    @around(FrameDecoder, "next_frame")
    def next_frame(original: Any, self: FrameDecoder) -> Any:
        frame = None if self.__dict__["had"] else original(self)
        self.__dict__["had"] = frame is not None
        return frame


@mutant("FRM-006")
def waits_for_the_next_frame() -> None:
    """Frames are processed only when no part of a further one has arrived behind them."""

    @around(FrameDecoder, "next_frame")
    def next_frame(original: Any, self: FrameDecoder) -> Any:
        return original(self) if _ends_with_a_frame(_rest(self), self._limit) else None


def _ends_with_a_frame(octets: bytes, limit: int) -> bool:
    start = 0
    while len(octets) >= start + HEADER.size:
        (length,) = HEADER.unpack_from(octets, start)
        if length > limit:
            return True
        start += HEADER.size + length
    return start == len(octets)


@mutant("FRM-007")
def truncated_frame_answered() -> None:
    """A frame cut off by the end of the stream is processed, and found malformed."""

    @around(Connection, "receive_eof")
    def receive_eof(original: Any, self: Connection) -> None:
        if _rest(self._frames):
            self.fail(ErrorCode.MALFORMED_FRAME)
        original(self)


@mutant("FRM-007/last-octet")
def last_octet_not_missed() -> None:
    """At the end of the stream a frame is processed although its last octet is missing."""

    @around(Connection, "receive_eof")
    def receive_eof(original: Any, self: Connection) -> None:
        if _rest(self._frames):
            session_of(self).data_received(b"}")
        original(self)


@mutant("FRM-008")
def sixteen_bits() -> None:
    """Lengths over 65535 are refused."""

    @around(FrameDecoder, "__init__")
    def init(original: Any, self: FrameDecoder, limit: int) -> None:
        original(self, min(limit, 65_535))


@mutant("FRM-009")
def limit_off_by_one() -> None:
    """A length that equals the limit is refused."""

    @around(FrameDecoder, "__init__")
    def init(original: Any, self: FrameDecoder, limit: int) -> None:
        original(self, limit - 1)


@mutant("FRM-010")
def waits_for_the_body() -> None:
    """A length over the limit is refused only once its body has arrived."""

    @around(FrameDecoder, "next_frame")
    def next_frame(original: Any, self: FrameDecoder) -> Any:
        rest = _rest(self)
        missing = len(rest) < HEADER.size or len(rest) < HEADER.size + HEADER.unpack_from(rest)[0]
        return None if missing else original(self)


@mutant("FRM-010/first")
def first_body_awaited() -> None:
    """Before the handshake a length over the limit is refused only once its body has arrived."""

    @around(FrameDecoder, "_refuse")
    def refuse(original: Any, self: FrameDecoder, length: int) -> Any:
        if self._at_stream_start and HEADER.pack(length) not in frames.HTTP_METHODS:
            raise _NotYet
        return original(self, length)

    @around(FrameDecoder, "next_frame")
    def next_frame(original: Any, self: FrameDecoder) -> Any:
        with contextlib.suppress(_NotYet):
            return original(self)


class _NotYet(Exception):
    pass


@mutant("FRM-011")
def memory_reserved() -> None:
    """Memory is reserved for the stated length before it is checked (up to 320 MiB, for the tester's sake)."""

    @around(FrameDecoder, "_refuse")
    def refuse(original: Any, self: FrameDecoder, length: int) -> None:
        bytearray(min(length, 320 * MIB))
        original(self, length)


@mutant("FRM-012")
def no_hint() -> None:
    """An HTTP request is a frame that is too large, and nothing else."""
    replace(frames, "HTTP_METHODS", frozenset())


@mutant("ISO-006/length")
def length_ends_the_server() -> None:
    """A length over the limit ends the server."""

    @around(FrameDecoder, "_refuse")
    def refuse(_original: Any, _self: FrameDecoder, _length: int) -> None:
        os._exit(1)


@mutant("ISO-006/empty")
def empty_body_ends_the_server() -> None:
    """An empty body ends the server."""

    @around(FrameDecoder, "next_frame")
    def next_frame(original: Any, self: FrameDecoder) -> Any:
        frame = original(self)
        if frame is not None and len(frame) == HEADER.size:
            os._exit(1)
        return frame


@mutant("ISO-006")
def reset_ends_the_server() -> None:
    """A connection that is reset inside a frame ends the server."""

    @around(Session, "connection_lost")
    def connection_lost(original: Any, self: Session, error: Exception | None) -> None:
        if error and self._connection.state is not State.CLOSING and _rest(self._connection._frames):
            os._exit(1)
        original(self, error)
