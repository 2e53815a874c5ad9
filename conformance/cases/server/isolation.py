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


def foreign_application(scene: ServerContext, message_type: str, channel: str | None, payload: Any) -> None:
    """Send a message with the app_id of another application, where somebody listens."""
    peer, victim = scene.connect(app=scene.name("app")), scene.connect()
    channel = channel or scene.name("channel")
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
def same_channel_in_two_applications(scene: ServerContext) -> None:
    """A publish in one application does not reach the channel of the same name in another."""
    here, there = scene.connect(), scene.connect(app=scene.name("app"))
    channel = scene.name("channel")
    for peer in (here, there):
        peer.subscribe(channel)
    here.publish_and_get(channel, "here")
    there.expect_silence("a publish crossed from one application to another")
    there.publish_and_get(channel, "there")
    here.expect_silence("a publish crossed from one application to another")


@case("isolation/publish-on-system", "ISO-004", "ISO-008")
def publish_on_system(scene: ServerContext) -> None:
    """A publish on the system channel is refused and reaches nobody, not even who asked for that channel."""
    peer, listener = scene.connect(), scene.connect()
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


def hostile_octets(scene: ServerContext, octets: bytes) -> None:
    """Send octets that are not this protocol, before and after a handshake; a bystander is served all along."""
    bystander = scene.connect()
    for peer in (scene.open(), scene.connect()):
        peer.send_octets(octets)
        bystander.expect_silence()
        peer.reset()
    bystander.expect_silence()
    scene.check_alive()


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
def reset_at_every_moment(scene: ServerContext) -> None:
    """Connections that are reset before, in and after the handshake, and inside a frame, do not disturb others."""
    bystander = scene.connect()
    for cut in (0, 2, 4, 20, None):
        peer = scene.open()
        peer.send_octets(codec.frame(codec.encode(peer.connect_message()))[:cut])
        peer.reset()
        bystander.expect_silence()
    for ending in (b"", b"\x00\x00", codec.header(1000) + b'{"message_id'):
        peer = scene.connect()
        peer.send_octets(ending)
        peer.reset()
        bystander.expect_silence()


@case("isolation/subscriber-dies-in-the-middle", "ISO-007", seconds=0.2)
def subscriber_dies(scene: ServerContext) -> None:
    """While messages are published, one subscriber is reset; the other gets every one of them."""
    stays, dies, publisher = scene.connect(), scene.connect(), scene.connect()
    channel = scene.name("channel")
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
def many_silent_connections(scene: ServerContext) -> None:
    """With sixty connections that say nothing (with --soak five hundred), another one is served."""
    announced = scene.connect().limit("max_connections")
    wanted = MANY_SILENT if scene.settings.soak_seconds else SOME_SILENT
    for _ in range(min(wanted, (announced or wanted + 20) - 20)):
        scene.open()
    scene.check_alive()


@case("isolation/slow-writer", "ISO-006", "FRM-005", seconds=0.1)
def slow_writer(scene: ServerContext) -> None:
    """While one connection sends a frame octet by octet, another one is served between any two of them."""
    slow, other = scene.connect(), scene.connect()
    ping = slow.ping_message()
    octets = codec.frame(codec.encode(ping))
    for start in range(len(octets)):
        slow.send_octets(octets[start : start + 1])
        other.expect_silence()
    if slow.receive_through_pong(ping):
        raise Violation("a slow writer got more than its pong")


@case("isolation/subscribe-flood", "ISO-006", "SUB-005", "SUB-006", seconds=0.5)
def subscribe_flood(scene: ServerContext) -> None:
    """Thousands of subscribes and unsubscribes in one write do not keep another connection from being served."""
    flooder, other = scene.connect(), scene.connect()
    channels = [scene.name("channel") for _ in range(20)]
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
def half_closed_connections(scene: ServerContext) -> None:
    """Connections whose clients ended their sending side while an answer is owed do not disturb others."""
    for _ in range(20):
        peer = scene.connect()
        peer.send(peer.request_message("conformance.delay", {"delay_ms": 300, "value": "owed"}))
        peer.end_sending()
    scene.check_alive()
