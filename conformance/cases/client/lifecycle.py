"""What a client does with the orders of connect, disconnect, loss, acknowledgement and timers."""

from __future__ import annotations

import time
from collections.abc import Callable

from conformance.cases.client.heartbeat import await_ping, in_time, interval
from conformance.cases.client.heartbeat import connect as connect_with_heartbeat
from conformance.core.verdicts import Unsupported, Violation
from conformance.harness.client_context import ClientContext
from conformance.harness.decorators import client_case
from conformance.peers.server import ServerPeer
from conformance.protocol import codec

HELD_SECONDS = 0.15
"""Long enough for a client that does not wait to have done something."""
LOOK_SECONDS = 0.01
SPACE_MS = 300
"""The delay ahead of attempts whose waits are measured. Attempts that wait for nothing take far less time."""
MOST_WAITS = 8
"""So many waits together are shorter than the delay once in 8! = 40320 runs, if the client draws each of them evenly
from zero to the delay (full jitter). A client that does not wait makes so many attempts in much less than the delay."""
SMALL_LIMIT, LARGE_LIMIT = 2_000, 100_000
PINGING_INTERVALS = 4
MOST_PINGS = 7
"""In so many intervals: one at once, one for each interval, and two for coarse timers."""


def expect_answer(context: ClientContext, asked: int) -> None:
    """Show that a request resolved to the response "mine".

    Raises:
        Violation: it failed, or resolved to something else.
    """
    answer = context.driver.answer(asked)
    if answer.get("result", {}).get("response", {}).get("payload") != "mine":
        raise Violation("a request did not resolve to its response", expected='"mine"', received=codec.shorten(answer))


def ask(context: ClientContext, end: ServerPeer) -> tuple[int, codec.Message]:
    """Have the client send a request that would wait for a minute; return the command's id and the request."""
    asked = context.driver.begin("send_request", channel="slow", payload=1, timeout_ms=60_000)
    return asked, end.take("request", "slow")


def ask_many(context: ClientContext, end: ServerPeer, count: int) -> list[tuple[int, codec.Message]]:
    """Have the client send requests that would wait for a minute; return as :func:`ask` those that it sends at once.

    No rule says how many a client sends while others wait for their responses.

    Raises:
        Violation: none comes, or one with another payload.
    """
    asked = [context.driver.begin("send_request", channel="slow", payload=n, timeout_ms=60_000) for n in range(count)]
    sent = [end.take("request", "slow")]
    while len(sent) < count and (request := end.take_within(HELD_SECONDS * context.time_scale, "request", "slow")):
        sent.append(request)
    if wrong := [each for each in sent if each["payload"] not in range(count)]:
        raise Violation("a request does not have the payload that it was given", received=codec.shorten(wrong[0]))
    return [(asked[int(request["payload"])], request) for request in sent]


def leave(context: ClientContext, end: ServerPeer) -> int:
    """Tell the client to disconnect, do not end this side, and return the id of the command."""
    end.answers_ends = False
    told = context.driver.begin("disconnect")
    deadline = time.monotonic() + HELD_SECONDS * context.time_scale
    while not end.is_over and time.monotonic() < deadline:  # whether it ends its side is for other cases (HSK-028)
        context.wait(LOOK_SECONDS)
        end.read_ahead()
    return told


def acknowledge_late(context: ClientContext, end: ServerPeer) -> None:
    """Acknowledge a connect message a moment after it has come, and show that the client sent nothing else until then.

    Raises:
        Violation: it did (HSK-002).
    """
    context.wait(HELD_SECONDS * context.time_scale)
    if end.has_arrived():
        raise Violation("the client did not wait for the acknowledgement", received=codec.shorten(end.receive()))
    end.acknowledge()


def refuse(end: ServerPeer) -> None:
    """Refuse a connection because there are too many: a client may try again."""
    end.send(end.error("too_many_connections", end.take_connect(), app_id="system"))
    end.end_sending()


def accept_attempt(context: ClientContext) -> ServerPeer:
    """Return the connection that the client makes by itself.

    Raises:
        Unsupported: it makes none; no rule says whether it tries, and how often.
    """
    end = context.accept_within(context.driver.patience)
    if end is None:
        raise Unsupported("the client makes too few attempts to come back to see whether it waits")
    return end


def space_ms(context: ClientContext) -> int:
    """Return the delay for attempts whose waits are measured."""
    return int(SPACE_MS * max(1.0, context.time_scale))


def expect_waits(
    context: ClientContext,
    end: ServerPeer,
    lose: Callable[[ServerPeer], None],
    follow: Callable[[ServerPeer], ServerPeer] = lambda end: end,
) -> ServerPeer:
    """Lose a connection, and each that follows, until the client's waits add up to its delay, `space_ms`.

    Args:
        context: of the case; the client has that delay.
        end: the connection.
        lose: ends a connection.
        follow: is given the connection that the client then makes, and returns the one to lose next.

    Returns:
        The latest connection.

    Raises:
        Unsupported: the client makes no further attempt; no rule says whether it tries, and how often.
        Violation: so many waits (`MOST_WAITS`) do not add up to the delay.
    """
    waited, enough = 0.0, space_ms(context) / 1000
    for _ in range(MOST_WAITS):
        lose(end)
        before = time.monotonic()
        end = accept_attempt(context)
        waited += time.monotonic() - before
        if waited >= enough:
            return end
        end = follow(end)
    raise Violation(
        "the client connected again without letting time pass",
        expected=f"{enough:g} s in {MOST_WAITS} attempts",
        received=f"{waited:.3f} s",
    )


@client_case("client-lifecycle/connect-after-disconnect", "HSK-001", "REQ-016", seconds=0.3)
def connect_after_disconnect(context: ClientContext) -> None:
    """A client that is used again after disconnect shakes hands as it did the first time."""
    context.settle(context.connect())
    for _ in range(2):
        context.driver.ask("disconnect")
        asked = context.driver.begin("connect")
        end = context.accept_again(asked)
        end.shake_hands()
        context.expect_connected(asked)
        context.settle(end)


@client_case(
    "client-lifecycle/nothing-ahead-of-the-acknowledgement-after-disconnect", "HSK-002", "HSK-032", seconds=0.4
)
def nothing_ahead(context: ClientContext) -> None:
    """A client that is used again after disconnect waits for the acknowledgement as it did the first time."""
    context.settle(context.connect())
    context.driver.ask("disconnect")
    asked = context.driver.begin("connect")
    end = context.accept_again(asked)
    end.take_connect()
    context.driver.begin("publish", channel="early", payload=1)
    acknowledge_late(context, end)
    context.expect_connected(asked)
    context.settle(end)


@client_case("client-lifecycle/disconnect-ends-every-attempt", "HSK-029", seconds=0.3)
def disconnect_ends_every_attempt(context: ClientContext) -> None:
    """Told to connect twice at once and then to disconnect, the client ends whatever connections it has made."""
    context.create()
    asked = [context.driver.begin("connect") for _ in range(2)]
    ends = [context.accept()]
    while further := context.accept_within(HELD_SECONDS * context.time_scale):
        ends.append(further)
    for end in ends:
        end.take_connect()
    told = context.driver.begin("disconnect")
    for end in ends:
        end.expect_gone()
    for each in (*asked, told):
        context.driver.answer(each)
    context.expect_exit()


@client_case("client-lifecycle/disconnect-while-coming-back", "HSK-029", seconds=0.3)
def disconnect_while_coming_back(context: ClientContext) -> None:
    """Told to disconnect while it waits for the acknowledgement after a loss, the client ends that connection, too."""
    context.connect(reconnect_attempts=5).end_sending()
    again = context.accept_back()
    again.take_connect()
    told = context.driver.begin("disconnect")
    again.expect_gone()
    context.driver.answer(told)
    context.expect_exit()


@client_case("client-lifecycle/late-end-of-an-old-connection", "REQ-016", seconds=0.5)
def late_end(context: ClientContext) -> None:
    """A server that is slow to end a connection does not disturb the next one of the client."""
    old = context.connect()
    told = leave(context, old)
    asked = context.driver.begin("connect")
    end = context.accept_within(HELD_SECONDS * context.time_scale)
    if end is None:  # a client may wait for the end of the old one
        old.end_sending()
        end = context.accept_again(asked)
    end.shake_hands()
    context.expect_connected(asked)
    request_asked, request = ask(context, end)
    old.reset()
    context.driver.answer(told)
    context.wait(HELD_SECONDS * context.time_scale)
    end.respond(request, "mine")
    expect_answer(context, request_asked)


@client_case("client-lifecycle/heartbeats-of-lost-connections", "SYS-006", seconds=1.5)
def heartbeats_of_lost_connections(context: ClientContext) -> None:
    """After several losses the client pings as often as it did on its first connection."""
    end = connect_with_heartbeat(context, reconnect_attempts=9)
    for _ in range(3):
        end.answers_pings = True
        context.settle(end)
        end.end_sending()
        end = context.welcome_back()
    end.answers_pings = False
    start = time.monotonic()
    pings = 0
    with in_time():
        while time.monotonic() - start < PINGING_INTERVALS * interval(context):
            end.pong(await_ping(end))
            pings += 1
        if pings > MOST_PINGS:
            raise Violation(
                "the client pings more often than it was told to",
                expected=f"at most {MOST_PINGS} pings in {PINGING_INTERVALS} intervals",
                received=str(pings),
            )


def _end_at_once(end: ServerPeer) -> None:
    end.shake_hands()
    end.end_sending()


@client_case("client-lifecycle/attempts-after-short-connections-are-spaced", "HSK-027", seconds=2.4)
def short_connections(context: ClientContext) -> None:
    """The client also waits when a connection is acknowledged and ended at once, or refused with an error."""
    context.connect(reconnect_attempts=2 * MOST_WAITS + 1, reconnect_delay_ms=space_ms(context)).end_sending()
    end = accept_attempt(context)
    for lose in (_end_at_once, refuse):
        end = expect_waits(context, end, lose)


def _come_back(context: ClientContext, first: int, second: int) -> ServerPeer:
    """Have the client lose a server with one limit, and come back to one with another."""
    end = context.connect(acknowledgement={"limits": {"max_frame_bytes": first}}, reconnect_attempts=5)
    context.settle(end)
    end.end_sending()
    end = context.accept_back()
    end.shake_hands(limits={"max_frame_bytes": second})
    context.await_connected(True, "the client does not say that it is connected again")
    return end


@client_case("client-lifecycle/smaller-limit-of-the-new-connection", "LIM-002", seconds=0.3)
def smaller_limit(context: ClientContext) -> None:
    """After a loss the client keeps to the limit of the server that it is connected to now."""
    end = _come_back(context, LARGE_LIMIT, SMALL_LIMIT)
    end.checks.max_frame_bytes = SMALL_LIMIT
    context.driver.answer(context.driver.begin("publish", channel="long", payload="x" * SMALL_LIMIT))
    if context.settle(end):
        raise Violation("the client sent something else in place of a frame over the server's limit")


@client_case("client-lifecycle/larger-limit-of-the-new-connection", "LIM-003", seconds=0.3)
def larger_limit(context: ClientContext) -> None:
    """After a loss the client accepts frames that are as long as the server of now may send."""
    end = _come_back(context, SMALL_LIMIT, LARGE_LIMIT)
    asked, request = ask(context, end)
    response = end.response(request, "")
    filler = LARGE_LIMIT - len(codec.encode(response))
    end.send(response | {"payload": "x" * filler})
    answer = context.driver.finish(asked)["response"]
    if len(answer["payload"]) != filler:
        raise Violation("a frame that is as long as allowed came through shorter", received=str(len(answer["payload"])))
