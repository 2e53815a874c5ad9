"""What clients of protocol 1.1 promise about messages on their way to handlers: order, and when they come no more."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from conformance.cases.client.lifecycle import HELD_SECONDS
from conformance.core.verdicts import Late, Unsupported, Violation
from conformance.harness.client_context import ClientContext
from conformance.harness.decorators import client_case
from conformance.peers.server import ServerPeer
from conformance.protocol import codec
from conformance.protocol.codec import Message

MANY = 200
WAITING = 4
"""Messages that wait for a handler."""
WAIT_MS = 1500
LATE = "late"
"""Begins what the server sends when the client must not hand over anything any more."""


@client_case("client-publish/order-of-a-channel", "SUB-022", seconds=0.4)
def order(context: ClientContext) -> None:
    """Each of two handlers gets the publishes and notifications of a channel in the order in which they arrived."""
    end = context.connect()
    handlers = [(channel, name) for channel in ("a", "b") for name in ("first", "second")]
    for channel, name in handlers:
        context.driver.ask("subscribe", channel=channel, handler=name)
    context.settle(end)
    for number in range(MANY):
        kind = ("publish", "notification")[number // 2 % 2]
        end.send(end.message(kind, "ab"[number % 2], [number, "x" * (number % 7 * 300)]))
    events = context.handed_over(end, 2 * MANY)
    for channel, name in handlers:
        given = [
            payload[0] if isinstance(payload := event["message"]["payload"], list) and payload else payload
            for event in events
            if (event["channel"], event["handler"]) == (channel, name)
        ]
        wanted = list(range("ab".index(channel), MANY, 2))
        if given != wanted:
            raise (Violation if given != wanted[: len(given)] else Late)(
                "a handler was not given the messages of a channel in the order in which they arrived",
                expected=codec.shorten(wanted),
                received=codec.shorten(given),
            )


def hold_up(context: ClientContext, end: ServerPeer, held: str) -> Message:
    """Let messages wait for a handler that waits for a response; return the request.

    A client may give them to the handler at once, or stop to read meanwhile.
    """
    timeout = WAIT_MS * max(1.0, context.time_scale)
    context.react("news", held, "send_request", channel="asked", payload=1, timeout_ms=timeout)
    context.driver.ask("subscribe", channel="news", handler="other")
    context.settle(end)
    end.send(end.message("publish", "news", 0))
    request = end.take("request", "asked")
    end.send(*(end.message("publish", "news", number) for number in range(1, WAITING + 1)))
    context.driver.listen(HELD_SECONDS * context.time_scale)
    return request


def expect_none_handed(context: ClientContext, handlers: Sequence[str], why: str) -> None:
    """Show that handlers are given nothing more.

    Raises:
        Violation: they are. A single call may have begun before, and have been reported late.
    """
    context.driver.listen(HELD_SECONDS * context.time_scale)
    events = context.driver.take("message")
    for name in handlers:
        given = [event["message"]["payload"] for event in events if event["handler"] == name]
        is_new = any(str(each).startswith(LATE) for each in given)
        if given:
            kind = Violation if is_new or len(given) > 1 else Late
            raise kind(why, expected="no call of the handler", received=codec.shorten(given))


@client_case("client-handlers/one-that-is-removed-while-messages-wait", "SUB-024", seconds=0.6)
def removed_while_messages_wait(context: ClientContext) -> None:
    """Messages that wait for a handler are not given to it when it has been removed."""
    end = context.connect()
    request = hold_up(context, end, "leaver")
    told = context.driver.begin("unsubscribe", channel="news", handler="leaver")
    is_done = context.driver.is_answered(told, HELD_SECONDS * context.time_scale)
    if not is_done:  # a client may wait for the call that has begun
        end.respond(request, "mine")
    if "error" in context.driver.answer(told):
        raise Unsupported("the client does not remove a handler while it is called")
    context.driver.take("message")
    if is_done:
        end.respond(request, "mine")
    with contextlib.suppress(Late):  # a client may cancel the call that has begun
        context.reaction()
    expect_none_handed(context, ["leaver"], "a handler was given messages after its removal")


@client_case("client-lifecycle/nothing-handed-over-after-disconnect", "SUB-025", seconds=0.8)
def nothing_after_disconnect(context: ClientContext) -> None:
    """After disconnect no handler gets a message: neither one that waits, nor one that the server still sends."""
    end = context.connect()
    if "react" in context.driver.capabilities["commands"]:
        hold_up(context, end, "slow")
    else:
        context.driver.ask("subscribe", channel="news", handler="other")
    end.answers_ends = False
    told = context.driver.begin("disconnect")
    if not context.driver.is_answered(told, HELD_SECONDS * context.time_scale):
        end.read_ahead()
        end.end_sending()  # a client may wait for the server's end
    context.driver.answer(told)
    context.driver.take("message")
    for number in range(WAITING):
        if not end.was_reset:
            end.send(end.message("publish", "news", f"{LATE} {number}"))
    expect_none_handed(context, ["slow", "other"], "a handler was given messages after disconnect")
