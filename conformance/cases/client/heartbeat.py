"""SYS, on a client: pings, and what their absence means."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from conformance.core.verdicts import BrokenFrame, Late, Unsupported, Violation
from conformance.harness.client_context import ClientContext
from conformance.harness.decorators import client_case
from conformance.peers.server import ServerPeer
from conformance.protocol.codec import Message

INTERVAL_SECONDS = 0.2
PINGS = 5
INTERVALS_ALLOWED = 3.5
"""Until a client has noticed a loss: one, the rest of another one if it looks only when it pings, and some delay."""
SILENT_INTERVALS = 8
LATEST_PONG = 0.3
"""The part of an interval that the server takes to answer a ping."""
LEAST_INTERVALS = 0.75 * (PINGS - 1)
"""Until the last of the pings; the first one may come at once, and timers are coarse."""


def interval(context: ClientContext) -> float:
    """Return the interval to tell the client, in seconds."""
    return INTERVAL_SECONDS * max(1.0, context.time_scale)


def connect(context: ClientContext, **options: Any) -> ServerPeer:
    """Connect a client that pings at the interval, and leave its pings to the case."""
    end = context.connect(heartbeat_interval_ms=int(1000 * interval(context)), **options)
    end.answers_pings = False
    return end


@contextlib.contextmanager
def in_time() -> Iterator[None]:
    """Treat what goes wrong as late: a busy machine may delay a pong of the kit until the client gives up."""
    try:
        yield
    except BrokenFrame:
        raise
    except Violation as violation:
        raise Late(violation.message, expected=violation.expected, received=violation.received) from None


@client_case("client-heartbeat/pings-at-its-interval", "SYS-006", seconds=1.1)
def pings(context: ClientContext) -> None:
    """A client pings at the interval it is told, and stays connected while it is answered."""
    start = time.monotonic()
    end = connect(context)
    with in_time():
        for _ in range(PINGS):
            end.pong(end.take_ping())
        if time.monotonic() - start < interval(context) * LEAST_INTERVALS:
            raise Violation("the client pings more often than it was told to")
        end.answers_pings = True
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


@client_case("client-heartbeat/silence-is-no-loss", "SYS-008", seconds=1.8)
def silence(context: ClientContext) -> None:
    """A connection on which nothing arrives except the answers to pings stays."""
    end = connect(context)
    start = time.monotonic()
    with in_time():
        try:
            ping = await_ping(end)
        except Unsupported:
            if end.is_over:
                raise Violation("the client ended a connection on which nothing arrived") from None
            raise
        while time.monotonic() - start < SILENT_INTERVALS * interval(context):
            context.wait(LATEST_PONG * interval(context))
            end.pong(ping)
            ping = end.take_ping()
        end.pong(ping)
        end.answers_pings = True
        context.settle(end)


@client_case("client-heartbeat/pings-are-messages-like-others", "ENV-001", "ENV-004", "ENV-012", seconds=0.6)
def pings_are_messages(context: ClientContext) -> None:
    """The pings that a client sends by itself are valid messages with ids of their own."""
    end = connect(context)
    with in_time():
        for _ in range(3):
            end.pong(await_ping(end))


@client_case("client-heartbeat/unanswered-ping-is-a-loss", "SYS-007", seconds=0.5)
def unanswered(context: ClientContext) -> None:
    """A ping that is not answered within the interval makes the client end the connection and come back."""
    end = connect(context, reconnect_attempts=3)
    await_ping(end)
    end.expect_gone()
    with in_time():
        again = context.welcome_back()
        again.pong(again.take_ping())


@client_case("client-heartbeat/other-messages-are-no-answer", "SYS-007", seconds=0.5)
def other_messages(context: ClientContext) -> None:
    """Messages that arrive behind an unanswered ping do not stand for its answer."""
    end = connect(context)
    await_ping(end)
    end.send(end.message("publish", "news", 1), end.message("response", "news", 1, reply_to="nobody"))
    end.expect_gone()


@client_case("client-heartbeat/messages-all-the-time-are-no-answer", "SYS-007", seconds=1.0)
def messages_all_the_time(context: ClientContext) -> None:
    """A server that sends messages all the time, and answers no ping, is lost like one that is silent."""
    end = connect(context)
    await_ping(end)
    deadline = time.monotonic() + 2 * INTERVALS_ALLOWED * interval(context)
    while not end.is_over:
        end.send(end.message("publish", "news", 1), end.message("response", "news", 1, reply_to="nobody"))
        if time.monotonic() > deadline:
            raise Late("the client did not end the connection", expected="the end of the stream", received="nothing")
        context.wait(interval(context) / 5)
        end.read_ahead()


@client_case("client-heartbeat/loss-is-noticed-within-the-interval", "SYS-007", seconds=1.0)
def noticed_in_time(context: ClientContext) -> None:
    """An unanswered ping makes the client end the connection after one interval, not after several."""
    end = connect(context)
    await_ping(end)
    start = time.monotonic()
    end.expect_gone()
    passed = time.monotonic() - start
    if passed > interval(context) * INTERVALS_ALLOWED:
        raise Late(
            "the client noticed only after several intervals that a ping was not answered",
            expected=f"one interval of {interval(context):g} s",
            received=f"{passed:.2f} s",
        )


@client_case("client-heartbeat/loss-is-told", "SYS-007", "REQ-018", seconds=0.5)
def loss_is_told(context: ClientContext) -> None:
    """When a ping is not answered, the client says that it is not connected, and requests in flight fail."""
    end = connect(context)
    asked = context.driver.begin("send_request", channel="slow", payload=1, timeout_ms=60_000)
    if end.receive("a request")["channel_id"] == "slow":
        await_ping(end)
    else:  # a client may ping as soon as it is connected
        end.take("request", "slow")
    context.driver.failure(asked)
    context.await_loss()


@client_case("client-heartbeat/health-check", "REQ-016")
def health_check(context: ClientContext) -> None:
    """A health check pings the server, and is true when the pong comes."""
    end = context.connect()
    asked = context.driver.begin("health_check")
    end.pong(end.take_ping())
    context.settle(end)  # which answers another ping, if that one was the client's own
    if context.driver.finish(asked) != {"healthy": True}:
        raise Violation("a health check on a healthy connection is not true")
