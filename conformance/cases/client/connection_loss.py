"""What a client does when its connection is lost: fails what is in flight, comes back, subscribes again."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from conformance.cases.client.lifecycle import MOST_WAITS, ask_many, expect_waits, space_ms
from conformance.core.verdicts import Late, Violation
from conformance.harness.case import Case, add
from conformance.harness.client_context import QUICK_DELAY_MS, ClientContext, missing
from conformance.harness.decorators import client_case
from conformance.peers.server import ServerPeer
from conformance.protocol import codec

AT_ONCE_SECONDS = 1.5
REQUESTS = 5
DELAY_MS = 120
NOTICED_SECONDS = 0.1
"""For the end of a stream to be noticed by a client that need not tell anybody."""


def _half_a_frame(end: ServerPeer) -> None:
    end.send_octets(codec.header(100) + b'{"message_id')
    end.end_sending()


def _fatal_error(end: ServerPeer) -> None:
    end.send(end.error("shutting_down"))
    end.end_sending()


def _malformed(end: ServerPeer) -> None:
    end.send_body(b'{"message_id": ')


LOSSES: dict[str, Callable[[ServerPeer], None]] = {
    "end-of-stream": ServerPeer.end_sending,
    "reset": ServerPeer.reset,
    "end-inside-a-frame": _half_a_frame,
    "fatal-error": _fatal_error,
    "malformed-frame": _malformed,
}


def expect_renewed(context: ClientContext, end: ServerPeer, *wanted: str) -> None:
    """Show that the client subscribed to these channels after a loss.

    A client may subscribe once for each handler, and catch up on what changed during the loss: what counts is where its
    messages, one after the other, end. Each must name the client by the id of this connection (SUB-001). No rule
    forbids to subscribe to others, too: a client may drop what arrives there.

    Raises:
        Violation: it did not.
    """
    messages = []
    lacking = set(wanted)
    while lacking:
        messages.append(end.receive("a subscribe"))
        if messages[-1]["message_type"] == "subscribe":
            lacking.discard(messages[-1]["channel_id"])
    messages += context.settle(end)
    changes = [each for each in messages if each["message_type"] in ("subscribe", "unsubscribe")]
    latest = {each["channel_id"]: each["message_type"] for each in changes}
    if any(latest[channel] != "subscribe" for channel in wanted):
        raise Violation(
            "after a loss the client did not renew the subscriptions it has",
            expected=", ".join(wanted),
            received=codec.shorten(messages),
        )
    for each in changes:
        end.expect_own_id(each)


def pending_fail(context: ClientContext, lose: Callable[[ServerPeer], None]) -> None:
    """Lose the connection while requests are in flight that would wait for a minute."""
    end = context.connect()
    asked = ask_many(context, end, REQUESTS)
    start = time.monotonic()
    lose(end)
    for each, _ in asked:
        context.driver.failure(each)
    if time.monotonic() - start > AT_ONCE_SECONDS * context.time_scale:
        raise Late("requests in flight did not fail as soon as the connection was lost")


def comes_back(context: ClientContext, lose: Callable[[ServerPeer], None]) -> None:
    """Lose a connection with three subscriptions, one of which was ended; twice."""
    end = context.connect(reconnect_attempts=5)
    for channel in ("a", "b", "c"):
        context.subscribe(end, channel)
    context.unsubscribe(end, "b")
    for _ in range(2):
        lose(end)
        end = context.welcome_back()
        expect_renewed(context, end, "a", "c")
    end.send(end.message("publish", "a", "after the loss"))
    payloads = [event["message"]["payload"] for event in context.handed_over(end, 1)]
    if payloads != ["after the loss"]:
        raise missing(payloads, 1)("after a loss the client did not hand over what it subscribed to")


for _name, _lose in LOSSES.items():
    _what = _name.replace("-", " ")
    add(
        Case(
            f"client-loss/requests-fail-at-{_name}",
            ("REQ-018",),
            f"Requests in flight fail at once when the connection is lost by {_what}.",
            partial(pending_fail, lose=_lose),
            role="client",
        )
    )
    add(
        Case(
            f"client-loss/comes-back-after-{_name}",
            ("SUB-020", "HSK-001", "SUB-001"),
            f"After a loss by {_what} the client connects again and renews the subscriptions it has.",
            partial(comes_back, lose=_lose),
            role="client",
            seconds=0.3,
        )
    )


@client_case("client-loss/subscriptions-changed-during-the-loss", "SUB-020", seconds=0.3)
def changed_during_the_loss(context: ClientContext) -> None:
    """What the client subscribes to and unsubscribes from while it has no connection counts when it has one again."""
    end = context.connect(reconnect_attempts=5, reconnect_delay_ms=3 * DELAY_MS)
    for channel in ("a", "b"):
        context.subscribe(end, channel)
    end.end_sending()
    context.await_loss()
    early = [context.begin_early("subscribe", "c"), context.begin_early("unsubscribe", "a")]
    again = context.welcome_back()
    context.expect_taken(*early)
    expect_renewed(context, again, "b", "c")


@client_case("client-loss/told-to-connect-again", "SUB-020")
def told_to_connect_again(context: ClientContext) -> None:
    """A client that is told to connect again after a loss renews the subscriptions it has, too."""
    end = context.connect()
    for channel in ("a", "b"):
        context.subscribe(end, channel)
    end.end_sending()
    context.wait(NOTICED_SECONDS * context.time_scale)
    asked = context.driver.begin("connect")
    again = context.accept_again(asked)
    again.shake_hands()
    context.expect_connected(asked)
    expect_renewed(context, again, "a", "b")


@client_case("client-loss/requests-fail-at-disconnect", "REQ-018")
def requests_fail_at_disconnect(context: ClientContext) -> None:
    """Requests in flight fail at once when the client is told to disconnect."""
    end = context.connect()
    asked = ask_many(context, end, REQUESTS)
    context.driver.ask("disconnect")
    for each, _ in asked:
        context.driver.failure(each)


@client_case("client-loss/attempts-are-spaced", "HSK-027", seconds=0.5)
def attempts_are_spaced(context: ClientContext) -> None:
    """The client lets time pass ahead of its attempts to come back."""
    end = context.connect(reconnect_attempts=MOST_WAITS, reconnect_delay_ms=space_ms(context))
    expect_waits(context, end, ServerPeer.end_sending)


def _use_anew(context: ClientContext, end: ServerPeer) -> ServerPeer:
    """Have the client disconnect and connect, so that its next attempt to come back is the first one again."""
    end.shake_hands()
    told = context.driver.begin("disconnect")
    end.expect_gone()
    context.driver.answer(told)
    asked = context.driver.begin("connect")
    again = context.accept_again(asked)
    again.shake_hands()
    context.expect_connected(asked)
    return again


@client_case("client-loss/first-attempts-are-spaced", "HSK-027", seconds=0.5)
def first_attempts_are_spaced(context: ClientContext) -> None:
    """The client also lets time pass ahead of its first attempt to come back."""
    end = context.connect(reconnect_attempts=MOST_WAITS, reconnect_delay_ms=space_ms(context))
    expect_waits(context, end, ServerPeer.end_sending, partial(_use_anew, context))


@client_case("client-loss/refused-attempts", "HSK-029", seconds=0.6)
def refused_attempts(context: ClientContext) -> None:
    """While nobody listens the client lives on, tells its user, and ends its process when it is told to."""
    end = context.connect(reconnect_attempts=2)
    context.stop_listening()
    end.end_sending()
    context.await_loss()
    context.wait(4 * QUICK_DELAY_MS / 1000)
    context.await_connected(False, "the client says that it is connected while nobody listens")
    context.driver.ask("disconnect")
    context.expect_exit()


@client_case("client-loss/disconnect-ends-the-attempts", "HSK-029", seconds=0.4)
def disconnect_ends_the_attempts(context: ClientContext) -> None:
    """Told to disconnect while it waits to connect again, the client ends what it has begun, and its process."""
    end = context.connect(reconnect_attempts=5, reconnect_delay_ms=DELAY_MS)
    end.end_sending()
    context.await_loss()
    told = context.driver.begin("disconnect")
    if begun := context.accept_within(2 * DELAY_MS / 1000 * context.time_scale):  # before it was told
        begun.expect_gone()
    context.driver.answer(told)
    context.expect_exit()
