"""What clients of protocol 1.1 promise about connections: one at a time, nothing lost silently, nothing sent twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Sequence

from conformance.cases.client.delivery import DELAY_MS
from conformance.cases.client.lifecycle import HELD_SECONDS, LOOK_SECONDS
from conformance.core.verdicts import Late, Violation
from conformance.harness.client_context import ClientContext
from conformance.harness.decorators import client_case
from conformance.peers.server import ServerPeer
from conformance.protocol import codec
from conformance.protocol.codec import Message

TOLD = ("publish", "notify", "send_request")
ROUNDS = 4
LONG_MS = 60_000
QUICK_MS = 50
LATE_SECONDS = 1.0
"""How long a client that uses a channel has for the subscribe that it should have sent before."""

# -- one connection ----------------------------------------------------------------------------------------------------


def follow(context: ClientContext, ends: list[ServerPeer]) -> None:
    """Accept connections, and answer their ends, until the client makes no further one for a while.

    Raises:
        Violation: the client sent a connect message while it had a connection with the same id.
    """
    quiet = HELD_SECONDS * context.time_scale
    last = time.monotonic() + context.driver.patience
    deadline = time.monotonic() + quiet
    while time.monotonic() < deadline:
        if further := context.accept_within(LOOK_SECONDS):
            ends.append(further)
            deadline = min(last, time.monotonic() + quiet)
        for end in ends:
            end.read_ahead()
            end.answer_end()  # a client may wait for it before it connects again
            if not end.connection_id and end.has_arrived():
                end.take_connect()
        _expect_one(context, ends)


def _expect_one(context: ClientContext, ends: Sequence[ServerPeer]) -> None:
    alive = {id(end): end for end in ends if end.connection_id and not end.is_over}
    newest = {(end.app_id, end.connection_id): end for end in alive.values()}
    for end in alive.values():
        further = newest[end.app_id, end.connection_id]
        if further is not end and not _ends_within(end, HELD_SECONDS * context.time_scale):
            raise Violation(
                "the client has two connections with the same id",
                expected="the end of the older connection ahead of the connect message of the newer one",
                received=f"connections {end.label} and {further.label} with the id {end.connection_id}",
            )


def _ends_within(end: ServerPeer, seconds: float) -> bool:
    """Return true if a connection ends in time; its end may be on its way, behind what came on another connection."""
    deadline = time.monotonic() + seconds
    while not end.is_over and time.monotonic() < deadline:
        end.has_arrived(LOOK_SECONDS)
        end.read_ahead()
    return end.is_over


def _acknowledge_until_connected(context: ClientContext, ends: list[ServerPeer]) -> None:
    """Acknowledge the connection that the client has, and the one that takes its place, until it says it is connected.

    Raises:
        Violation: it does not say so in time.
    """
    acknowledged = set[int]()
    deadline = time.monotonic() + context.driver.patience
    while not context.driver.ask("connection_info")["connected"]:
        follow(context, ends)
        for end in ends:
            if end.connection_id and not end.is_over and id(end) not in acknowledged:
                acknowledged.add(id(end))
                end.acknowledge()
        if time.monotonic() > deadline:
            raise Late("the client does not say that it is connected", expected="connected: true")


@client_case("client-lifecycle/one-connection-at-a-time", "HSK-031", seconds=0.6)
def one_connection(context: ClientContext) -> None:
    """Told to connect several times at once, and again when it is connected, the client has one connection."""
    context.create()
    for _ in range(3):
        context.driver.begin("connect")
    ends = [context.accept()]
    follow(context, ends)
    _acknowledge_until_connected(context, ends)
    context.driver.begin("connect")
    follow(context, ends)


@client_case("client-lifecycle/one-connection-at-a-time-after-a-loss", "HSK-031", seconds=0.6)
def one_connection_after_a_loss(context: ClientContext) -> None:
    """Told to connect while it comes back by itself, the client has one connection."""
    context.connect(reconnect_attempts=5).end_sending()
    ends = [context.accept_back()]
    for _ in range(2):
        context.driver.begin("connect")
    follow(context, ends)


# -- what the client is told without a connection ----------------------------------------------------------------------


def tell(context: ClientContext, command: str, payload: object, timeout_ms: int = LONG_MS) -> int:
    """Begin a command that sends a payload on the channel ``told``; return its id."""
    more = {"timeout_ms": timeout_ms} if command == "send_request" else {}
    return context.driver.begin(command, channel="told", payload=payload, **more)


def expect_order(found: Sequence[Message], overlapping: Container[int]) -> None:
    """Show that messages arrived once each, in the order of their numbers, except those of calls that overlapped.

    Raises:
        Violation: they did not.
    """
    numbers = [each["payload"] for each in found]
    ordered = [number for number in numbers if number not in overlapping]
    if len(set(numbers)) < len(numbers) or ordered != sorted(ordered):
        raise Violation(
            "what the client was told without a connection did not arrive once, in order",
            expected=codec.shorten(sorted(set(numbers))),
            received=codec.shorten(numbers),
        )


def _is_refused(context: ClientContext, asked: int) -> bool:
    """Return true if the call that told the client to send something has failed."""
    return context.driver.is_answered(asked) and "error" in context.driver.answer(asked)


def _take(end: ServerPeer, told: dict[int, int], found: list[Message]) -> bool:
    """Take the next message, if one comes soon, and add it to those that were told; return whether one came.

    Raises:
        Violation: it has a payload that the client was not told to send.
    """
    message = end.receive_within(LOOK_SECONDS)
    if message and message["message_type"] == "request":
        end.respond(message, "mine")  # at once: a client may send one after another
    if message and message["channel_id"] == "told":
        if message["payload"] not in list(told):
            raise Violation("the client sent another payload than it was told to", received=codec.shorten(message))
        found.append(message)
    return message is not None


def _answer_until(
    context: ClientContext, end: ServerPeer, told: dict[int, int], is_connected: Callable[[], bool]
) -> list[Message]:
    """Return what a client sends until it says that it is connected, which may be when it has sent all of it.

    Raises:
        Violation: it does not say so in time.
    """
    found: list[Message] = []
    deadline = time.monotonic() + context.driver.patience
    while not is_connected():
        _take(end, told, found)
        if time.monotonic() > deadline:
            raise Late("the client does not say that it is connected", expected="connected: true")
    return found


def _gather(context: ClientContext, end: ServerPeer, told: dict[int, int], found: list[Message]) -> list[Message]:
    """Return the messages of commands, except those that have failed: by the call or, if it returned, by an event.

    Raises:
        Violation: a command neither fails nor sends its message in time.
    """
    lacking, events = dict(told), 0
    deadline = time.monotonic() + context.driver.patience
    while True:
        for message in found:
            lacking.pop(message["payload"], None)
        requests = [number for number in lacking if _command(number) == "send_request"]
        if not requests and len(lacking) <= events:
            return found + [each for each in context.settle(end) if each["channel_id"] == "told"]
        if not _take(end, told, found):
            lacking = {number: asked for number, asked in lacking.items() if not _is_refused(context, asked)}
            events += len(context.driver.take("error"))
        if time.monotonic() > deadline:
            raise Late(
                "the client neither sent what it was told without a connection, nor said that it failed",
                expected=f"messages {sorted(lacking)}, or errors",
                received=codec.shorten([each["payload"] for each in found]),
            )


def _command(number: int) -> str:
    """Return the command with which the client is told a number."""
    return TOLD[number % len(TOLD)]


def _told(context: ClientContext) -> tuple[dict[int, int], set[int]]:
    """Tell a client what to send; return the ids of the commands by number, and the numbers whose calls overlap."""
    told: dict[int, int] = {}
    overlapping = set()
    for number in range(len(TOLD) * ROUNDS):
        told[number] = tell(context, _command(number), number)
        if not context.driver.is_answered(told[number], HELD_SECONDS * context.time_scale / 3):
            overlapping.add(number)  # a client may wait in the call
    return told, overlapping


def _expect_sent_or_failed(
    context: ClientContext, end: ServerPeer, told: dict[int, int], overlapping: Container[int], found: list[Message]
) -> None:
    last = len(told)
    told[last] = tell(context, _command(last), last)
    expect_order(_gather(context, end, told, found), overlapping)


@client_case("client-delivery/told-ahead-of-the-first-connection", "HSK-033", seconds=0.8)
def told_ahead(context: ClientContext) -> None:
    """What the client is told to send ahead of its first connection fails, or arrives in order."""
    context.create()
    told, overlapping = _told(context)
    asked = context.driver.begin("connect")
    end = context.accept()
    end.shake_hands()
    found = _answer_until(context, end, told, lambda: context.driver.is_answered(asked))
    context.expect_connected(asked)
    _expect_sent_or_failed(context, end, told, overlapping, found)


@client_case("client-delivery/told-during-a-loss", "HSK-033", seconds=1.8)
def told_during_a_loss(context: ClientContext) -> None:
    """What the client is told to send during a loss fails, or arrives in order."""
    context.connect(reconnect_attempts=5, reconnect_delay_ms=5 * DELAY_MS).end_sending()
    context.await_loss()
    context.driver.take("error")
    told, overlapping = _told(context)
    end = context.accept_back()
    end.shake_hands()
    found = _answer_until(context, end, told, lambda: bool(context.driver.ask("connection_info")["connected"]))
    _expect_sent_or_failed(context, end, told, overlapping, found)


def expect_no_second(context: ClientContext, end: ServerPeer) -> None:
    """Show that the client sends nothing by itself on the channel ``told``.

    Raises:
        Violation: it does.
    """
    messages = context.settle(end)
    if end.has_arrived(HELD_SECONDS * context.time_scale):
        messages += context.settle(end)
    if again := [each for each in messages if each["channel_id"] == "told"]:
        raise Violation("the client sent a message again by itself", received=codec.shorten(again[0]))


@client_case("client-delivery/nothing-is-sent-twice", "HSK-034", seconds=0.8)
def nothing_twice(context: ClientContext) -> None:
    """What has been sent is sent no second time by itself: neither after a timeout, nor after a loss."""
    end = context.connect(reconnect_attempts=5)
    for lose in (ServerPeer.end_sending, ServerPeer.reset):
        late = tell(context, "send_request", "late", int(QUICK_MS * max(1.0, context.time_scale)))
        end.take("request", "told")
        context.driver.failure(late)
        expect_no_second(context, end)
        asked = [tell(context, command, command) for command in TOLD]
        for _ in TOLD:
            end.receive("what the client was told to send")
        lose(end)
        context.driver.failure(asked[-1])
        end = context.welcome_back()
        expect_no_second(context, end)


@client_case("client-delivery/subscriptions-come-first", "SUB-023", seconds=0.5)
def subscriptions_first(context: ClientContext) -> None:
    """On a new connection the client subscribes to a channel before it sends anything else on it."""
    end = context.connect(reconnect_attempts=5, reconnect_delay_ms=DELAY_MS)
    channels = [f"channel-{number}" for number in range(5)]
    for channel in channels:
        context.subscribe(end, channel)
    end.end_sending()
    context.await_loss()
    early = [context.driver.begin("publish", channel=channel, payload="early") for channel in channels]
    again = context.accept_back()
    again.shake_hands()
    for channel in reversed(channels):
        _publish_as_soon_as_possible(context, channel)
    messages = _with_subscribes(context, again, channels)
    for channel in channels:
        kinds = _kinds(messages, channel)
        if "subscribe" in kinds and kinds[0] != "subscribe":  # whether it subscribes is for other cases (SUB-020)
            raise Violation(
                "the client used a channel before it had subscribed to it again",
                expected=f"a subscribe first on {channel}",
                received=", ".join(kinds),
            )
    for each in early:
        context.driver.answer(each)


def _with_subscribes(context: ClientContext, end: ServerPeer, channels: Sequence[str]) -> list[Message]:
    """Return what the client sends; wait for the subscribes of channels that it uses, which may come too late."""
    messages = context.settle(end)
    deadline = time.monotonic() + LATE_SECONDS * context.time_scale
    while time.monotonic() < deadline and not all(
        "subscribe" in kinds or not kinds for kinds in (_kinds(messages, channel) for channel in channels)
    ):
        if end.has_arrived(LOOK_SECONDS):
            messages += context.settle(end)
    return messages


def _kinds(messages: Sequence[Message], channel: str) -> list[str]:
    """Return the types of the messages on a channel."""
    return [each["message_type"] for each in messages if each["channel_id"] == channel]


def _publish_as_soon_as_possible(context: ClientContext, channel: str) -> None:
    deadline = time.monotonic() + context.driver.patience
    while "error" in context.driver.answer(context.driver.begin("publish", channel=channel, payload="soon")):
        if time.monotonic() > deadline:
            raise Late("the client does not publish although it is connected again")
