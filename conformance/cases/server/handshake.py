"""HSK: how a connection begins, and how it is taken over."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from conformance.core.verdicts import Late, Violation
from conformance.harness.case import Case, add
from conformance.harness.decorators import case
from conformance.harness.server_context import ServerContext
from conformance.peers.client import ClientPeer
from conformance.protocol import codec
from conformance.results.survey import SEVERAL

LONGEST_TIMEOUT_SECONDS = 30.0  # HSK-017
TIMEOUT_MARGIN_SECONDS = 3.0
ARRIVAL_SECONDS = 0.08
"""For a request to be in flight before another connection goes on."""


@case("handshake/acknowledgement", "HSK-004", "HSK-005")
def acknowledgement(context: ServerContext) -> None:
    """A valid connect message gets an acknowledgement with the client's ids and reply_to null."""
    answer = context.connect().acknowledgement
    if answer and answer.get("reply_to") is not None:
        raise Violation("the acknowledgement has a reply_to", expected="null", received=codec.shorten(answer))


@case("handshake/minimal-connect", "HSK-004")
def minimal_connect(context: ServerContext) -> None:
    """A connect payload with nothing but action, connection_id and a demanded token is enough, reply_to absent."""
    peer = context.open()
    message = peer.connect_message()
    del message["reply_to"], message["payload"]["protocol"]
    peer.send(message)
    peer.acknowledge(peer.receive())


@case("handshake/acknowledgement-states-version-profiles-limits", "HSK-007", "HSK-030")
def acknowledgement_states_limits(context: ServerContext) -> None:
    """The acknowledgement says which protocol, profiles and frame limit the server has."""
    payload = (context.connect().acknowledgement or {})["payload"]
    missing = [name for name in ("protocol", "profiles", "limits") if name not in payload]
    if missing or "max_frame_bytes" not in payload["limits"]:
        raise Violation(
            "the acknowledgement does not state protocol, profiles and limits.max_frame_bytes",
            expected="all three",
            received=codec.shorten(payload),
        )


@case("handshake/unknown-members-of-connect-are-ignored", "HSK-008")
def unknown_members_are_ignored(context: ServerContext) -> None:
    """Unknown members of the connect payload do no harm, whatever their type."""
    context.open().handshake(future={"deep": [1]}, colour="blue", x=None, __proto__=1)


@case("handshake/optional-members-are-accepted", "HSK-004")
def optional_members_are_accepted(context: ServerContext) -> None:
    """A client may introduce itself."""
    context.open().handshake(client={"name": "kit", "version": "1.0", "os": "any"}, protocol="1.0")


def supported_protocol(context: ServerContext, version: str) -> None:
    """Ask for the server's own major number."""
    context.open().handshake(protocol=version)


for _minor in ("1.0", "1.1", "1.999"):
    add(
        Case(
            f"handshake/protocol-{_minor}",
            ("HSK-015",),
            f"Protocol {_minor} has the server's major number and is accepted.",
            partial(supported_protocol, version=_minor),
        )
    )


def unsupported_protocol(context: ServerContext, version: str) -> None:
    """Ask for another major number."""
    context.connect()
    peer = context.open()
    message = peer.connect_message(protocol=version)
    peer.send(message)
    peer.expect_error("unsupported_protocol", message)


for _major in ("0.9", "2.0", "999.0"):
    add(
        Case(
            f"handshake/protocol-{_major}",
            ("HSK-014",),
            f"Protocol {_major} is refused.",
            partial(unsupported_protocol, version=_major),
        )
    )


@case("handshake/any-application-name", "HSK-010")
def any_application_name(context: ServerContext) -> None:
    """Every valid app_id is an application, made on first use."""
    for app in (context.name("app"), "x", "äö€😀 with blanks", "a" * 255, "😀" * 255, "a\x00b", "../..", "__proto__"):
        peer = context.connect(app=app)
        channel = context.name("first-use")
        peer.subscribe(channel)
        message = peer.message("publish", channel, app)
        peer.send(message)
        peer.expect_deliveries([message], f"the application {app[:20]!r} did not deliver its first publish")


@case("handshake/pipelined-behind-connect", "HSK-006", "HSK-011")
def pipelined_behind_connect(context: ServerContext) -> None:
    """Messages in the same write as the connect message are processed behind the acknowledgement, in order."""
    peer = context.open()
    channel = context.name("pipelined")
    connect = peer.connect_message()
    subscribe = peer.message("subscribe", channel, {"connection_id": peer.connection_id})
    publish = peer.message("publish", channel, 1)
    ping = peer.ping_message()
    peer.send(connect, subscribe, publish, ping)
    peer.acknowledge(peer.receive())
    arrived = peer.receive_through_pong(ping)
    peer.check_deliveries(arrived, [publish], "messages behind the connect message were not processed in order")


def first_message(context: ServerContext, message: dict[str, Any]) -> None:
    """Send something else than a connect message first, after showing that a connect works."""
    context.connect()
    peer = context.open()
    whole = peer.message("request", "system", None) | message
    if isinstance(whole["payload"], dict) and whole["payload"].get("connection_id") == "OWN":
        whole["payload"] = whole["payload"] | {"connection_id": peer.connection_id}
    whole = {name: value for name, value in whole.items() if value is not ...}
    peer.send(whole)
    peer.expect_error("handshake_required", whole)
    context.check_alive()


CONNECT = {"action": "connect", "connection_id": "OWN"}
FIRST: dict[str, dict[str, Any]] = {
    "ping-first": {"payload": {"action": "ping"}},
    "request-first": {"channel_id": "conformance.echo", "payload": 1},
    "notification-first": {"message_type": "notification", "channel_id": "news", "payload": 1},
    "subscribe-first": {"message_type": "subscribe", "channel_id": "news", "payload": {"connection_id": "OWN"}},
    "unsubscribe-first": {"message_type": "unsubscribe", "channel_id": "news", "payload": {"connection_id": "OWN"}},
    "publish-first": {"message_type": "publish", "channel_id": "news", "payload": 1},
    "response-first": {"message_type": "response", "payload": CONNECT, "reply_to": "x"},
    "connect-as-notification": {"message_type": "notification", "payload": CONNECT},
    "connect-as-publish": {"message_type": "publish", "payload": CONNECT},
    "connect-on-another-channel": {"channel_id": "System", "payload": CONNECT},
    "connect-without-connection-id": {"payload": {"action": "connect"}},
    "connect-with-empty-connection-id": {"payload": CONNECT | {"connection_id": ""}},
    "connect-with-connection-id-of-129": {"payload": CONNECT | {"connection_id": "c" * 129}},
    "connect-with-connection-id-a-number": {"payload": CONNECT | {"connection_id": 7}},
    "connect-with-connection-id-null": {"payload": CONNECT | {"connection_id": None}},
    "connect-with-payload-a-string": {"payload": "connect"},
    "connect-with-payload-an-array": {"payload": ["connect"]},
    "connect-with-payload-null": {"payload": None},
    "connect-with-protocol-a-number": {"payload": CONNECT | {"protocol": 1.0}},
    "connect-with-protocol-without-minor": {"payload": CONNECT | {"protocol": "1"}},
    "connect-with-token-a-number": {"payload": CONNECT | {"token": 5}},
    "connect-with-client-a-string": {"payload": CONNECT | {"client": "me"}},
    "connect-with-action-in-capitals": {"payload": CONNECT | {"action": "CONNECT"}},
    "connect-without-app-id": {"payload": CONNECT, "app_id": ...},
    "connect-with-unknown-envelope-member": {"payload": CONNECT, "version": 1},
    "connect-with-negative-timestamp": {"payload": CONNECT, "timestamp": -1},
    "connect-without-message-id": {"payload": CONNECT, "message_id": ...},
}
for _name, _message in FIRST.items():
    add(
        Case(
            f"handshake/{_name}",
            ("HSK-013", "ERR-004"),
            f"A first message that is {_name.replace('-', ' ')} is refused with handshake_required.",
            partial(first_message, message=_message),
        )
    )


@case("handshake/timeout", "HSK-016", "HSK-017", "HSK-018", seconds=10.0)
def timeout(context: ServerContext) -> None:
    """Silence, half a header, half a connect message and one octet at a time all run into the handshake timeout."""
    announced = context.target.acknowledgement.get("limits", {}).get("handshake_timeout_ms")
    allowed = announced / 1000 if announced else LONGEST_TIMEOUT_SECONDS
    start = time.monotonic()
    peers = {
        "silence": context.open(),
        "half a header": context.open(),
        "half a connect": context.open(),
        "octets": context.open(),
    }
    deadline = start + allowed + TIMEOUT_MARGIN_SECONDS * context.time_scale
    peers["half a header"].send_octets(b"\x00\x00")
    whole = codec.frame(codec.encode(peers["half a connect"].connect_message()))
    peers["half a connect"].send_octets(whole[: len(whole) // 2])
    _drip(context, peers["octets"], allowed, deadline)
    for how, peer in peers.items():
        peer.patience = max(0.0, deadline - time.monotonic())
        _expect_timeout(peer, how)
        if time.monotonic() - start < min(1.0, allowed) * 0.9:
            raise Violation("the handshake timeout is shorter than 1 second")
    context.check_alive()


def _drip(context: ServerContext, peer: ClientPeer, allowed: float, deadline: float) -> None:
    """Send one octet of a connect message several times per timeout, until the server has had enough."""
    octets = codec.frame(codec.encode(peer.connect_message()))
    for octet in octets:
        peer.send_octets(bytes([octet]))
        context.wait(allowed / 8)
        if peer.has_arrived() or peer.is_over or time.monotonic() > deadline:
            return


def _expect_timeout(peer: ClientPeer, how: str) -> None:
    try:
        peer.expect_error("handshake_timeout", None)
    except Violation as violation:
        raise (Late if isinstance(violation, Late) else Violation)(
            f"no handshake_timeout after {how}: {violation.message}",
            ability=SEVERAL if violation.ability == SEVERAL else "",  # without its error, the end may still come
            expected=violation.expected,
            received=violation.received,
        ) from None


@case("handshake/second-connect", "HSK-019", "HSK-025")
def second_connect(context: ServerContext) -> None:
    """A second connect message is refused and changes nothing, whatever else it says."""
    peer = context.connect()
    channel = context.name("still")
    peer.subscribe(channel)
    for payload in ({}, {"connection_id": context.name("other")}, {"connection_id": None}, {"protocol": "2.0"}):
        again = peer.connect_message(**payload)
        peer.send(again)
        peer.expect_error("already_connected", again)
        peer.publish_and_get(channel, "still subscribed")
        peer.subscribe(context.name("more"))  # which a connection of another name would be forbidden (SUB-003)


@case("handshake/takeover-replaces-the-older-connection", "HSK-020")
def takeover_replaces(context: ServerContext) -> None:
    """The older connection of the same application and id is told so and closed; the newer one works."""
    older = context.connect()
    newer = context.connect(connection_id=older.connection_id)
    older.expect_error("session_replaced", None)
    newer.expect_silence()


@case("handshake/takeover-starts-without-subscriptions", "HSK-021")
def takeover_starts_clean(context: ServerContext) -> None:
    """The newer connection gets nothing that the older one subscribed to, until it subscribes itself."""
    channel = context.name("clean")
    older, other = context.connect(), context.connect()
    older.subscribe(channel)
    newer = context.connect(connection_id=older.connection_id)
    other.publish(channel, 1)
    newer.expect_silence("the newer connection got what the older one subscribed to")
    newer.subscribe(channel)
    message = other.publish(channel, 2)
    newer.expect_deliveries([message], "the newer connection does not get what it subscribed to")


@case("handshake/takeover-drops-owed-answers", "HSK-022", needs=("delay",), seconds=0.3)
def takeover_drops_answers(context: ServerContext) -> None:
    """An answer that the older connection was owed is not delivered to the newer one."""
    older = context.connect()
    older.send(older.request_message("conformance.delay", {"delay_ms": 150, "value": "owed"}))
    context.wait(ARRIVAL_SECONDS)
    newer = context.connect(connection_id=older.connection_id)
    own = newer.request_message("conformance.delay", {"delay_ms": 200, "value": "own"})
    newer.send(own)
    newer.expect_payload(own, {"value": "own"}, "the newer connection got the answer that the older one was owed")
    newer.expect_silence()


@case("handshake/takeover-of-a-draining-connection", "HSK-020", "HSK-022", needs=("delay",), seconds=0.4)
def takeover_of_a_draining_connection(context: ServerContext) -> None:
    """A connection that only waits for its last answers is replaced too, if the server let it wait (LIM-011)."""

    def attempt(seconds: float) -> None:
        older = context.connect()
        older.send(older.request_message("conformance.delay", {"delay_ms": int(4000 * seconds), "value": "owed"}))
        older.end_sending()
        context.wait(seconds)
        newer = context.connect(connection_id=older.connection_id)
        newer.expect_silence()
        for answer in older.receive_until_end():
            older.check_error(answer, "session_replaced", None)

    context.with_more_time(attempt, ARRIVAL_SECONDS)


@case("handshake/takeover-ends-deliveries-to-the-older-connection", "HSK-023")
def takeover_ends_deliveries(context: ServerContext) -> None:
    """Once the newer connection is acknowledged, the older one gets nothing but session_replaced."""
    channel = context.name("ended")
    older, other = context.connect(), context.connect()
    older.subscribe(channel)
    context.connect(connection_id=older.connection_id)
    other.publish(channel, "late")
    older.expect_error("session_replaced", None)


@case("handshake/same-id-in-two-applications", "HSK-024")
def same_id_in_two_applications(context: ServerContext) -> None:
    """The same connection_id in two applications names two connections, both alive."""
    first = context.connect()
    second = context.connect(app=context.name("app"), connection_id=first.connection_id)
    channel = context.name("both")
    for peer in (first, second):
        peer.subscribe(channel)
    for peer in (first, second):
        message = peer.publish_and_get(channel, peer.app_id)
        if message["app_id"] != peer.app_id:
            raise Violation("connections of two applications got mixed up", received=codec.shorten(message))
    first.expect_silence()
