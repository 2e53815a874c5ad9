"""SUB, on a client: what it subscribes to, and what its handlers are given."""

from __future__ import annotations

from functools import partial
from typing import Any

from conformance.core.verdicts import Violation
from conformance.harness.case import Case, add
from conformance.harness.client_context import ClientContext, missing
from conformance.harness.decorators import client_case
from conformance.peers.server import ServerPeer
from conformance.protocol import codec

MANY = 300
PAYLOADS: dict[str, Any] = {
    "an-object": {"type": "greeting", "data": {"text": "äöü€😀"}},
    "an-array": [1, None],
    "a-string": "",
    "a-number": 0,
    "true": True,
    "false": False,
    "null": None,
    "an-error-of-its-own": {"status": "error", "error": {"code": "mine", "message": "an application's own"}},
    "an-acknowledgement-of-its-own": {"status": "connected", "connection_id": "somebody"},
}


def handed(context: ClientContext, end: ServerPeer, wanted: list[tuple[str, str, Any]]) -> None:
    """Show that the client's handlers were given exactly these: channel, handler, payload; no rule states an order."""
    events = context.handed_over(end, len(wanted))
    found = [(event["channel"], event["handler"], event["message"]["payload"]) for event in events]
    if not codec.same(*([list(each) for each in sorted(some, key=repr)] for some in (found, wanted))):
        raise missing(events, len(wanted))(
            "the client's handlers were not given exactly what they had to get",
            expected=codec.shorten(wanted),
            received=codec.shorten(found),
        )


@client_case("client-publish/subscribe-and-unsubscribe", "SUB-001")
def subscribe_and_unsubscribe(context: ClientContext) -> None:
    """Subscribe, and unsubscribe if the client sends it, carry its own connection_id, on the channel they are about."""
    end = context.connect()
    for channel in ("news", "äöü€😀", "with blanks", "c" * 255):
        context.subscribe(end, channel)
        context.unsubscribe(end, channel)
        for message in context.settle(end):
            end.expect_own_id(message)


BAD_CHANNELS = {
    "empty": "",
    "too-long": "c" * 256,
    "with-a-line-feed": "a\n",
    "with-nul": "\x00a",
    "with-half-a-surrogate-pair": "a\ud800",
}


def bad_channel(context: ClientContext, channel: str) -> None:
    """Tell the client to use a channel that there cannot be, and see it send nothing that is invalid."""
    end = context.connect()
    for command in ("send_request", "publish", "notify"):
        context.driver.begin(command, channel=channel, payload=1)
    for command in ("subscribe", "unsubscribe"):
        context.driver.begin(command, channel=channel)
    context.settle(end)  # which receives what was sent, and checks it


for _name, _channel in BAD_CHANNELS.items():
    add(
        Case(
            f"client-publish/channel-{_name}",
            ("ENV-001", "ENC-003") if "surrogate" in _name else ("ENV-001",),
            f"Told to use a channel whose name is {_name.replace('-', ' ')}, the client sends nothing that is invalid.",
            partial(bad_channel, channel=_channel),
            role="client",
        )
    )


def received(context: ClientContext, message_type: str, payload: Any) -> None:
    """Send a message from the server to a channel that the client is subscribed to."""
    end = context.connect()
    context.subscribe(end, "news")
    end.send(end.message(message_type, "news", payload))
    handed(context, end, [("news", "default", payload)])


for _type in ("publish", "notification"):
    for _name, _payload in PAYLOADS.items():
        add(
            Case(
                f"client-publish/{_type}-with-{_name}",
                ("SUB-019",),
                f"A {_type} whose payload is {_name.replace('-', ' ')} is handed to the channel's handler, once.",
                partial(received, message_type=_type, payload=_payload),
                role="client",
            )
        )


def sent(context: ClientContext, command: str, payload: Any) -> None:
    """Have the client publish or notify."""
    end = context.connect()
    context.driver.ask(command, channel="news", payload=payload)
    message = end.take({"publish": "publish", "notify": "notification"}[command], "news")
    if not codec.same(message["payload"], payload):
        raise Violation(
            "the client sent another payload than it was told to",
            expected=codec.shorten(payload),
            received=codec.shorten(message["payload"]),
        )


for _command in ("publish", "notify"):
    for _name in ("an-object", "an-array", "a-string", "a-number", "false", "null"):
        add(
            Case(
                f"client-publish/{_command}-of-{_name}",
                ("ENV-001", "ENC-001"),
                f"Told to {_command} {_name.replace('-', ' ')}, the client sends it as the payload.",
                partial(sent, command=_command, payload=PAYLOADS[_name]),
                role="client",
            )
        )


@client_case("client-publish/several-handlers", "SUB-019")
def several_handlers(context: ClientContext) -> None:
    """Two handlers of a channel are both given a message; the one that is left is when the other is removed."""
    end = context.connect()
    context.subscribe(end, "news", handler="first")
    context.driver.ask("subscribe", channel="news", handler="second")
    end.send(end.message("publish", "news", 1))
    handed(context, end, [("news", "first", 1), ("news", "second", 1)])
    context.driver.ask("unsubscribe", channel="news", handler="first")
    end.send(end.message("publish", "news", 2))
    handed(context, end, [("news", "second", 2)])


@client_case("client-publish/handler-that-fails", "SUB-019")
def failing_handler(context: ClientContext) -> None:
    """A handler that fails keeps neither the next message nor another handler from being called."""
    end = context.connect()
    context.subscribe(end, "news", handler="fails", fails=True)
    context.driver.ask("subscribe", channel="news", handler="works")
    end.send(end.message("publish", "news", 1), end.message("publish", "news", 2))
    handed(context, end, [("news", name, number) for number in (1, 2) for name in ("fails", "works")])


@client_case("client-publish/other-channels", "SUB-019")
def other_channels(context: ClientContext) -> None:
    """Messages on other channels are not handed to the handler, however alike the names are."""
    end = context.connect()
    context.subscribe(end, "News")
    for other in ("news", "News ", "New", "Newss", "*", "News.*", "__proto__", "constructor"):
        end.send(end.message("publish", other, "not for you"))
    end.send(end.message("publish", "News", "for you"))
    handed(context, end, [("News", "default", "for you")])


@client_case("client-publish/order", "SUB-019", seconds=0.2)
def order(context: ClientContext) -> None:
    """Three hundred messages on two channels are handed over, each once."""
    end = context.connect()
    for channel in ("a", "b"):
        context.subscribe(end, channel)
    for number in range(MANY):
        end.send(end.message("publish", "ab"[number % 2], number))
    handed(context, end, [("ab"[number % 2], "default", number) for number in range(MANY)])


@client_case("client-publish/after-unsubscribe", "SUB-019")
def after_unsubscribe(context: ClientContext) -> None:
    """A message that crosses the client's unsubscribe is not handed over any more."""
    end = context.connect()
    for channel in ("news", "other"):
        context.subscribe(end, channel)
    context.unsubscribe(end, "news")
    end.send(end.message("publish", "news", "late"), end.message("publish", "other", "behind it"))
    handed(context, end, [("other", "default", "behind it")])


@client_case("client-publish/unknown-members", "ENV-011")
def unknown_members(context: ClientContext) -> None:
    """Messages whose envelopes have members that the client does not know are handed over."""
    end = context.connect()
    context.subscribe(end, "news")
    for message_type in ("publish", "notification"):
        end.send(end.message(message_type, "news", message_type) | {"trace_id": "t", "retain": True, "__proto__": 1})
    handed(context, end, [("news", "default", "publish"), ("news", "default", "notification")])


@client_case("client-publish/reply-to", "SUB-019", "REQ-016")
def reply_to(context: ClientContext) -> None:
    """A publish with a reply_to, even that of a request in flight, goes to the handler and answers nothing."""
    end = context.connect()
    context.subscribe(end, "news")
    asked = context.driver.begin("send_request", channel="slow", payload=1)
    request = end.take("request", "slow")
    end.send(end.message("publish", "news", 1, reply_to="unknown"))
    end.send(end.message("publish", "news", 2, reply_to=request["message_id"]))
    end.respond(request, "mine")
    if context.driver.finish(asked)["response"]["payload"] != "mine":
        raise Violation("a publish was taken for the response to a request")
    handed(context, end, [("news", "default", 1), ("news", "default", 2)])


@client_case("client-publish/own-publish", "SUB-019")
def own_publish(context: ClientContext) -> None:
    """What the client publishes on a channel that it is subscribed to comes back and is handed over."""
    end = context.connect()
    context.subscribe(end, "news")
    context.driver.ask("publish", channel="news", payload="mine")
    end.send(end.take("publish", "news"))
    handed(context, end, [("news", "default", "mine")])


BAD_ENVELOPES: dict[str, dict[str, Any]] = {
    "payload-absent": {"payload": ...},
    "channel-a-number": {"channel_id": 5},
    "type-unknown": {"message_type": "broadcast"},
    "reply-to-a-number": {"reply_to": 5},
}


def bad_envelope(context: ClientContext, members: dict[str, Any]) -> None:
    """Send a message with a bad envelope ahead of a good one."""
    end = context.connect()
    context.subscribe(end, "news")
    bad = end.message("publish", "news", "bad") | members
    end.send({name: value for name, value in bad.items() if value is not ...}, end.message("publish", "news", "good"))
    handed(context, end, [("news", "default", "good")])


for _name, _members in BAD_ENVELOPES.items():
    add(
        Case(
            f"client-publish/bad-envelope-{_name}",
            ("ENV-013",),
            f"A message with {_name.replace('-', ' ')} is ignored, and the next one handed over.",
            partial(bad_envelope, members=_members),
            role="client",
        )
    )


@client_case("client-publish/subscribed-ahead-of-connect", "SUB-001")
def subscribed_ahead(context: ClientContext) -> None:
    """What was subscribed to before the client connected is subscribed to when it has."""
    context.create()
    early = context.begin_early("subscribe", "early")
    asked = context.driver.begin("connect")
    end = context.accept()
    end.shake_hands()
    context.expect_connected(asked)
    context.expect_taken(early)
    end.expect_own_id(end.take("subscribe", "early"))
    end.send(end.message("publish", "early", 1))
    handed(context, end, [("early", "default", 1)])
