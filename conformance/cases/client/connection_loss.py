"""What a client does when its connection is lost: fails what is in flight, comes back, subscribes again."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from conformance.core.verdicts import Violation
from conformance.harness.case import Case, add
from conformance.harness.client_context import QUICK_DELAY_MS, ClientContext
from conformance.harness.decorators import client_case
from conformance.peers.server import ServerPeer
from conformance.protocol import codec

AT_ONCE_SECONDS = 1.5
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


def pending_fail(context: ClientContext, lose: Callable[[ServerPeer], None]) -> None:
    """Lose the connection while requests are in flight that would wait for a minute."""
    end = context.connect()
    asked = [context.driver.begin("send_request", channel="slow", payload=n, timeout_ms=60_000) for n in range(5)]
    for _ in asked:
        end.take("request", "slow")
    start = time.monotonic()
    lose(end)
    for each in asked:
        context.driver.failure(each)
    if time.monotonic() - start > AT_ONCE_SECONDS * context.time_scale:
        raise Violation("requests in flight did not fail as soon as the connection was lost")


def comes_back(context: ClientContext, lose: Callable[[ServerPeer], None]) -> None:
    """Lose a connection with three subscriptions, one of which was ended; twice."""
    end = context.connect(reconnect_attempts=5)
    for channel in ("a", "b", "c"):
        context.subscribe(end, channel)
    context.unsubscribe(end, "b")
    for _ in range(2):
        lose(end)
        end = context.accept()
        end.shake_hands()
        renewed = {end.take("subscribe")["channel_id"] for _ in range(2)}
        if renewed != {"a", "c"}:
            raise Violation(
                "after a loss the client did not renew its subscriptions", expected="a and c", received=str(renewed)
            )
        if further := context.settle(end):
            raise Violation("after a loss the client subscribed to more than it was", received=codec.shorten(further))
    end.send(end.message("publish", "a", "after the loss"))
    if [event["message"]["payload"] for event in context.handed_over(end)] != ["after the loss"]:
        raise Violation("after a loss the client did not hand over what it subscribed to")


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
    context.driver.expect("disconnected")
    context.subscribe_early("c")
    context.driver.ask("unsubscribe", channel="a")
    again = context.accept()
    again.shake_hands()
    renewed = [again.take("subscribe")["channel_id"] for _ in range(2)]
    if sorted(renewed) != ["b", "c"] or context.settle(again):
        raise Violation(
            "after a loss the client did not renew exactly the subscriptions it has",
            expected="b and c",
            received=str(renewed),
        )


@client_case("client-loss/told-to-connect-again", "SUB-020")
def told_to_connect_again(context: ClientContext) -> None:
    """A client that is told to connect again after a loss renews the subscriptions it has, too."""
    end = context.connect()
    for channel in ("a", "b"):
        context.subscribe(end, channel)
    end.end_sending()
    context.wait(NOTICED_SECONDS * context.time_scale)
    asked = context.driver.begin("connect")
    again = context.accept()
    again.shake_hands()
    context.expect_connected(asked)
    renewed = {again.take("subscribe")["channel_id"] for _ in range(2)}
    if renewed != {"a", "b"}:
        raise Violation(
            "after a loss the client did not renew its subscriptions", expected="a and b", received=str(renewed)
        )
    context.settle(again)


@client_case("client-loss/requests-fail-at-disconnect", "REQ-018")
def requests_fail_at_disconnect(context: ClientContext) -> None:
    """Requests in flight fail at once when the client is told to disconnect."""
    end = context.connect()
    asked = [context.driver.begin("send_request", channel="slow", payload=n, timeout_ms=60_000) for n in range(5)]
    for _ in asked:
        end.take("request", "slow")
    context.driver.ask("disconnect")
    for each in asked:
        context.driver.failure(each)


@client_case("client-loss/events", "REQ-018")
def events(context: ClientContext) -> None:
    """The client tells its user that the connection is lost, and that it is there again."""
    end = context.connect(reconnect_attempts=5)
    context.driver.expect("connected")
    end.reset()
    context.driver.expect("disconnected")
    again = context.accept()
    again.shake_hands()
    context.driver.expect("connected")
    context.settle(again)


@client_case("client-loss/attempts-are-spaced-and-end", "HSK-027", seconds=0.8)
def attempts(context: ClientContext) -> None:
    """The client waits ahead of each attempt to come back, and makes as many as it was told to."""
    end = context.connect(reconnect_attempts=3, reconnect_delay_ms=DELAY_MS)
    end.end_sending()
    before = time.monotonic()
    for _ in range(3):
        context.accept().end_sending()
        now = time.monotonic()
        if now - before < DELAY_MS / 1000 * 0.8:
            raise Violation("the client connected again without letting time pass", received=f"{now - before:.3f} s")
        before = now
    context.expect_no_connection(3 * DELAY_MS / 1000, "the client made more attempts than it was told to")


@client_case("client-loss/refused-attempts", "HSK-027", seconds=0.6)
def refused_attempts(context: ClientContext) -> None:
    """While nobody listens the client lives on, tells its user, and ends its process when it is told to."""
    end = context.connect(reconnect_attempts=2)
    context.stop_listening()
    end.end_sending()
    context.driver.expect("disconnected")
    context.wait(4 * QUICK_DELAY_MS / 1000)
    if context.driver.ask("connection_info")["connected"]:
        raise Violation("the client says that it is connected while nobody listens")
    context.driver.ask("disconnect")
    status = context.driver.exit_status()
    if status != 0:
        raise Violation("the client's process did not end by itself", expected="exit status 0", received=str(status))


@client_case("client-loss/disconnect-ends-the-attempts", "HSK-027", seconds=0.4)
def disconnect_ends_the_attempts(context: ClientContext) -> None:
    """Told to disconnect while it waits to connect again, the client does not connect any more."""
    end = context.connect(reconnect_attempts=5, reconnect_delay_ms=DELAY_MS)
    end.end_sending()
    context.driver.expect("disconnected")
    context.driver.ask("disconnect")
    context.expect_no_connection(2 * DELAY_MS / 1000, "the client connected again after it was told to disconnect")
