"""ISO: what one connection cannot do to another."""

from __future__ import annotations

from functools import partial
from typing import Any

from conformance.core.verdicts import Violation
from conformance.harness.case import Case, add
from conformance.harness.decorators import case
from conformance.harness.server_context import ServerContext
from conformance.peers.client import ClientPeer
from conformance.protocol import codec


def foreign_application(context: ServerContext, message_type: str, channel: str | None, payload: Any) -> None:
    """Send a message with the app_id of another application, where somebody listens."""
    peer, victim = context.connect(app=context.name("app")), context.connect()
    channel = channel or context.name("channel")
    victim.subscribe(channel)
    own_payload = {"connection_id": peer.connection_id} if payload == "OWN" else payload
    message = peer.message(message_type, channel, own_payload, app_id=victim.app_id)
    peer.send(message)
    try:
        peer.expect_error("app_mismatch", message)
    finally:  # an effect on others says more than a missing error
        _expect_no_effect(peer, victim, channel)
    peer.expect_silence("a message with a foreign app_id took effect")


def _expect_no_effect(peer: ClientPeer, victim: ClientPeer, channel: str) -> None:
    victim.expect_silence("a message with a foreign app_id was delivered")
    if channel != "system":
        victim.publish_and_get(channel, "still mine")
    if peer.has_arrived():
        raise Violation("a message with a foreign app_id took effect", received=codec.shorten(peer.receive()))


for _type, _channel, _payload in (
    ("request", None, {"a": 1}),
    ("request", "system", {"action": "ping"}),
    ("notification", None, 1),
    ("subscribe", None, "OWN"),
    ("unsubscribe", None, "OWN"),
    ("publish", None, 1),
):
    add(
        Case(
            f"isolation/{'ping' if _channel else _type}-in-another-application",
            ("ISO-001", "ISO-002"),
            f"A {_type} with another application's app_id is refused and has no effect there.",
            partial(foreign_application, message_type=_type, channel=_channel, payload=_payload),
        )
    )


@case("isolation/same-channel-in-two-applications", "ISO-003")
def same_channel_in_two_applications(context: ServerContext) -> None:
    """A publish in one application does not reach the channel of the same name in another."""
    here, there = context.connect(), context.connect(app=context.name("app"))
    channel = context.name("channel")
    for peer in (here, there):
        peer.subscribe(channel)
    here.publish_and_get(channel, "here")
    there.expect_silence("a publish crossed from one application to another")
    there.publish_and_get(channel, "there")
    here.expect_silence("a publish crossed from one application to another")


@case("isolation/publish-on-system", "ISO-004", "ISO-008")
def publish_on_system(context: ServerContext) -> None:
    """A publish on the system channel is refused and reaches nobody, not even who asked for that channel."""
    peer, listener = context.connect(), context.connect()
    listener.send(listener.message("subscribe", "system", {"connection_id": listener.connection_id}))
    listener.barrier()
    for payload in ({"status": "connected"}, {"status": "pong"}, 1):
        message = peer.message("publish", "system", payload)
        peer.send(message)
        try:
            peer.expect_error("reserved_channel", message)
        finally:  # a delivery says more than a missing error
            listener.expect_silence("a publish on the system channel was delivered")


FLOOD_ROUNDS = 50
SOME_SILENT, MANY_SILENT = 60, 500
HOSTILE: dict[str, tuple[str, bytes]] = {
    "random-octets": ("random octets", bytes((number * 167 + 89) % 251 for number in range(4096))),
    "zeros": ("zeros", bytes(4096)),
    "tls-client-hello": ("a TLS ClientHello", bytes.fromhex("16030100c8010000c40303") + bytes(200)),
    "smtp-greeting": ("an SMTP greeting", b"EHLO example\r\nMAIL FROM:<a@example>\r\n"),
    "ssh-banner": ("an SSH banner", b"SSH-2.0-kit\r\n"),
    "newline-json": ("JSON lines without headers", b'{"message_type": "request"}\n' * 100),
}


def hostile_octets(context: ServerContext, octets: bytes) -> None:
    """Send octets that are not this protocol, before and after a handshake; a bystander is served all along."""
    bystander = context.connect()
    for peer in (context.open(), context.connect()):
        peer.send_octets(octets)
        bystander.expect_silence()
        peer.reset()
    bystander.expect_silence()
    context.check_alive()


for _name, (_what, _octets) in HOSTILE.items():
    add(
        Case(
            f"isolation/{_name}",
            ("ISO-006",),
            f"A connection that sends {_what} does not disturb others.",
            partial(hostile_octets, octets=_octets),
        )
    )


@case("isolation/reset-at-every-moment", "ISO-006", "ISO-007", seconds=0.1)
def reset_at_every_moment(context: ServerContext) -> None:
    """Connections that are reset before, in and after the handshake, and inside a frame, do not disturb others."""
    bystander = context.connect()
    for cut in (0, 2, 4, 20, None):
        peer = context.open()
        peer.send_octets(codec.frame(codec.encode(peer.connect_message()))[:cut])
        peer.reset()
        bystander.expect_silence()
    for ending in (b"", b"\x00\x00", codec.header(1000) + b'{"message_id'):
        peer = context.connect()
        peer.send_octets(ending)
        peer.reset()
        bystander.expect_silence()


@case("isolation/subscriber-dies-in-the-middle", "ISO-007", seconds=0.2)
def subscriber_dies(context: ServerContext) -> None:
    """While messages are published, one subscriber is reset; the other gets every one of them."""
    stays, dies, publisher = context.connect(), context.connect(), context.connect()
    channel = context.name("channel")
    for peer in (dies, stays):
        peer.subscribe(channel)
    messages = [publisher.message("publish", channel, number) for number in range(300)]
    publisher.send(*messages[:100])
    dies.reset()
    publisher.send(*messages[100:200])
    publisher.expect_silence()  # from here on the server knows of the reset
    publisher.send(*messages[200:])
    publisher.expect_silence()
    stays.expect_deliveries(messages)


@case("isolation/many-silent-connections", "ISO-006", "LIM-008", seconds=0.3)
def many_silent_connections(context: ServerContext) -> None:
    """With sixty connections that say nothing (with --soak five hundred), another one is served."""
    announced = context.connect().limit("max_connections")
    wanted = MANY_SILENT if context.settings.soak_seconds else SOME_SILENT
    for _ in range(min(wanted, (announced or wanted + 20) - 20)):
        context.open()
    context.check_alive()


@case("isolation/slow-writer", "ISO-006", "FRM-005", seconds=0.1)
def slow_writer(context: ServerContext) -> None:
    """While one connection sends a frame octet by octet, another one is served between any two of them."""
    slow, other = context.connect(), context.connect()
    ping = slow.marker_message()
    octets = codec.frame(codec.encode(ping))
    for start in range(len(octets)):
        slow.send_octets(octets[start : start + 1])
        other.expect_silence()
    if slow.receive_through(ping):
        raise Violation("a slow writer got more than its pong")


@case("isolation/subscribe-flood", "ISO-006", "SUB-005", "SUB-006", seconds=0.5)
def subscribe_flood(context: ServerContext) -> None:
    """Thousands of subscribes and unsubscribes in one write do not keep another connection from being served."""
    flooder, other = context.connect(), context.connect()
    channels = [context.name("channel") for _ in range(20)]
    own = {"connection_id": flooder.connection_id}
    flooder.send(
        *(
            flooder.message(kind, channel, own)
            for _ in range(FLOOD_ROUNDS)
            for channel in channels
            for kind in ("subscribe", "subscribe", "unsubscribe", "subscribe")
        )
    )
    other.expect_silence()
    for channel in channels:
        flooder.publish_and_get(channel, "subscribed once")


@case("isolation/half-closed-connections", "ISO-006", needs=("delay",), seconds=0.1)
def half_closed_connections(context: ServerContext) -> None:
    """Connections whose clients ended their sending side while an answer is owed do not disturb others."""
    for _ in range(20):
        peer = context.connect()
        peer.send(peer.request_message("conformance.delay", {"delay_ms": 300, "value": "owed"}))
        peer.end_sending()
    context.check_alive()
