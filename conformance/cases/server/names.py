"""Names are compared code point by code point: applications, channels, connections, messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from conformance.cases.server.alike import HASHED, LONGEST_ID, LONGEST_NAME, Pair, joined, pairs
from conformance.core.verdicts import Violation
from conformance.harness.decorators import case
from conformance.harness.server_context import ServerContext
from conformance.peers.client import ClientPeer
from conformance.protocol import codec
from conformance.protocol.codec import Message

ECHO = "conformance.echo"
BACKSLASH = "\\"
PAIRS_AT_A_TIME = 20


def subscribe_all(peer: ClientPeer, channels: Iterable[str]) -> None:
    """Subscribe to many channels, and wait until all subscriptions are in force."""
    own = {"connection_id": peer.connection_id}
    peer.send(*(peer.message("subscribe", channel, own) for channel in channels))
    peer.expect_silence("a subscribe was answered")


def alike(context: ServerContext, kind: str, longest: int, *, controls: bool = False) -> list[Pair]:
    """Return pairs of names of which nobody else has one."""
    return list(pairs(context.name(kind), longest, controls=controls))


@case("names/alike-channels", "SUB-004", "SUB-010", "SUB-011", "SUB-012", "ENV-014", seconds=0.1)
def alike_channels(context: ServerContext) -> None:
    """A subscription to one of two channels whose names are alike is none to the other, in both directions."""
    app = context.name("app")
    found = [*alike(context, "channel", LONGEST_NAME), *(Pair(how, *both) for how, both in HASHED.items())]
    for one, other in (("one", "other"), ("other", "one")):
        subscriber, publisher = context.connect(app=app), context.connect(app=app)
        subscribe_all(subscriber, (getattr(pair, one) for pair in found))
        foreign = [publisher.message("publish", getattr(pair, other), pair.how) for pair in found]
        own = [publisher.message("publish", getattr(pair, one), pair.how) for pair in found]
        publisher.send(*foreign)
        publisher.expect_silence()
        if arrived := subscriber.barrier():
            raise Violation(
                "a publish arrived from a channel whose name is only like that of the subscription",
                expected="none",
                received=f"{len(arrived)}, first on {arrived[0]['channel_id']!a}: alike in {arrived[0]['payload']}",
            )
        publisher.send(*own)
        publisher.expect_silence()
        subscriber.expect_deliveries(own)


@case("names/unsubscribe-from-an-alike-channel", "SUB-004", "SUB-006", "ENV-014", seconds=0.1)
def unsubscribe_alike(context: ServerContext) -> None:
    """An unsubscribe from a channel leaves subscriptions to channels alone whose names are like it."""
    app = context.name("app")
    peer = context.connect(app=app)
    found = alike(context, "channel", LONGEST_NAME)
    subscribe_all(peer, (pair.one for pair in found))
    own = {"connection_id": peer.connection_id}
    peer.send(*(peer.message("unsubscribe", pair.other, own) for pair in found))
    peer.expect_silence("an unsubscribe was answered")
    messages = [peer.message("publish", pair.one, pair.how) for pair in found]
    peer.send(*messages)
    peer.expect_deliveries(messages, "an unsubscribe ended a subscription to another channel of a name like it")


@case("names/patterns-of-channels", "SUB-011", "SUB-004", "ENV-014")
def patterns_of_channels(context: ServerContext) -> None:
    """A subscription to a name that is a pattern elsewhere is one to the channel of just this name."""
    app, first = context.name("app"), context.name("channel")
    subscriber, publisher = context.connect(app=app), context.connect(app=app)
    patterns = ["*", "#", "+", ">", "**", ".*", "%", "?", "", "/#"]
    patterns = [
        *filter(None, patterns),
        *(first + each for each in (".*", ".>", "/#", "/+", ".#", "*", "%", "__", ".?")),
    ]
    subscribe_all(subscriber, patterns)
    for name in (f"{first}.a", f"{first}/a", f"{first}.a.b", f"{first}/a/b", f"{first}xy", first, "a", "/a"):
        publisher.publish(name, "not for you")
    subscriber.expect_silence("a subscription took a name for a pattern")
    messages = [publisher.message("publish", each, "for you") for each in patterns]
    publisher.send(*messages)
    publisher.expect_silence()
    subscriber.expect_deliveries(messages)


@case("names/escapes-of-channels-and-connections", "ENC-008", "SUB-010", "HSK-020")
def escapes(context: ServerContext) -> None:
    """A name that is written with escapes is the same name, for channels and for the id of a connection."""
    channel = context.name("channel") + "äé😀a"
    older, publisher = context.connect(connection_id=context.name("ä😀b")), context.connect()
    own = {"connection_id": older.connection_id}
    older.send_body(escaped(older.message("subscribe", channel, own)))
    older.expect_silence("a subscribe that is written with escapes was answered")
    message = publisher.publish(channel, 1)
    older.expect_deliveries([message], "a subscription that was written with escapes is not one to the channel")
    written = publisher.message("publish", channel, 2)
    publisher.send_body(escaped(written))
    publisher.expect_silence()
    older.expect_deliveries([written], "a publish that was written with escapes does not reach its channel")
    newer = context.open(connection_id=older.connection_id)
    newer.send_body(escaped(newer.connect_message()))
    newer.acknowledge(newer.receive())
    older.expect_error("session_replaced", None)


def escaped(message: Message) -> bytes:
    """Return the body of a message in which every character of a string or of a member name is an escape."""

    def written(text: str) -> str:
        octets = text.encode("utf-16-be")
        units = (octets[start : start + 2].hex() for start in range(0, len(octets), 2))
        return f'"{"".join(f"{BACKSLASH}u{unit}" for unit in units)}"'

    def encoded(value: Any) -> str:
        if isinstance(value, str):
            return written(value)
        if isinstance(value, dict):
            return "{" + ",".join(f"{written(name)}:{encoded(each)}" for name, each in value.items()) + "}"
        return codec.encode({"": value}).decode()[len('{"":') : -1]

    return encoded(message).encode()


@case("names/alike-applications", "ISO-003", "HSK-010", "HSK-024", "ENV-014", seconds=0.3)
def alike_applications(context: ServerContext) -> None:
    """Applications whose names are alike are different ones, with their own channels and connections."""
    channel, connection_id = context.name("channel"), context.name("connection")
    hashed = (Pair(how, *both) for how, both in HASHED.items())
    for pair in (*alike(context, "app", LONGEST_NAME, controls=True), *hashed):
        one = context.connect(app=pair.one, connection_id=connection_id)
        other = context.connect(app=pair.other, connection_id=connection_id)
        for peer in (one, other):
            peer.send(peer.message("subscribe", channel, {"connection_id": connection_id}))
        for peer in (other, one):
            message = peer.message("publish", channel, pair.how)
            peer.send(message)
            peer.expect_deliveries([message], "an application got a message of one whose name is like its own")
        other.expect_silence("an application got a message of one whose name is like its own")
        one.discard()
        other.discard()


@case("names/message-of-an-alike-application", "ISO-001", "ISO-002", "ENV-014", seconds=0.1)
def message_of_alike_application(context: ServerContext) -> None:
    """A message with an app_id that is like that of its connection is refused."""
    for pair in alike(context, "app", LONGEST_NAME, controls=True):
        peer = context.connect(app=pair.one)
        message = peer.message("publish", "channel", pair.how, app_id=pair.other)
        peer.send(message)
        peer.expect_error("app_mismatch", message)
        peer.discard()


@case("names/application-and-channel-are-not-joined", "ISO-003", "SUB-011")
def not_joined(context: ServerContext) -> None:
    """An application and a channel are two names, even where a separator would join them to the same text."""
    for app, channel, other_app, other_channel in joined(lambda: context.name("n")):
        subscriber, publisher = context.connect(app=app), context.connect(app=other_app)
        subscriber.subscribe(channel)
        publisher.publish(other_channel, 1)
        subscriber.expect_silence("application and channel were joined to one name")
        subscriber.discard()
        publisher.discard()


@case("names/application-and-connection-are-not-joined", "HSK-024", "ISO-005")
def connection_not_joined(context: ServerContext) -> None:
    """An application and a connection_id are two names, even where a separator would join them to the same text."""
    for app, name, other_app, other_name in joined(lambda: context.name("n"), controls=True):
        one = context.connect(app=app, connection_id=name)
        one.subscribe("channel")
        other = context.connect(app=other_app, connection_id=other_name)
        other.expect_silence()
        one.publish_and_get("channel", 1)
        one.discard()
        other.discard()


@case("names/alike-connections", "ISO-005", "ISO-006", "HSK-004", "ENV-014", seconds=0.3)
def alike_connections(context: ServerContext) -> None:
    """A connection is not replaced by one whose connection_id is only like its own, and keeps what it subscribed to."""
    app = context.name("app")
    for pair in alike(context, "connection", LONGEST_ID, controls=True):
        one = context.connect(app=app, connection_id=pair.one)
        one.send(one.message("subscribe", "channel", {"connection_id": pair.one}))
        one.expect_silence()
        other = context.connect(app=app, connection_id=pair.other)
        other.expect_silence()
        one.publish_and_get("channel", pair.how)
        one.discard()
        other.discard()


@case("names/alike-connections-of-one-application", "ENV-014", seconds=0.3)
def many_alike_connections(context: ServerContext) -> None:
    """A connection lives on when another one connects whose id is only like its own."""
    app = context.name("app")
    found = alike(context, "peer", LONGEST_ID)
    for start in range(0, len(found), PAIRS_AT_A_TIME):
        some = found[start : start + PAIRS_AT_A_TIME]
        older = [context.connect(app=app, connection_id=pair.one) for pair in some]
        newer = [context.connect(app=app, connection_id=pair.other) for pair in some]
        for peer in (*older, *newer):
            peer.expect_silence("a connection with an id like that of another one was told something")
            peer.discard()


@case("names/subscribe-for-an-alike-connection", "SUB-003", "ENV-014", seconds=0.2)
def subscribe_for_alike(context: ServerContext) -> None:
    """A subscribe in the name of a connection whose id is like that of the sender is forbidden."""
    for pair in alike(context, "connection", LONGEST_ID, controls=True):
        peer = context.connect(connection_id=pair.one)
        message = peer.message("subscribe", "channel", {"connection_id": pair.other})
        peer.send(message)
        peer.expect_error("forbidden", message)
        peer.discard()


@case("names/alike-requests-in-flight", "REQ-001", "REQ-003", "ENV-014", needs=("echo",), seconds=0.1)
def alike_requests(context: ServerContext) -> None:
    """Requests in flight whose message ids are alike each get their own answer."""
    peer = context.connect()
    names = [name for pair in _ids_of_messages(context) for name in (pair.one, pair.other)]
    peer.send(*(peer.message("request", ECHO, {"for": name}) | {"message_id": name} for name in names))
    answers = [peer.receive() for _ in names]
    found = {answer["reply_to"]: answer["payload"] for answer in answers}
    if wrong := [name for name in names if found.get(name) != {"for": name}]:
        raise Violation(
            "requests whose message ids are alike did not each get their own answer",
            expected=f"an answer to each of {len(names)}",
            received=f"none or another one to {len(wrong)}, first {wrong[0]!a}",
        )


@case("names/errors-about-alike-messages", "ERR-002", "REQ-012", seconds=0.1)
def errors_about_alike_messages(context: ServerContext) -> None:
    """An error answer has exactly the message_id of the message that it is about."""
    peer, channel = context.connect(), context.name("nobody")
    for pair in _ids_of_messages(context):
        messages = [peer.message("request", channel, None) | {"message_id": name} for name in (pair.one, pair.other)]
        peer.send(*messages)
        found = [peer.receive_error("no_handler") for _ in messages]
        answers = sorted(found, key=lambda each: each.get("reply_to") != pair.one)
        for message, answer in zip(messages, answers, strict=True):
            peer.check_error(answer, "no_handler", message)


def _ids_of_messages(context: ServerContext) -> list[Pair]:
    found = alike(context, "message", LONGEST_ID, controls=True)
    words = ("null", "None", "undefined", "true", "0", "-1", "007", "1e3", "[]", "{}", "__proto__", "constructor")
    return [*found, *(Pair("a word", word, word.upper() + "X") for word in words)]


ALIKE_ECHO = (
    ECHO.upper(),
    ECHO.title(),
    f" {ECHO}",
    f"{ECHO} ",
    f"{ECHO}.",
    f"{ECHO}/",
    f"/{ECHO}",
    f"{ECHO}.x",
    f"{ECHO}x",
    ECHO[:-1],
    ECHO.replace(".", "/"),
    ECHO.replace(".", ":"),
    f"{ECHO}\u200b",
    f"\ufeff{ECHO}",
    ECHO.replace("e", "\uff45"),
    ECHO.replace("e", "%65"),
    f"{ECHO}*",
    f"{ECHO}?",
    "conformance.*",
    "conformance.>",
    "conformance.+",
    "conformance/#",
    "*",
    "#",
)


@case("names/channels-like-one-with-a-handler", "REQ-012", "ENV-014", needs=("echo",))
def like_one_with_a_handler(context: ServerContext) -> None:
    """A request on a channel whose name is only like that of one with a handler gets no_handler."""
    peer = context.connect()
    peer.request(ECHO, {"n": 1})
    for channel in ALIKE_ECHO:
        request = peer.message("request", channel, {"a": 1})
        peer.send(request)
        peer.expect_error("no_handler", request)


LIKE_RESERVED = (
    "System",
    "SYSTEM",
    " system",
    "system ",
    "system.",
    "system/",
    "system.x",
    "systems",
    "syste",
    "\uff53ystem",
    "$system",
    "service_discovery2",
    "Service_Discovery",
    "service_instance",
    "queue",
    "Queue:x",
    "queue_manager ",
    "queue_managers",
    "queue.x",
    "que",
)


@case("names/channels-like-reserved-ones", "SUB-010", "SUB-013", "REQ-012")
def like_reserved(context: ServerContext) -> None:
    """A channel whose name is only like that of a reserved one is a channel like any other."""
    peer = context.connect(app=context.name("app"))
    subscribe_all(peer, LIKE_RESERVED)
    messages = [peer.message("publish", channel, 1) for channel in LIKE_RESERVED]
    peer.send(*messages)
    peer.expect_deliveries(messages, "a channel whose name is like that of a reserved one is not an ordinary one")
    for channel in LIKE_RESERVED:
        request = peer.message("request", channel, {"action": "ping"})
        peer.send(request)
        peer.expect_error("no_handler", request)
