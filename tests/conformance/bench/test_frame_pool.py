"""The generator's frames are valid and all different, and it counts what a stream holds however it is cut."""

from __future__ import annotations

import pytest

from conformance.bench.frame_pool import FrameCounter, FramePool
from conformance.protocol import codec, schemas
from conformance.protocol.codec import Message

MESSAGE: Message = {
    "message_id": "bench-7",
    "app_id": "conformance",
    "channel_id": "conformance.echo",
    "message_type": "request",
    "payload": {"connection_id": "c", "text": "Grüße"},
    "timestamp": 1767225600.25,
    "reply_to": None,
}
BODIES = [b"", b"{}", b"x" * 5, b"", b"y" * 300, b"z" * 70_000, b"\x00\x00\x00\x01"]
STREAM = b"".join(map(codec.frame, BODIES))


def sent_frames(pool: FramePool, frames: int, at_once: int) -> list[Message]:
    """Take frames from a pool as a socket does that takes at most so many octets at once."""
    octets = b""
    wanted = frames * pool.frame_octets
    while len(octets) < wanted:
        piece = bytes(pool.upcoming(min(at_once, wanted - len(octets))))
        octets += piece
        pool.advance(len(piece))
    length = pool.frame_octets
    pieces = [octets[start : start + length] for start in range(0, wanted, length)]
    assert all(codec.stated_length(piece[:4]) == length - 4 for piece in pieces)
    return [codec.decode(piece[4:]) for piece in pieces]


@pytest.mark.parametrize("at_once", [1, 7, 100, 10_000_000])
def test_pool_sends_the_message_with_an_id_of_its_own_each_time(at_once: int) -> None:
    frames = sent_frames(FramePool(MESSAGE, frames=4), 4 * 12 + 3, at_once)
    assert all(frame | {"message_id": "bench-7"} == MESSAGE for frame in frames)
    assert len({frame["message_id"] for frame in frames}) == len(frames)
    assert [schemas.problem("request", frame) for frame in frames] == [None] * len(frames)


def test_pool_changes_the_id_wherever_it_stands() -> None:
    message = MESSAGE | {"payload": {"job": {"id": "bench-7"}, "text": "bench"}}
    frames = sent_frames(FramePool(message, frames=3), 10, 50)
    assert [frame["payload"]["job"]["id"] for frame in frames] == [frame["message_id"] for frame in frames]
    assert len({frame["message_id"] for frame in frames}) == len(frames)
    assert {frame["payload"]["text"] for frame in frames} == {"bench"}


def test_pool_offers_no_more_than_asked_for() -> None:
    pool = FramePool(MESSAGE, frames=2)
    assert len(pool.upcoming(10)) == 10
    assert len(pool.upcoming(10 * pool.frame_octets)) == 2 * pool.frame_octets


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 8, 13, 310, 69_999, len(STREAM)])
def test_counter_counts_every_frame_however_the_stream_is_cut(size: int) -> None:
    counter = FrameCounter()
    pieces = [STREAM[start : start + size] for start in range(0, len(STREAM), size)]
    assert sum(counter.count(piece, len(piece)) for piece in pieces) == len(BODIES)


@pytest.mark.parametrize("cut", range(len(codec.frame(b"abc") * 2)))
def test_counter_counts_a_frame_when_its_last_octet_arrives(cut: int) -> None:
    stream = codec.frame(b"abc") * 2
    counter = FrameCounter()
    assert counter.count(stream[:cut], cut) == cut // 7
    assert counter.count(stream[cut:], len(stream) - cut) == 2 - cut // 7


def test_counter_ignores_what_an_earlier_read_left_behind_the_length() -> None:
    inbox = bytearray(codec.frame(b"abc") * 3)
    assert FrameCounter().count(inbox, 7) == 1
    counter = FrameCounter()
    assert counter.count(inbox, 9) == 1
    assert counter.count(inbox[9:], 5) == 1
