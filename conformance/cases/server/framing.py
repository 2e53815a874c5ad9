"""FRM: frames, however the stream is cut."""

from __future__ import annotations

import contextlib
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

from conformance.core.verdicts import Late, Unsupported, Violation
from conformance.harness.case import Case, add
from conformance.harness.decorators import case
from conformance.harness.server_context import ServerContext
from conformance.peers.client import ClientPeer
from conformance.protocol import codec
from conformance.protocol.codec import Message
from conformance.targets.resource_usage import MEBIBYTE

PAUSE_SECONDS = 0.0005
"""Between pieces of a frame, so that they travel in segments of their own."""
ROUND_TRIPS = 15
DELAYED_SECONDS = 0.03
"""Delayed acknowledgements cost 40 ms; a healthy loopback round trip is far below 1 ms."""


def send_in_pieces(context: ServerContext, peer: ClientPeer, octets: bytes, cuts: Iterator[int]) -> None:
    """Send ``octets`` cut at the given positions, each piece in a segment of its own."""
    edges = [0, *itertools.takewhile(lambda cut: cut < len(octets), cuts), len(octets)]
    for start, end in itertools.pairwise(edges):
        peer.send_octets(octets[start:end])
        context.wait(PAUSE_SECONDS)


@case("framing/answers-are-nothing-but-frames", "FRM-001", "FRM-002", "FRM-003")
def answers_are_nothing_but_frames(context: ServerContext) -> None:
    """Every octet that the server sends belongs to a frame whose header states its body's length."""
    peer = context.connect(connection_id=context.name("äöü€😀"))
    channel = context.name("channel")
    peer.subscribe(channel)
    for _ in range(3):
        peer.publish_and_get(channel, "äöü€😀")
    peer.end_sending()
    peer.expect_end()
    if stray := peer.receive_octets_until_end():
        raise Violation("the server sent octets that belong to no frame", received=stray.hex())


def cut_ping(context: ServerContext, cuts: Callable[[bytes], Iterator[int]]) -> None:
    """Send a ping in pieces, and see it answered like a whole one."""
    peer = context.connect()
    peer.expect_silence()
    ping = peer.marker_message(note="äöü€😀")
    octets = codec.frame(codec.encode(ping))
    send_in_pieces(context, peer, octets, cuts(octets))
    if peer.receive_through(ping):
        raise Violation("a ping sent in pieces got more than its pong")


CUTS: dict[str, tuple[str, Callable[[bytes], Iterator[int]]]] = {
    "octet-wise": ("octet by octet", lambda octets: iter(range(1, len(octets)))),
    "cut-after-header-octet-1": ("with a cut after the first octet of the header", lambda _: iter((1,))),
    "cut-after-header-octet-2": ("with a cut in the middle of the header", lambda _: iter((2,))),
    "cut-after-header-octet-3": ("with a cut before the last octet of the header", lambda _: iter((3,))),
    "header-then-body": ("header first, body later", lambda _: iter((4,))),
    "cut-inside-a-character": (
        "with a cut inside a UTF-8 sequence",
        lambda octets: iter((octets.index("€".encode()) + 1,)),
    ),
    "cut-before-the-last-octet": ("with the last octet alone", lambda octets: iter((len(octets) - 1,))),
}
for _name, (_how, _cuts) in CUTS.items():
    add(
        Case(
            f"framing/{_name}",
            ("FRM-005",),
            f"A frame that arrives {_how} is processed like a whole one.",
            partial(cut_ping, cuts=_cuts),
            seconds=0.2 if _name == "octet-wise" else 0.01,
        )
    )


def big_publish(peer: ClientPeer, channel: str, length: int) -> Message:
    """Return a publish whose body has exactly ``length`` octets."""
    message = peer.message("publish", channel, "")
    message["payload"] = "x" * (length - len(codec.encode(message)))
    return message


def publish_of_length(context: ServerContext, length: int, pieces: int = 0) -> None:
    """Publish a body of ``length`` octets to oneself, in pieces of ``pieces`` octets if that is not 0."""
    peer = context.connect()
    peer.patience += context.seconds_for(length)
    channel = context.name("big")
    peer.subscribe(channel)
    message = big_publish(peer, channel, length)
    octets = codec.frame(codec.encode(message))
    for start in range(0, len(octets), pieces or len(octets)):
        peer.send_octets(octets[start : start + (pieces or len(octets))])
    peer.expect_deliveries([message], f"a body of {length} octets did not come back as it was")


for _length in (255, 256, 65_535, 65_536, MEBIBYTE):
    add(
        Case(
            f"framing/body-of-{_length}-octets",
            ("FRM-008",),
            f"A body of {_length} octets is accepted.",
            partial(publish_of_length, length=_length),
        )
    )
for _pieces in (64, 997, 2048):
    add(
        Case(
            f"framing/a-mebibyte-in-{_pieces}-octet-pieces",
            ("FRM-005", "FRM-008"),
            f"A body of 1 MiB that arrives in pieces of {_pieces} octets is processed like a whole one.",
            partial(publish_of_length, length=MEBIBYTE, pieces=_pieces),
            seconds=0.3,
        )
    )


def body_near_the_announced_limit(context: ServerContext, missing: int) -> None:
    """Publish a body that is ``missing`` octets short of the announced limit."""
    if not _announces(context):
        raise Unsupported("the server announces no max_frame_bytes, so its limit is not known")
    publish_of_length(context, context.connect().checks.max_frame_bytes - missing)


for _name, _missing in {"at": 0, "one-below": 1}.items():
    add(
        Case(
            f"framing/body-{_name}-the-announced-limit",
            ("FRM-009", "LIM-015"),
            f"A body {_name.replace('-', ' ')} the announced limit is accepted.",
            partial(body_near_the_announced_limit, missing=_missing),
            seconds=0.4,
        )
    )


def _announces(context: ServerContext) -> bool:
    return context.target.acknowledgement.get("limits", {}).get("max_frame_bytes") is not None


@case("framing/thousand-frames-in-one-write", "FRM-006", seconds=0.3)
def thousand_frames_in_one_write(context: ServerContext) -> None:
    """A thousand pings written at once get a thousand pongs, in order."""
    peer = context.connect()
    pings = [peer.marker_message() for _ in range(1000)]
    peer.send(*pings)
    for ping in pings:
        if peer.receive_through(ping):
            raise Violation("the pongs came in another order than the pings")


@case("framing/complete-frame-does-not-wait-for-the-next", "FRM-006")
def complete_frame_does_not_wait(context: ServerContext) -> None:
    """A ping is answered although only a part of the next frame has arrived behind it."""
    peer = context.connect()
    first, second = peer.marker_message(), peer.marker_message()
    octets = codec.frame(codec.encode(second))
    peer.send_octets(codec.frame(codec.encode(first)) + octets[:20])
    peer.receive_through(first)
    peer.send_octets(octets[20:])
    peer.receive_through(second)


def truncated_publish(context: ServerContext, keep: Callable[[int], int]) -> None:
    """End the stream inside a publish; a bystander that is subscribed gets nothing."""
    bystander, peer = context.connect(), context.connect()
    channel = context.name("truncated")
    bystander.subscribe(channel)
    whole = peer.publish(channel, "whole")
    bystander.expect_deliveries([whole], "a whole publish did not arrive, so a truncated one proves nothing")
    octets = codec.frame(codec.encode(peer.message("publish", channel, "truncated")))
    peer.send_octets(octets[: keep(len(octets))])
    peer.end_sending()
    try:
        peer.expect_end()
    finally:  # a delivery says more than an answer
        bystander.expect_silence("a truncated publish was delivered")


for _name, _keep in {
    "in-the-header": lambda _: 3,
    "after-the-header": lambda _: 4,
    "before-the-last-octet": lambda length: length - 1,
}.items():
    add(
        Case(
            f"framing/stream-ends-{_name}",
            ("FRM-007",),
            f"A frame cut off {_name.replace('-', ' ')} by the end of the stream has no effect.",
            partial(truncated_publish, keep=_keep),
        )
    )


@case("framing/header-that-is-one-too-small", "ENC-005")
def header_too_small(context: ServerContext) -> None:
    """A header that states one octet less than follows makes a body without its last octet, which is refused."""
    bystander, peer = context.connect(), context.connect()
    channel = context.name("channel")
    bystander.subscribe(channel)
    body = codec.encode(peer.message("publish", channel, 1))
    peer.send_octets(codec.header(len(body) - 1) + body)
    peer.expect_error("malformed_frame", None)
    bystander.expect_silence("a message that lacked its last octet was delivered")


@case("framing/header-that-is-one-too-large", "FRM-007")
def header_too_large(context: ServerContext) -> None:
    """A header that states one octet more than follows makes a frame that never ends, and has no effect."""
    bystander, peer = context.connect(), context.connect()
    channel = context.name("channel")
    bystander.subscribe(channel)
    body = codec.encode(peer.message("publish", channel, 1))
    peer.send_octets(codec.header(len(body) + 1) + body)
    peer.end_sending()
    try:
        peer.expect_end()
    finally:  # a delivery says more than an answer
        bystander.expect_silence("a message was delivered although its frame had not ended")


@case("framing/header-with-the-octets-reversed", "FRM-010")
def header_reversed(context: ServerContext) -> None:
    """A header with its least significant octet first states a length that no server accepts."""
    peer = context.connect()
    ping = peer.request_message("system", {"action": "ping", "padding": "x" * 200})
    ping["payload"]["padding"] = "x" * (200 + 255 - len(codec.encode(ping)) % 256)
    body = codec.encode(ping)
    peer.send_octets(len(body).to_bytes(4, "little") + body)
    peer.expect_error("frame_too_large", None)
    context.check_alive()


def oversize_header(context: ServerContext, length: int | None) -> None:
    """State a length over the limit, send no body, and get the error at once, after the handshake and before it."""
    peer, newcomer, bystander = context.connect(), context.open(), context.connect()
    if length is None and not _announces(context):
        raise Unsupported("the server announces no max_frame_bytes, so its limit is not known")
    for sender in (peer, newcomer):
        sender.send_octets(codec.header(peer.checks.max_frame_bytes + 1 if length is None else length))
        sender.expect_error("frame_too_large", None)
    bystander.expect_silence()
    context.check_alive()


for _name, _stated in {
    "one-over-the-limit": None,
    "2147483647": 2**31 - 1,
    "2147483648": 2**31,
    "4294967295": 2**32 - 1,
}.items():
    add(
        Case(
            f"framing/stated-length-{_name}",
            ("FRM-010", "ERR-012"),
            f"A stated length of {_name.replace('-', ' ')} is refused on the header alone.",
            partial(oversize_header, length=_stated),
        )
    )


@case("framing/oversize-claims-cost-no-memory", "FRM-011", spawned=True)
def oversize_claims_cost_no_memory(context: ServerContext) -> None:
    """Twenty headers that claim 4 GiB each do not make the server's memory grow by as much as one of them."""
    before = context.usage().peak
    peers = [context.connect() for _ in range(20)]
    for peer in peers:
        peer.send_octets(codec.header(2**32 - 1))
    with contextlib.suppress(Violation):  # whether the header is refused is for other cases (FRM-010)
        peers[-1].receive_until_end()
    grown = context.usage().peak - before
    if grown > 256 * MEBIBYTE:
        raise Violation("the server reserved memory for bodies it must refuse", received=f"{grown} octets more in use")


def http_request(context: ServerContext, request: str) -> None:
    """Speak HTTP and get a hint instead of silence."""
    peer = context.open()
    peer.send_octets(request.replace("\n", "\r\n").encode())
    answer = peer.receive_octets_until_end()
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 426 ") or b"IPC" not in body:
        raise Violation(
            "an HTTP request did not get the hint",
            expected="HTTP/1.1 426 with a body that names the IPC Framework protocol, then the end of the stream",
            received=ascii(answer[:200]),
        )
    context.check_alive()


for _name, _request in {
    "http-get": "GET / HTTP/1.1\nHost: localhost\n\n",
    "http-head": "HEAD /health HTTP/1.1\nHost: localhost\n\n",
    "http-post": "POST /api HTTP/1.1\nHost: localhost\nContent-Length: 2\n\n{}",
    "websocket-upgrade": "GET /ws HTTP/1.1\nHost: localhost\nUpgrade: websocket\nConnection: Upgrade\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\nSec-WebSocket-Version: 13\n\n",
}.items():
    add(
        Case(
            f"framing/{_name}",
            ("FRM-012",),
            f"A connection that opens with {_name.replace('-', ' ')} gets status 426 and is closed.",
            partial(http_request, request=_request),
        )
    )


@case("framing/round-trips-are-not-held-back", "FRM-004", seconds=0.7)
def round_trips_are_not_held_back(context: ServerContext) -> None:
    """A round trip does not wait for a delayed acknowledgement of the transport."""
    peer = context.connect()
    peer.delay_acknowledgements()
    times = []
    for _ in range(ROUND_TRIPS):
        start = time.monotonic()
        peer.expect_silence()
        times.append(time.monotonic() - start)
    quick = statistics.quantiles(times)[0]
    if quick > DELAYED_SECONDS * max(1.0, context.time_scale):
        raise Late(
            "round trips wait for the transport: header and body are written separately without TCP_NODELAY",
            expected=f"one in four below {DELAYED_SECONDS * 1000:.0f} ms",
            received=f"{quick * 1000:.1f} ms",
        )
