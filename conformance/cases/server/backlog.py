"""What waits for a slow reader: which messages arrive, and in which order."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from conformance.cases.server.leftovers import PAYLOAD_OCTETS
from conformance.core.verdicts import Late, Violation
from conformance.harness.decorators import case
from conformance.harness.server_context import ServerContext
from conformance.peers.base import Ended
from conformance.peers.client import ClientPeer
from conformance.protocol import codec
from conformance.protocol.codec import Message
from conformance.results.survey import ERROR
from conformance.targets.resource_usage import MEBIBYTE

MOST_OCTETS = 12 * MEBIBYTE
"""More than operating systems hold for a connection on the loopback interface; a smaller bound of the server counts."""
SHUTDOWN_OCTETS = 6 * MEBIBYTE
"""Still more than they hold, and little enough to be read within the grace period of a server that stops."""
SHORT, LONG = 64, 200_000
MANY_SHORT, SOME_SHORT = 40, 4
"""Short messages ahead of each long one."""
SHUTDOWN_SECONDS = 2.0
"""Least patience with a server that stops: it may look for the signal no more than once a second."""


@dataclass
class Backlog:
    """Messages that were published to a connection that does not read.

    Attributes:
        slow: the connection.
        publisher: who published them.
        channel: where.
        messages: what it is owed, in order.
    """

    slow: ClientPeer
    publisher: ClientPeer
    channel: str
    messages: list[Message] = field(default_factory=list)

    def add(self, count: int) -> None:
        """Publish short messages, each known by its number."""
        first = len(self.messages)
        made = [self.publisher.message("publish", self.channel, number) for number in range(first, first + count)]
        self.messages += made
        self.publisher.send(*made)
        self.publisher.expect_silence()

    def numbers(self, arrived: list[Message]) -> list[int]:
        """Return the numbers of messages that have arrived on the channel."""
        return [
            int(each["payload"][0] if isinstance(each["payload"], list) else each["payload"])
            for each in arrived
            if each["message_type"] == "publish" and each["channel_id"] == self.channel
        ]

    def check_prefix(self, arrived: list[Message]) -> None:
        """Show that what arrived is in the order of publishing, and that nothing arrived twice."""
        numbers = self.numbers(arrived)
        if numbers != sorted(set(numbers)):
            raise _out_of_order(numbers)


def _out_of_order(numbers: list[int]) -> Violation:
    wrong = next((at for at, (one, other) in enumerate(itertools.pairwise(numbers)) if one >= other), 0)
    return Violation(
        "what waited for a slow reader did not arrive once each and in order",
        expected="ascending numbers",
        received=f"{len(numbers)} messages, from place {wrong} on: {numbers[wrong : wrong + 4]}",
    )


def backlog(context: ServerContext, short: int = SOME_SHORT, most: int = MOST_OCTETS) -> Backlog:
    """Publish short and long messages to a connection that does not read.

    Together they are more than operating systems hold, if the server's bound of outbound data allows that. Without an
    announced bound, only a frame is sure to fit (LIM-004), and the systems may then hold everything.

    Args:
        context: the context of the case.
        short: how many short messages are ahead of each long one.
        most: about how many octets, at most.
    """
    made = Backlog(context.connect(), context.connect(), context.name("channel"))
    made.slow.subscribe(made.channel)
    bound = made.slow.limit("max_outbound_bytes") or made.slow.limit("max_frame_bytes") or MEBIBYTE
    octets = min(bound * 7 // 8, most)
    sent = 0
    while True:
        batch: list[Message] = []
        for _ in range(short + 1):
            number = len(made.messages) + len(batch)
            length = SHORT if len(batch) < short else LONG
            batch.append(made.publisher.message("publish", made.channel, [number, "x" * length]))
        data = b"".join(codec.frame(codec.encode(each)) for each in batch)
        if made.messages and sent + len(data) > octets:
            break
        sent += len(data)
        made.messages += batch
        made.publisher.send_octets(data)
    made.publisher.expect_silence()
    return made


@case("backlog/arrives-once-and-in-order", "SUB-010", "SUB-012", "SUB-014", "SUB-016", "LIM-015", seconds=0.4)
def arrives_in_order(context: ServerContext) -> None:
    """A reader that pauses and catches up gets every message once and in order, those published meanwhile too."""
    made = backlog(context, MANY_SHORT)
    made.add(50)
    arrived = [made.slow.receive() for _ in range(len(made.messages) // 2)]
    made.add(50)
    ping = made.slow.marker_message()
    made.slow.send(ping)
    made.add(50)
    arrived += made.slow.receive_through(ping)
    arrived += made.slow.barrier()
    numbers = made.numbers(arrived)
    if numbers != list(range(len(made.messages))):
        if sorted(numbers) == list(range(len(made.messages))):
            raise _out_of_order(numbers)
        missing = sorted(set(range(len(made.messages))) - set(numbers))
        raise Violation(
            "a slow reader did not get each message once",
            expected=f"{len(made.messages)} messages",
            received=f"{len(numbers)} messages, without {missing[:4]}",
        )
    made.slow.check_deliveries(arrived, made.messages, "what waited for a slow reader did not arrive unchanged")


@case("backlog/order-stays-while-a-reader-catches-up", "SUB-014", "SUB-010", "SUB-012", seconds=0.4)
def order_stays(context: ServerContext) -> None:
    """What is published while a slow reader catches up and the server is busy with another client, arrives in order."""
    made, other, nobody = backlog(context, short=0), context.connect(), context.name("nobody")
    busy = codec.frame(codec.encode(other.message("publish", nobody, "x" * PAYLOAD_OCTETS)))
    arrived: list[Message] = []
    for number in range(len(made.messages), 2 * len(made.messages)):
        # For milliseconds. Behind it, the server finds a publish, and room for what waits, at the same moment.
        other.send_octets(busy)
        message = made.publisher.message("publish", made.channel, number)
        made.messages.append(message)
        made.publisher.send(message)
        arrived.append(made.slow.receive())
    made.publisher.expect_silence()
    arrived += made.slow.barrier()
    made.check_prefix(arrived)
    made.slow.check_deliveries(arrived, made.messages, "what waited for a slow reader did not arrive unchanged")


@case("backlog/pong-is-behind-what-waits", "SUB-016", "SUB-010", seconds=0.3)
def pong_is_behind(context: ServerContext) -> None:
    """The pong to a ping of a slow reader is behind everything that was published before its ping."""
    made = backlog(context)
    arrived = made.slow.barrier()
    if made.numbers(arrived) != list(range(len(made.messages))):
        raise Violation(
            "a pong overtook what waited for a slow reader",
            expected=f"{len(made.messages)} messages before the pong",
            received=f"{len(arrived)}",
        )


@case("backlog/unsubscribe-keeps-what-waits", "SUB-010", "SUB-015", seconds=0.3)
def unsubscribe_keeps(context: ServerContext) -> None:
    """What was published before a slow reader unsubscribes arrives all the same, and nothing behind it does."""
    made = backlog(context)
    slow = made.slow
    ping = slow.marker_message()
    slow.send(slow.message("unsubscribe", made.channel, {"connection_id": slow.connection_id}), ping)
    arrived = slow.receive_through(ping)
    if made.numbers(arrived) != list(range(len(made.messages))):
        raise Violation(
            "an unsubscribe dropped what was published before it",
            expected=f"{len(made.messages)} messages before the pong",
            received=f"{len(arrived)}",
        )
    made.publisher.publish(made.channel, 0)
    slow.expect_silence("behind an unsubscribe something was delivered")


def receive_to_the_end(peer: ClientPeer, code: str, made: Backlog) -> list[Message]:
    """Receive up to the end, where an error is the last thing, if it comes (ERR-006)."""
    arrived: list[Message] = []
    try:
        while True:
            arrived.append(peer.receive())
    except Ended:
        pass
    errors = [at for at, each in enumerate(arrived) if each["message_type"] == "response"]
    if errors and errors[0] != len(arrived) - 1:
        raise Violation(
            "behind a fatal error came what had waited for a slow reader",
            expected=f"the error {code} as the last message",
            received=f"{len(arrived) - 1 - errors[0]} messages behind it",
        )
    if errors:
        peer.check_error(arrived[-1], code, None)
    made.check_prefix(arrived)
    return arrived


@case("backlog/fatal-error-behind-what-waits", "ERR-006", "SUB-014", "SUB-010", seconds=0.3)
def fatal_error_behind(context: ServerContext) -> None:
    """A slow reader that sends a malformed frame gets what waits for it in order, and nothing behind the error."""
    made = backlog(context)
    made.slow.send_body(b"[]")
    receive_to_the_end(made.slow, "malformed_frame", made)


@case("backlog/replaced-behind-what-waits", "HSK-023", "ERR-006", "SUB-014", seconds=0.3)
def replaced_behind(context: ServerContext) -> None:
    """A slow reader that is replaced gets what waits for it in order, and nothing behind the error."""
    made = backlog(context)
    newer = context.connect(connection_id=made.slow.connection_id)
    made.publisher.publish(made.channel, len(made.messages))
    newer.expect_silence("the newer connection got what waited for the older one")
    arrived = receive_to_the_end(made.slow, "session_replaced", made)
    if len(made.messages) in made.numbers(arrived):
        raise Violation("a connection got what was published after it had been replaced")


@case("backlog/shutdown-behind-what-waits", "LIM-014", "ERR-006", "SUB-014", spawned=True, seconds=1.0)
def shutdown_behind(context: ServerContext) -> None:
    """A server that stops sends a slow reader what waits in order, and shutting_down behind it."""
    with context.own_server() as process:
        made = backlog(context, most=SHUTDOWN_OCTETS)
        made.slow.patience = max(made.slow.patience, SHUTDOWN_SECONDS)
        process.ask_to_stop()
        arrived = receive_to_the_end(made.slow, "shutting_down", made)
        if not arrived or arrived[-1]["message_type"] != "response":
            raise Late(  # a server chooses how long it waits for the reader
                "a slow reader was not told of the shutdown",
                expected="shutting_down",
                received=f"the end behind {len(arrived)} messages",
                ability=f"{ERROR}shutting_down",
            )
