"""REQ and ERR, on a client: which response belongs to which request, and what answers nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from conformance.cases.client.lifecycle import ask_many
from conformance.core.verdicts import Unsupported, Violation
from conformance.harness.case import Case, add
from conformance.harness.client_context import ClientContext
from conformance.harness.decorators import client_case
from conformance.peers.server import ServerPeer
from conformance.protocol import codec
from conformance.protocol.codec import Message

SHORT_TIMEOUT_MS = 100
MANY, VERY_MANY = 500, 10_000
QUIET_SECONDS = 0.2
"""If no request comes for so long, the client may be waiting for answers."""
LIMITED_SECONDS = 0.005
"""The same, once that has been seen: such a client may send one after another."""
CODES = (
    *("invalid_message", "app_mismatch", "forbidden", "reserved_channel", "already_connected", "unknown_action"),
    *("no_handler", "handler_failed", "a_code_of_the_future"),
)


def ask(context: ClientContext, end: ServerPeer, number: int) -> tuple[int, Message]:
    """Have the client make a request; return the command's id and the request."""
    asked = context.driver.begin("send_request", channel="numbers", payload=number)
    return asked, end.take("request", "numbers")


def expect_answer(context: ClientContext, asked: int, payload: Any) -> None:
    """Show that a request resolved to the response with that payload."""
    answer = context.driver.finish(asked)["response"]
    if not codec.same(answer["payload"], payload):
        raise Violation(
            "a request resolved to another response than its own",
            expected=codec.shorten(payload),
            received=codec.shorten(answer),
        )


@client_case("client-requests/answers-in-any-order", "REQ-016")
def answers_in_any_order(context: ClientContext) -> None:
    """Responses in the reverse order of their requests each resolve their own."""
    end = context.connect()
    pairs = ask_many(context, end, 10)
    if len(pairs) == 1:
        raise Unsupported("the client sends one request after another")
    for _, request in reversed(pairs):
        end.respond(request, {"to": request["payload"]})
    for asked, request in pairs:
        expect_answer(context, asked, {"to": request["payload"]})


def _answer(end: ServerPeer, waiting: list[Message]) -> None:
    """Respond to requests, the last one first, and forget them."""
    end.send(*(end.response(request, {"n": request["payload"]}) for request in reversed(waiting)))
    waiting.clear()


@client_case("client-requests/many-in-flight", "REQ-016", "ENV-004", seconds=0.4)
def many_in_flight(context: ClientContext) -> None:
    """Hundreds of requests in flight (with --soak ten thousand) have ids of their own, and each gets its response."""
    end = context.connect()
    number = VERY_MANY if context.settings.soak_seconds else MANY
    context.driver.patience *= 3  # a busy client answers behind what it makes of hundreds of commands
    asked = [
        context.driver.begin("send_request", channel="numbers", payload=n, timeout_ms=60_000) for n in range(number)
    ]
    waiting: list[Message] = []
    quiet = QUIET_SECONDS
    for _ in range(number):
        request = end.take_within(quiet, "request", "numbers") if waiting else end.take("request", "numbers")
        if request is None:  # a client may limit its requests in flight
            _answer(end, waiting)
            request, quiet = end.take("request", "numbers"), LIMITED_SECONDS
        waiting.append(request)
    _answer(end, waiting)
    for n, each in enumerate(asked):
        expect_answer(context, each, {"n": n})


@client_case("client-requests/response-on-another-channel", "REQ-016")
def response_on_another_channel(context: ClientContext) -> None:
    """A response is recognised by its reply_to, whatever its channel, as the one to an error without a channel."""
    end = context.connect()
    asked, request = ask(context, end, 1)
    end.send(end.response(request, "mine") | {"channel_id": "system"})
    expect_answer(context, asked, "mine")


@client_case("client-requests/payload-that-looks-like-an-acknowledgement", "REQ-016", "REQ-017")
def looks_like_an_acknowledgement(context: ClientContext) -> None:
    """A second acknowledgement on an open connection changes nothing, and a response that looks like one is one."""
    end = context.connect()
    end.send(end.acknowledgement())
    asked, request = ask(context, end, 1)
    end.respond(request, {"status": "connected", "connection_id": "somebody"})
    expect_answer(context, asked, {"status": "connected", "connection_id": "somebody"})
    context.settle(end)


def stray(context: ClientContext, made: Callable[[ServerPeer, Message], Message]) -> None:
    """Send a response that answers nothing between a request and its response."""
    end = context.connect()
    answered, old = ask(context, end, 0)
    end.respond(old, "old")
    expect_answer(context, answered, "old")
    asked, request = ask(context, end, 1)
    end.send(made(end, old))
    end.respond(request, "mine")
    expect_answer(context, asked, "mine")
    context.settle(end)
    if context.driver.take("message"):
        raise Violation("a response that answers nothing was handed to a handler")


STRAYS: dict[str, tuple[str, Callable[[ServerPeer, Message], Message]]] = {
    "second": ("A second response to a request", lambda end, old: end.response(old, "again")),
    "unknown": (
        "A response to a request that was never made",
        lambda end, _: end.message("response", "numbers", "stray", reply_to="never-made"),
    ),
    "reply-to-null": ("A response that names no request", lambda end, _: end.message("response", "numbers", "stray")),
    "reply-to-absent": (
        "A response without a reply_to",
        lambda end, _: {
            name: value for name, value in end.message("response", "numbers", 1).items() if name != "reply_to"
        },
    ),
    "error-about-nothing-in-flight": (
        "An error that is about no request in flight",
        lambda end, old: end.error("handler_failed", old),
    ),
    "prototype": (
        "A response to __proto__",
        lambda end, _: end.message("response", "numbers", "stray", reply_to="__proto__"),
    ),
}
for _name, (_what, _made) in STRAYS.items():
    add(
        Case(
            f"client-requests/stray-response-{_name}",
            ("REQ-017",),
            f"{_what} is ignored.",
            partial(stray, made=_made),
            role="client",
        )
    )


@client_case("client-requests/late-response", "REQ-017", seconds=0.2)
def late_response(context: ClientContext) -> None:
    """The response to a request that was given up is ignored."""
    end = context.connect()
    asked = context.driver.begin("send_request", channel="slow", payload=1, timeout_ms=SHORT_TIMEOUT_MS)
    request = end.take("request", "slow")
    context.driver.failure(asked)
    end.respond(request, "late")
    asked, request = ask(context, end, 2)
    end.respond(request, "in time")
    expect_answer(context, asked, "in time")


def error_answer(context: ClientContext, code: str) -> None:
    """Answer a request with an error."""
    end = context.connect()
    asked, request = ask(context, end, 1)
    answer = end.error(code, request)
    end.send(answer)
    told = context.driver.answer(asked)
    text = codec.encode(told).decode()
    if code not in text:
        raise Violation(
            "an error answer did not reach who made the request", expected=code, received=codec.shorten(told)
        )
    context.settle(end)


for _code in CODES:
    add(
        Case(
            f"client-requests/error-{_code.replace('_', '-')}",
            ("ERR-010",),
            f"The error answer {_code} reaches who made the request, and the connection goes on.",
            partial(error_answer, code=_code),
            role="client",
        )
    )


@client_case("client-requests/error-about-a-publish", "REQ-017")
def error_about_a_publish(context: ClientContext) -> None:
    """An error answer to a publish resolves no request, and the connection goes on."""
    end = context.connect()
    asked, request = ask(context, end, 1)
    context.driver.ask("publish", channel="news", payload=1)  # a client may refuse to publish where no client may
    end.send(end.error("reserved_channel", end.take("publish")))
    end.respond(request, "mine")
    expect_answer(context, asked, "mine")
    context.settle(end)


@client_case("client-requests/unknown-members", "ENV-011")
def unknown_members(context: ClientContext) -> None:
    """A response whose envelope has members that the client does not know is the response."""
    end = context.connect()
    asked, request = ask(context, end, 1)
    end.send(end.response(request, "mine") | {"trace_id": "t", "__proto__": {"x": 1}, "error": "none"})
    expect_answer(context, asked, "mine")


COMPLETED: dict[str, tuple[Any, bool]] = {
    "object": ({"a": 1}, True),
    "object-that-has-one": ({"connection_id": "mine"}, False),
    "array": ([1], False),
    "string": ("x", False),
    "null": (None, False),
}


def completed(context: ClientContext, payload: Any, *, adds: bool) -> None:
    """Compare the payload of a request with what the client was told to send."""
    end = context.connect()
    context.driver.begin("send_request", channel="completed", payload=payload)
    wanted = payload | {"connection_id": end.connection_id} if adds else payload
    sent = end.take("request", "completed")["payload"]
    if not codec.same(sent, wanted):
        raise Violation(
            "the payload of a request is not completed as it should",
            expected=codec.shorten(wanted),
            received=codec.shorten(sent),
        )


for _name, (_payload, _adds) in COMPLETED.items():
    add(
        Case(
            f"client-requests/connection-id-in-{_name}",
            ("REQ-006",),
            f"The payload of a request, {_name.replace('-', ' ')}, {'gets an id' if _adds else 'is left alone'}.",
            partial(completed, payload=_payload, adds=_adds),
            role="client",
        )
    )


@client_case("client-requests/fresh-message-ids", "ENV-004", seconds=0.2)
def fresh_message_ids(context: ClientContext) -> None:
    """A hundred messages of every kind have a hundred ids (the kit compares each)."""
    end = context.connect()
    for number in range(20):
        channel = f"channel-{number}"
        context.subscribe(end, channel)
        context.driver.ask("publish", channel=channel, payload=number)
        end.take("publish")
        context.unsubscribe(end, channel)
        asked, request = ask(context, end, number)
        end.respond(request, number)
        expect_answer(context, asked, number)
