"""Where a read ends, and how long it takes until the next one, means nothing (FRM-005, FRM-006)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from conformance.core.verdicts import Violation
from conformance.harness.decorators import case
from conformance.harness.server_context import ServerContext
from conformance.peers.base import Ended
from conformance.peers.client import ClientPeer
from conformance.protocol import codec
from conformance.protocol.codec import Message

POWERS = range(8, 17)
LARGE = 262_144
PAGE, RECORD, BUFFER = 4096, 16_384, 65_536
PAUSE_SECONDS = 0.6
"""Clearly longer than a read may take, and shorter than any handshake timeout."""
LONG_PAUSE_SECONDS = 80.0
"""With --soak; a connection may be silent for 90 seconds (LIM-010)."""


def padded_ping(peer: ClientPeer, octets: int) -> tuple[Message, bytes]:
    """Return a marker whose frame has exactly so many octets, header included, and the frame."""
    ping = peer.marker_message(padding="")
    missing = octets - codec.HEADER_BYTES - len(codec.encode(ping))
    assert missing >= 0, f"a marker is longer than {octets} octets"  # noqa: S101 - a mistake of the case
    ping["payload"]["padding"] = "x" * missing
    return ping, codec.frame(codec.encode(ping))


def expect_pongs(peer: ClientPeer, pings: Iterable[Message], why: str, what: object) -> None:
    """Receive the pongs to pings, in order, and nothing else."""
    for ping in pings:
        try:
            before = peer.receive_through(ping)
        except Violation as violation:
            violation.message = f"{why}: {violation.message}"
            violation.expected = f"a pong to a ping of {what} octets"
            raise
        if before:
            raise Violation(why, expected="a pong", received=codec.shorten(before))


def sizes() -> Iterator[int]:
    """Yield lengths of frames: around powers of two, header counted or not, and multiples of usual buffers."""
    for power in POWERS:
        for header in (0, codec.HEADER_BYTES):
            yield from (2**power + header + step for step in (-1, 0, 1))
    yield from (3 * PAGE, 5 * PAGE, 3 * RECORD, 2 * BUFFER, LARGE, 1000, 1460, 1500, 2920, 10_000)


@case("reading/frames-of-every-length-are-read-at-once", "FRM-006", "FRM-005", "FRM-008", seconds=0.1)
def every_length(context: ServerContext) -> None:
    """A frame is answered without more octets behind it, whatever its length has in common with that of a buffer."""
    peer = context.connect()
    for size in sizes():
        ping, octets = padded_ping(peer, size)
        peer.send_octets(octets)
        expect_pongs(peer, [ping], "a frame was not answered until more arrived", size)


@case("reading/writes-of-every-length-are-read-at-once", "FRM-006", "FRM-005", seconds=0.1)
def every_write(context: ServerContext) -> None:
    """Several frames in one write are all answered, whatever the length of the write has in common with a buffer."""
    peer = context.connect()
    for size in (PAGE, 2 * PAGE, RECORD, 2 * RECORD, BUFFER, 2 * BUFFER):
        for step in (-1, 0, 1):
            parts = [300, 301, 302, size + step - 903]
            made = [padded_ping(peer, part) for part in parts]
            peer.send_octets(b"".join(octets for _, octets in made))
            expect_pongs(peer, (ping for ping, _ in made), "a write was not answered until more arrived", size + step)


@case("reading/headers-at-the-edge-of-a-buffer", "FRM-005", "FRM-006", seconds=0.1)
def headers_at_the_edge(context: ServerContext) -> None:
    """A header that begins right before the end of a buffer is read with its rest."""
    peer = context.connect()
    for size in (1024, PAGE, RECORD, BUFFER, 2 * BUFFER):
        for before in range(1, codec.HEADER_BYTES + 1):
            first, octets = padded_ping(peer, size - before)
            second, more = padded_ping(peer, 400)
            peer.send_octets(octets + more)
            expect_pongs(peer, [first, second], "a header at the edge of a buffer was not read", size)


@case("reading/begun-header-behind-a-frame", "FRM-006", "FRM-005", seconds=0.1)
def begun_header(context: ServerContext) -> None:
    """A frame is answered although the next one has begun with so few octets that they are no header."""
    peer = context.connect()
    for cut in range(1, codec.HEADER_BYTES + 2):
        first, octets = padded_ping(peer, 500)
        second, more = padded_ping(peer, 500)
        peer.send_octets(octets + more[:cut])
        expect_pongs(peer, [first], "a frame waited for the one behind it", 500)
        peer.send_octets(more[cut:])
        expect_pongs(peer, [second], "the frame behind another one was not read", 500)


@case("reading/end-of-the-stream-behind-a-full-buffer", "SUB-010", "FRM-006", seconds=0.1)
def end_behind_a_full_buffer(context: ServerContext) -> None:
    """A publish is delivered although the stream ends right behind it, and it has exactly the length of a buffer."""
    subscriber = context.connect()
    channel = context.name("channel")
    subscriber.subscribe(channel)
    for size in (1024, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, RECORD, BUFFER, 2 * BUFFER):
        peer = context.connect()
        message = peer.message("publish", channel, "")
        message["payload"] = "x" * (size - codec.HEADER_BYTES - len(codec.encode(message)))
        peer.send(message)
        peer.end_sending()
        try:
            peer.receive_until_end()
        finally:
            subscriber.expect_deliveries([message], "a publish right before the end of the stream was not delivered")


@case("reading/pauses-inside-a-frame", "FRM-005", "LIM-010", seconds=PAUSE_SECONDS)
def pauses_inside_a_frame(context: ServerContext) -> None:
    """A frame that pauses for more than half a second (with --soak for 80) is read, wherever it pauses."""
    cuts = (1, 2, 3, 4, 5, 250, 499, PAGE, 2 * PAGE - 1)
    peers = [context.connect() for _ in cuts]
    made = [padded_ping(peer, 500 if cut < 500 else 2 * PAGE) for peer, cut in zip(peers, cuts, strict=True)]
    for peer, cut, (_, octets) in zip(peers, cuts, made, strict=True):
        peer.send_octets(octets[:cut])
    is_long = context.settings.soak_seconds >= LONG_PAUSE_SECONDS
    context.wait(LONG_PAUSE_SECONDS if is_long else PAUSE_SECONDS)
    for peer, cut, (ping, octets) in zip(peers, cuts, made, strict=True):
        peer.send_octets(octets[cut:])
        try:
            expect_pongs(peer, [ping], "a frame that paused was not read", len(octets))
        except Ended as end:
            end.received = f"{end.received or ''} a pause behind {cut} octets".strip()
            raise
