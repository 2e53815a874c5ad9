"""SYS, on a client: pings, and what their absence means."""

from __future__ import annotations

import time

from conformance.core.verdicts import Unsupported, Violation
from conformance.harness.client_context import ClientContext
from conformance.harness.decorators import client_case
from conformance.peers.server import ServerPeer
from conformance.protocol.codec import Message

INTERVAL_MS = 150
LONG_INTERVAL_MS = 400
INTERVALS_ALLOWED = 3
"""Instead of one, for machines are busy."""
TOLERANCE = 0.4
"""An interval may be so much shorter than it should, of one; timers are coarse and machines are busy."""


@client_case("client-heartbeat/pings-at-its-interval", "SYS-006", seconds=0.6)
def pings(context: ClientContext) -> None:
    """A client pings at the interval it is told, and stays connected while it is answered."""
    end = context.connect(heartbeat_interval_ms=INTERVAL_MS)
    start = time.monotonic()
    for _ in range(3):
        end.pong(end.take_ping())
    if time.monotonic() - start < 3 * INTERVAL_MS / 1000 * (1 - TOLERANCE):
        raise Violation("the client pings more often than it was told to")
    context.settle(end)


def await_ping(end: ServerPeer) -> Message:
    """Receive a ping and return it.

    Raises:
        Unsupported: none comes; a client need not send any (SYS-006).
    """
    try:
        end.wait_for_octets()
    except Violation:
        raise Unsupported("the client sends no pings by itself") from None
    return end.take_ping()


@client_case("client-heartbeat/pings-are-messages-like-others", "ENV-001", "ENV-004", "ENV-012", seconds=0.6)
def pings_are_messages(context: ClientContext) -> None:
    """The pings that a client sends by itself are valid messages with ids of their own."""
    end = context.connect(heartbeat_interval_ms=INTERVAL_MS)
    for _ in range(3):
        end.pong(await_ping(end))


@client_case("client-heartbeat/unanswered-ping-is-a-loss", "SYS-007", seconds=0.5)
def unanswered(context: ClientContext) -> None:
    """A ping that is not answered within the interval makes the client end the connection and come back."""
    end = context.connect(heartbeat_interval_ms=INTERVAL_MS, reconnect_attempts=3)
    await_ping(end)
    end.expect_gone()
    again = context.accept()
    again.shake_hands()
    again.pong(again.take_ping())


@client_case("client-heartbeat/other-messages-are-no-answer", "SYS-007", seconds=0.5)
def other_messages(context: ClientContext) -> None:
    """Messages that arrive behind an unanswered ping do not stand for its answer."""
    end = context.connect(heartbeat_interval_ms=INTERVAL_MS)
    await_ping(end)
    end.send(end.message("publish", "news", 1), end.message("response", "news", 1, reply_to="nobody"))
    end.expect_gone()


@client_case("client-heartbeat/loss-is-noticed-within-the-interval", "SYS-007", seconds=1.0)
def noticed_in_time(context: ClientContext) -> None:
    """An unanswered ping makes the client end the connection after one interval, not after several."""
    end = context.connect(heartbeat_interval_ms=LONG_INTERVAL_MS)
    await_ping(end)
    start = time.monotonic()
    end.expect_gone()
    if time.monotonic() - start > LONG_INTERVAL_MS / 1000 * INTERVALS_ALLOWED:
        raise Violation(
            "the client noticed only after several intervals that a ping was not answered",
            expected=f"one interval of {LONG_INTERVAL_MS} ms",
            received=f"{(time.monotonic() - start) * 1000:.0f} ms",
        )


@client_case("client-heartbeat/loss-is-told", "SYS-007", "REQ-018", seconds=0.5)
def loss_is_told(context: ClientContext) -> None:
    """When a ping is not answered, the user is told of the loss and requests in flight fail."""
    end = context.connect(heartbeat_interval_ms=INTERVAL_MS)
    asked = context.driver.begin("send_request", channel="slow", payload=1, timeout_ms=60_000)
    end.take("request", "slow")
    await_ping(end)
    context.driver.failure(asked)
    context.driver.expect("disconnected")


@client_case("client-heartbeat/health-check", "REQ-016")
def health_check(context: ClientContext) -> None:
    """A health check pings the server, and is true when the pong comes."""
    end = context.connect()
    asked = context.driver.begin("health_check")
    end.pong(end.take_ping())
    if context.driver.finish(asked) != {"healthy": True}:
        raise Violation("a health check on a healthy connection is not true")
