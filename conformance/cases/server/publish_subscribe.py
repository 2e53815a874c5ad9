"""SUB: channels, subscribers, order."""

from __future__ import annotations

from functools import partial
from typing import Any

from conformance.core.verdicts import Violation
from conformance.harness.case import Case, add
from conformance.harness.decorators import case
from conformance.harness.server_context import ServerContext
from conformance.peers.client import ClientPeer
from conformance.protocol import codec

END_ARRIVES_SECONDS = 0.1
"""For the end of a stream to be noticed; nothing that the server sends shows it while an answer is owed."""


@case("publish/subscriber-gets-it-once-unchanged", "SUB-004", "SUB-010", "SUB-012")
def subscriber_gets_it_once(context: ServerContext) -> None:
    """A subscriber gets a publish exactly once with all seven members unchanged."""
    subscriber, publisher = context.connect(), context.connect()
    channel = context.name("channel")
    subscriber.subscribe(channel)
    subscriber.expect_deliveries([publisher.publish(channel, {"n": 1, "text": "äöü€😀"})])


def members_unchanged(context: ServerContext, members: dict[str, Any]) -> None:
    """Publish with particular members and compare what a subscriber gets."""
    subscriber, publisher = context.connect(), context.connect()
    channel = context.name("channel")
    subscriber.subscribe(channel)
    subscriber.expect_deliveries([publisher.publish(channel, 1, **members)])


KEPT_MEMBERS: dict[str, dict[str, Any]] = {
    "reply-to-a-string": {"reply_to": "r-1"},
    "timestamp-0": {"timestamp": 0},
    "timestamp-in-milliseconds": {"timestamp": 1_753_948_800_123},
    "timestamp-far-in-the-future": {"timestamp": 99_999_999_999.5},
    "message-id-of-128": {"message_id": "😀" * 128},
    "message-id-with-controls": {"message_id": "a\x00\n\x7f"},
}
for _name, _members in KEPT_MEMBERS.items():
    add(
        Case(
            f"publish/keeps-{_name}",
            ("SUB-012", "ENV-009") if "timestamp" in _name else ("SUB-012",),
            f"A publish with {_name.replace('-', ' ')} is delivered with it.",
            partial(members_unchanged, members=_members),
        )
    )


@case("publish/reply-to-absent-is-delivered", "SUB-012", "ENV-008")
def reply_to_absent(context: ServerContext) -> None:
    """A publish without reply_to is delivered like one with null."""
    subscriber, publisher = context.connect(), context.connect()
    channel = context.name("channel")
    subscriber.subscribe(channel)
    message = publisher.message("publish", channel, 1)
    del message["reply_to"]
    publisher.send(message)
    publisher.expect_silence()
    subscriber.expect_deliveries([message])


def payload_delivered(context: ServerContext, payload: Any) -> None:
    """Publish ``payload``."""
    peer = context.connect()
    channel = context.name("channel")
    peer.subscribe(channel)
    peer.publish_and_get(channel, payload)


for _name, _payload in {
    "an-object": {"a": [1]},
    "an-array": [None],
    "a-string": "",
    "a-number": 0,
    "true": True,
    "false": False,
    "null": None,
}.items():
    add(
        Case(
            f"publish/payload-{_name}",
            ("SUB-010", "ENV-010"),
            f"A publish whose payload is {_name.replace('-', ' ')} is delivered, to the publisher too.",
            partial(payload_delivered, payload=_payload),
        )
    )


@case("publish/publisher-that-is-not-subscribed-gets-nothing", "SUB-011", "SUB-013")
def publisher_gets_nothing(context: ServerContext) -> None:
    """A publisher that is not subscribed gets neither the message nor an answer."""
    subscriber, publisher = context.connect(), context.connect()
    channel = context.name("channel")
    subscriber.subscribe(channel)
    publisher.publish(channel, 1)
    subscriber.barrier()


@case("publish/without-subscribers", "SUB-011", "SUB-013")
def without_subscribers(context: ServerContext) -> None:
    """A publish that nobody is subscribed to is dropped: no answer, and nothing for who subscribes later."""
    publisher, late = context.connect(), context.connect()
    channel = context.name("channel")
    publisher.publish(channel, "early")
    late.subscribe(channel)
    late.expect_silence("a publish from before the subscribe was delivered")
    late.expect_deliveries([publisher.publish(channel, "now")])


@case("publish/other-channel-gets-nothing", "SUB-004", "SUB-011")
def other_channel_gets_nothing(context: ServerContext) -> None:
    """A subscriber of one channel gets nothing of another, however alike the names are."""
    subscriber, publisher = context.connect(), context.connect()
    channel = context.name("Channel")
    subscriber.subscribe(channel)
    for other in (
        channel + "x",
        channel[:-1],
        channel.upper(),
        channel.lower(),
        channel + " ",
        channel + ".*",
        "*",
        "#",
        ".",
    ):
        publisher.publish(other, "not for you")
    subscriber.expect_silence("a publish on another channel was delivered")
    subscriber.expect_deliveries([publisher.publish(channel, "for you")])


@case("publish/subscribing-twice-delivers-once", "SUB-005", "SUB-007")
def subscribing_twice(context: ServerContext) -> None:
    """Two subscribes are one subscription, and one unsubscribe ends it."""
    subscriber, publisher = context.connect(), context.connect()
    channel = context.name("channel")
    subscriber.subscribe(channel)
    subscriber.subscribe(channel)
    subscriber.expect_deliveries([publisher.publish(channel, 1)])
    subscriber.unsubscribe(channel)
    publisher.publish(channel, 2)
    subscriber.expect_silence("one unsubscribe did not end a subscription that was asked for twice")


@case("publish/unsubscribing-what-is-not-subscribed", "SUB-006", "SUB-007")
def unsubscribing_unknown(context: ServerContext) -> None:
    """An unsubscribe from a channel never subscribed to is no error, and leaves other subscriptions alone."""
    peer = context.connect()
    kept = context.name("kept")
    peer.subscribe(kept)
    peer.unsubscribe(context.name("unknown"))
    peer.publish_and_get(kept, 1)


@case("publish/after-unsubscribe-nothing", "SUB-011", "SUB-015")
def after_unsubscribe_nothing(context: ServerContext) -> None:
    """Behind an unsubscribe nothing is delivered; behind a new subscribe it is again."""
    peer = context.connect()
    channel = context.name("channel")
    for round_number in range(3):
        peer.subscribe(channel)
        peer.publish_and_get(channel, round_number)
        peer.unsubscribe(channel)
        peer.publish(channel, "nobody hears this")


@case("publish/one-write-is-processed-in-order", "SUB-015", "SUB-016", seconds=0.1)
def one_write_in_order(context: ServerContext) -> None:
    """Subscribe, publish, unsubscribe, publish and ping in one write are processed in that order."""
    peer = context.connect()
    channel = context.name("channel")
    own = {"connection_id": peer.connection_id}
    heard = [peer.message("publish", channel, n) for n in range(20)]
    for publish in heard:
        ping = peer.marker_message()
        peer.send(
            peer.message("publish", channel, "before"),
            peer.message("subscribe", channel, own),
            publish,
            peer.message("unsubscribe", channel, own),
            peer.message("publish", channel, "after"),
            ping,
        )
        arrived = peer.receive_through(ping)
        why = "subscribe, publish and unsubscribe in one write were not processed in order"
        peer.check_deliveries(arrived, [publish], why)


@case("publish/order-of-one-publisher", "SUB-014", seconds=0.3)
def order_of_one_publisher(context: ServerContext) -> None:
    """Every subscriber gets 300 messages of one publisher in the order of publishing."""
    publisher, subscribers = context.connect(), [context.connect() for _ in range(3)]
    channel = context.name("channel")
    for subscriber in subscribers:
        subscriber.subscribe(channel)
    messages = [publisher.message("publish", channel, number) for number in range(300)]
    publisher.send(*messages)
    publisher.expect_silence()
    for subscriber in subscribers:
        subscriber.expect_deliveries(messages)


@case("publish/queued-before-a-later-pong", "SUB-016", seconds=0.2)
def queued_before_a_later_pong(context: ServerContext) -> None:
    """When a publisher has its pong, every subscriber's next pong is behind the publish."""
    publisher, subscribers = context.connect(), [context.connect() for _ in range(5)]
    channel = context.name("channel")
    for subscriber in subscribers:
        subscriber.subscribe(channel)
    for number in range(20):
        message = publisher.publish(channel, number)
        for subscriber in subscribers:
            subscriber.expect_deliveries([message])


def bad_subscription(context: ServerContext, message_type: str, payload: Any) -> None:
    """Send a subscribe or unsubscribe with a payload that breaks the rules, and see nothing change."""
    peer, publisher = context.connect(), context.connect()
    channel = context.name("channel")
    if message_type == "unsubscribe":
        peer.subscribe(channel)
    message = peer.message(message_type, channel, payload)
    peer.send(message)
    peer.expect_error("invalid_message", message)
    published = publisher.publish(channel, 1)
    peer.expect_deliveries([published] if message_type == "unsubscribe" else [])


BAD_SUBSCRIPTIONS: dict[str, Any] = {
    "without-connection-id": {},
    "with-payload-null": None,
    "with-payload-a-string": "me",
    "with-payload-an-array": ["me"],
    "with-connection-id-null": {"connection_id": None},
    "with-connection-id-a-number": {"connection_id": 1},
    "with-connection-id-empty": {"connection_id": ""},
}
for _type in ("subscribe", "unsubscribe"):
    for _name, _bad in BAD_SUBSCRIPTIONS.items():
        add(
            Case(
                f"publish/{_type}-{_name}",
                ("SUB-002", "SUB-021"),
                f"A {_type} {_name.replace('-', ' ')} is refused and changes nothing.",
                partial(bad_subscription, message_type=_type, payload=_bad),
            )
        )


@case("publish/subscribe-for-another-connection", "SUB-003", "SUB-021", "ISO-005")
def subscribe_for_another(context: ServerContext) -> None:
    """A subscribe in another connection's name is forbidden and subscribes neither of the two."""
    peer, other, publisher = context.connect(), context.connect(), context.connect()
    channel = context.name("channel")
    message = peer.message("subscribe", channel, {"connection_id": other.connection_id})
    peer.send(message)
    try:
        peer.expect_error("forbidden", message)
    finally:  # an effect on others says more than a missing error
        publisher.publish(channel, 1)
        other.expect_silence("somebody else subscribed this connection")
    peer.expect_silence("a forbidden subscribe took effect")


@case("publish/unsubscribe-for-another-connection", "SUB-003", "SUB-021", "ISO-005")
def unsubscribe_for_another(context: ServerContext) -> None:
    """An unsubscribe in another connection's name is forbidden and ends neither subscription."""
    peer, other, publisher = context.connect(), context.connect(), context.connect()
    channel = context.name("channel")
    for each in (peer, other):
        each.subscribe(channel)
    message = peer.message("unsubscribe", channel, {"connection_id": other.connection_id})
    peer.send(message)
    try:
        peer.expect_error("forbidden", message)
    finally:  # an effect on others says more than a missing error
        published = publisher.publish(channel, 1)
        other.expect_deliveries([published], "somebody else ended a subscription of this connection")
    peer.expect_deliveries([published])


@case("publish/subscribe-for-nobody", "SUB-003")
def subscribe_for_nobody(context: ServerContext) -> None:
    """A subscribe in the name of a connection that does not exist is forbidden too."""
    peer = context.connect()
    for message_type in ("subscribe", "unsubscribe"):
        message = peer.message(message_type, context.name("channel"), {"connection_id": context.name("nobody")})
        peer.send(message)
        peer.expect_error("forbidden", message)


@case("publish/unknown-members-of-the-payload", "SUB-004")
def unknown_members(context: ServerContext) -> None:
    """A subscribe whose payload has further members is a subscribe."""
    peer = context.connect()
    channel = context.name("channel")
    peer.send(peer.message("subscribe", channel, {"connection_id": peer.connection_id, "since": 5, "filter": {}}))
    peer.publish_and_get(channel, 1)


@case("publish/thousand-channels", "SUB-008", seconds=0.5)
def thousand_channels(context: ServerContext) -> None:
    """One connection subscribes to a thousand channels and hears each of them."""
    subscriber, publisher = context.connect(), context.connect()
    own = {"connection_id": subscriber.connection_id}
    channels = [context.name("channel") for _ in range(1000)]
    subscriber.send(*(subscriber.message("subscribe", channel, own) for channel in channels))
    subscriber.expect_silence()
    messages = [publisher.message("publish", channel, None) for channel in channels]
    publisher.send(*messages)
    publisher.expect_silence()
    subscriber.expect_deliveries(messages)


@case("publish/many-subscribers", "SUB-010", seconds=0.3)
def many_subscribers(context: ServerContext) -> None:
    """Sixty subscribers each get a publish once."""
    publisher, subscribers = context.connect(), [context.connect() for _ in range(60)]
    channel = context.name("channel")
    for subscriber in subscribers:
        subscriber.subscribe(channel)
    message = publisher.publish(channel, "all")
    for subscriber in subscribers:
        subscriber.expect_deliveries([message])


def gone(peer: ClientPeer, how: str) -> None:
    """End a connection in one of the ways there are, and wait until the server noticed where that shows."""
    if how == "reset":
        peer.reset()
        return
    peer.end_sending()
    peer.expect_end()
    peer.close()


def reconnect_without_subscriptions(context: ServerContext, how: str) -> None:
    """Come back under the same id after the connection has ended."""
    peer, publisher = context.connect(), context.connect()
    channel = context.name("channel")
    peer.subscribe(channel)
    gone(peer, how)
    publisher.expect_silence()  # meanwhile the server notices a reset
    again = context.connect(connection_id=peer.connection_id)
    publisher.publish(channel, 1)
    again.expect_silence("a subscription outlived its connection")
    again.subscribe(channel)
    again.expect_deliveries([publisher.publish(channel, 2)])


for _how in ("closed", "reset"):
    add(
        Case(
            f"publish/connection-{_how}-then-back",
            ("SUB-009",),
            f"A client whose connection was {_how} gets nothing after it came back, until it subscribes.",
            partial(reconnect_without_subscriptions, how=_how),
        )
    )


@case("publish/draining-connection-hears-nothing", "SUB-009", needs=("delay",), seconds=0.4)
def draining_hears_nothing(context: ServerContext) -> None:
    """A client that has ended its sending side, and waits for an answer, gets nothing that is published meanwhile."""

    def attempt(seconds: float) -> None:
        peer, publisher = context.connect(), context.connect()
        channel = context.name("channel")
        peer.subscribe(channel)
        peer.patience += 3 * seconds
        owed = {"delay_ms": int(3000 * seconds), "value": "owed"}
        peer.send(peer.request_message("conformance.delay", owed))
        peer.end_sending()
        context.wait(seconds)
        publisher.publish(channel, "late")
        if any(each["message_type"] == "publish" for each in peer.receive_until_end()):
            raise Violation("a connection that had ended its sending side got a publish")

    context.with_more_time(attempt, END_ARRIVES_SECONDS)


@case("publish/churn", "SUB-009", "SUB-010", seconds=0.5)
def churn(context: ServerContext) -> None:
    """Two hundred connections that subscribe and leave do not disturb one that stays."""
    stays, publisher = context.connect(), context.connect()
    channel = context.name("channel")
    stays.subscribe(channel)
    messages = []
    for number in range(200):
        comes = context.connect()
        comes.send(comes.message("subscribe", channel, {"connection_id": comes.connection_id}))
        comes.close()
        if number % 20 == 0:
            messages.append(publisher.publish(channel, number))
    stays.expect_deliveries(messages)


@case("publish/from-the-server", "SUB-017", "SUB-018", "REQ-004", needs=("emit",), seconds=0.1)
def from_the_server(context: ServerContext) -> None:
    """Publish and notification that the server originates reach each subscriber, and nobody else."""
    subscriber, stranger, peer = context.connect(), context.connect(), context.connect()
    channel = context.name("channel")
    subscriber.subscribe(channel)
    for message_type in ("publish", "notification"):
        emitted = {"channel": channel, "count": 3, "message_type": message_type, "payload": {"of": message_type}}
        peer.request("conformance.emit", emitted)
        arrived = subscriber.barrier()
        seen = [(each["message_type"], each["channel_id"], each["payload"]) for each in arrived]
        if seen != [(message_type, channel, {"of": message_type})] * 3:
            raise Violation(
                f"a {message_type} from the server did not reach its subscriber", received=codec.shorten(arrived)
            )
        if len({each["message_id"] for each in arrived}) < len(arrived):
            raise Violation("the server used a message_id a second time (REQ-004)", received=codec.shorten(arrived))
        stranger.expect_silence(f"a {message_type} from the server reached a stranger")
