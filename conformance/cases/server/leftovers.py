"""What ended leaves nothing: names that were used once, requests, connections that end in every way (LIM-017)."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from conformance.core.verdicts import Violation
from conformance.harness.case import Case, add
from conformance.harness.decorators import case
from conformance.harness.server_context import ServerContext
from conformance.peers.client import ClientPeer
from conformance.protocol import codec
from conformance.targets.resource_usage import MEBIBYTE

WARMING_ROUNDS = 1
"""What a server allocates once and keeps, it then has."""
BATCHES = 24
"""A heap that grows until its first collection stops growing; what is held for connections grows with each batch.

Node.js with a young generation of 16 to 256 MiB grows in the first two batches.
"""
ENOUGH_BATCHES, ENOUGH_SECONDS = 12, 10.0
"""A slow server is tried with so many batches at least, and with no more after so many seconds.

In these batches 360 MiB pass through a heap that is not collected yet.
"""
SOAK_SHARE = 10
"""There are as many of these cases."""
PAYLOAD_OCTETS = MEBIBYTE - 65_536
"""Of one message: each fits into every frame limit."""
ROUNDS = 30
"""So many messages are clearly more than what may be left, and what an allocator may keep free besides."""
SUBSCRIPTIONS = 1000
LONG_NAME = "😀" * 230
"""The end of a name: with it, the name has almost the most octets that it can have."""
NAMES_ROUNDS, UNSUBSCRIBED_ROUNDS = 20, 17
OWED_MS = 100
TURNS = 20
MOST_UNREAD = 8 * MEBIBYTE
UNREAD_ROUNDS = 8
"""Of each of them, at least 2 MiB wait in the server."""
WAY_ROUNDS = 10
"""One descriptor of each round is more than a server may open lazily."""
LOSS_SECONDS = 0.03
"""For a server to notice the end of a stream, while it owes an answer."""


def leave_nothing(
    context: ServerContext,
    come_and_go: Callable[[ServerContext], None],
    rounds: int,
    *,
    warming: int = WARMING_ROUNDS,
    soak_seconds: float | None = None,
) -> None:
    """Let connections come and go in batches, until one batch leaves the server as it was.

    Args:
        context: that of the case.
        come_and_go: opens connections, does something, and ends them.
        rounds: how often in a batch.
        warming: how often before the first batch.
        soak_seconds: how long the first batch lasts at least; by default a share of the time for long cases.

    Raises:
        Violation: every batch left something (LIM-017).
    """
    bystander = context.connect()
    for _ in range(warming):
        come_and_go(context)
    shared = context.settings.soak_seconds / SOAK_SHARE
    end = time.monotonic() + (shared if soak_seconds is None else soak_seconds)
    enough = time.monotonic() + ENOUGH_SECONDS * context.time_scale
    for batch in range(1, BATCHES + 1):
        bystander.expect_silence()
        before = context.usage()
        for _ in range(rounds):
            come_and_go(context)
        while time.monotonic() < end:
            come_and_go(context)
        bystander.expect_silence()
        try:
            return context.check_leftovers(before)
        except Violation:
            if batch == BATCHES or (batch >= ENOUGH_BATCHES and time.monotonic() > enough):
                raise
    return None


def use_names(context: ServerContext, app: Callable[[ServerContext], str], *, unsubscribes: bool) -> None:
    """Subscribe to as many channels as every server allows, all with long names that were never used before, and go."""
    with context.example():
        peer = context.connect(app=app(context))
        first = context.name("once")
        template = peer.message("subscribe", "@", {"connection_id": peer.connection_id})
        head, _, tail = codec.encode(template).partition(b'"@"')
        names = [f'"{first}-{number:04d}{LONG_NAME}"'.encode() for number in range(SUBSCRIPTIONS)]
        octets = b"".join(codec.frame(head + name + tail) for name in names)
        if unsubscribes:
            octets += octets.replace(b'"subscribe"', b'"unsubscribe"').replace(
                codec.header(len(head + names[0] + tail)), codec.header(len(head + names[0] + tail) + 2)
            )
        peer.send_octets(octets)
        peer.expect_silence("a subscribe was answered")


OWNERS: dict[str, tuple[str, Callable[[ServerContext], str], bool]] = {
    "channels-used-once": ("channels of one application", lambda _: "conformance", False),
    "channels-that-were-unsubscribed": ("channels that were unsubscribed from", lambda _: "conformance", True),
    "applications-used-once": ("channels of applications", lambda context: context.name("app"), False),
}
for _name, (_what, _app, _unsubscribes) in OWNERS.items():
    add(
        Case(
            f"leftovers/{_name}",
            ("LIM-017",),
            f"Thousands of {_what} that were used once leave nothing when their last connection has ended.",
            partial(
                leave_nothing,
                come_and_go=partial(use_names, app=_app, unsubscribes=_unsubscribes),
                rounds=UNSUBSCRIBED_ROUNDS if _unsubscribes else NAMES_ROUNDS,
            ),
            spawned=True,
            seconds=1.0,
        )
    )


def refused(context: ServerContext, peer: ClientPeer) -> None:
    """Ask on a channel without a handler."""
    request = peer.request_message(context.name("nobody"), {"text": "x" * PAYLOAD_OCTETS})
    peer.send(request)
    peer.receive_error("no_handler")  # whether it is that error, is for other cases (REQ-012)


def failed(_context: ServerContext, peer: ClientPeer) -> None:
    """Ask a handler that fails."""
    request = peer.request_message("conformance.fail", {"detail": "x" * PAYLOAD_OCTETS})
    peer.send(request)
    peer.receive_error("handler_failed")  # whether it is that error, is for other cases (REQ-013)


def outlived(_context: ServerContext, peer: ClientPeer) -> None:
    """Leave before the handler has ended."""
    owed = {"delay_ms": OWED_MS, "value": "x" * PAYLOAD_OCTETS}
    peer.send(peer.request_message("conformance.delay", owed))
    peer.barrier()  # on a busy machine, the answer may come before the pong


def notified(context: ServerContext, peer: ClientPeer) -> None:
    """Notify nobody."""
    peer.send(peer.message("notification", context.name("nobody"), "x" * PAYLOAD_OCTETS))
    peer.expect_silence("a notification was answered")


def published(context: ServerContext, peer: ClientPeer) -> None:
    """Publish to nobody."""
    peer.publish(context.name("nobody"), "x" * PAYLOAD_OCTETS)


def replaced(context: ServerContext, peer: ClientPeer) -> None:
    """Be replaced inside a frame."""
    begin_frame(peer)
    bystander = context.connect()
    for _ in range(TURNS):  # meanwhile the server reads what there is of the frame
        bystander.expect_silence()
    newer = context.connect(connection_id=peer.connection_id)
    context.let_end(peer, "replaced inside a frame")
    newer.expect_silence()


def unread(context: ServerContext, peer: ClientPeer) -> None:
    """Leave without reading what was published, which is more than the operating systems hold."""
    publisher, channel = context.connect(), context.name("channel")
    peer.subscribe(channel)
    octets = codec.frame(codec.encode(publisher.message("publish", channel, "x" * PAYLOAD_OCTETS)))
    bound = peer.limit("max_outbound_bytes") or MOST_UNREAD
    publisher.send_octets(octets * max(1, min(bound * 7 // 8, MOST_UNREAD) // len(octets)))
    publisher.expect_silence()


def begin_frame(peer: ClientPeer) -> None:
    """Send all of a long frame but its end."""
    whole = codec.frame(codec.encode(peer.message("publish", "begun", "x" * PAYLOAD_OCTETS)))
    peer.send_octets(whole[:-1000])


DEEDS: dict[str, tuple[str, tuple[str, ...], Callable[[ServerContext, ClientPeer], Any]]] = {
    "refused-requests": ("whose requests had no handler", (), refused),
    "failed-requests": ("whose requests failed", ("fail",), failed),
    "unanswered-requests": ("that left before the answer", ("delay",), outlived),
    "notifications": ("that notified nobody", (), notified),
    "publishes": ("that published to nobody", (), published),
    "unread-publishes": ("that did not read", (), unread),
    "replaced-connections": ("that were replaced inside a frame", (), replaced),
}


def do_and_go(context: ServerContext, deed: Callable[[ServerContext, ClientPeer], Any]) -> None:
    """Do something on a new connection, and drop it."""
    with context.example():
        deed(context, context.connect())


def done_and_gone(context: ServerContext, deed: Callable[[ServerContext, ClientPeer], Any]) -> None:
    """Let connections do something long, and go."""
    leave_nothing(context, partial(do_and_go, deed=deed), UNREAD_ROUNDS if deed is unread else ROUNDS)


for _name, (_what, _needs, _deed) in DEEDS.items():
    add(
        Case(
            f"leftovers/{_name}",
            ("LIM-017",),
            f"Connections {_what} leave nothing when they have ended, however long their messages were.",
            partial(done_and_gone, deed=_deed),
            needs=_needs,
            spawned=True,
            seconds=1.0,
        )
    )


def begins(octets: bytes) -> Callable[[ServerContext], None]:
    """Return what begins a connection with octets instead of a connect message, and waits for its end."""

    def way(context: ServerContext) -> None:
        peer = context.open()
        peer.send_octets(octets)
        context.let_end(peer, repr(octets))

    return way


def is_replaced(context: ServerContext) -> None:
    """Be replaced."""
    older = context.connect()
    context.connect(connection_id=older.connection_id)
    context.let_end(older, "replaced")


def is_dropped(context: ServerContext) -> None:
    """Be dropped by a handler, where the server has it."""
    peer = context.connect()
    peer.send(peer.request_message("conformance.close", {}))
    peer.end_sending()
    context.let_end(peer, "dropped")


def drains(context: ServerContext) -> None:
    """End the stream while an answer is owed, and be lost before it has come."""
    peer = context.connect()
    peer.send(peer.request_message("conformance.delay", {"delay_ms": 2 * OWED_MS, "value": 1}))
    peer.barrier()
    peer.end_sending()
    context.wait(LOSS_SECONDS)


WAYS: tuple[Callable[[ServerContext], None], ...] = (
    is_replaced,
    is_dropped,
    drains,
    begins(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    begins(codec.frame(b"[]")),
    begins(b"\xff" * 4),
    begins(codec.frame(b'{"message_id": 1}')),
)


def end_in_every_way(context: ServerContext) -> None:
    """End a connection in each way."""
    for way in WAYS:
        with context.example():
            way(context)


@case("leftovers/every-way-to-end", "LIM-017", spawned=True, needs=("close", "delay"), seconds=1.0)
def every_way_to_end(context: ServerContext) -> None:
    """Connections leave no descriptor behind, in whatever way they end."""
    leave_nothing(context, end_in_every_way, WAY_ROUNDS, soak_seconds=0)
