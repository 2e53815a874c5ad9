"""The late end of something old ends nothing new that has its name, its descriptor or its id."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from conformance.cases.server.limits import COUNTED_SECONDS, connection_limit
from conformance.cases.server.queue.helpers import Queue, ids, job, queue_case
from conformance.core.verdicts import Violation
from conformance.harness.case import Case, add
from conformance.harness.decorators import case
from conformance.harness.server_context import ServerContext
from conformance.peers.client import ClientPeer
from conformance.protocol import codec

ARRIVAL_SECONDS = 0.08
"""For a request to be in flight before another connection goes on."""
OWED_SECONDS = 0.15
TIMERS_SECONDS = 1.2
"""Longer than the shortest handshake timeout, and than the time for which a connection lingers (ERR-009)."""
DESCRIPTORS = 8


def closes(peer: ClientPeer) -> None:
    """Read the end, and close."""
    peer.receive_until_end()
    peer.close()


def resets(peer: ClientPeer) -> None:
    """Reset the connection without reading."""
    peer.reset()


def ends_sending(peer: ClientPeer) -> None:
    """End the stream, read the end, and close later."""
    peer.end_sending()
    peer.receive_until_end()


LATE_ENDS: dict[str, tuple[str, Callable[[ClientPeer], None]]] = {
    "closed": ("is closed", closes),
    "reset": ("is reset", resets),
    "ended": ("ends its stream", ends_sending),
}


def late_end(context: ServerContext, end: Callable[[ClientPeer], None]) -> None:
    """Take over a connection, use the newer one, let the older one end late, and use the newer one again."""
    older, other = context.connect(), context.connect()
    channel = context.name("channel")
    older.subscribe(channel)
    newer = context.connect(connection_id=older.connection_id)
    newer.subscribe(channel)
    end(older)
    other.expect_silence()  # meanwhile the server notices the end
    newer.expect_silence("the late end of a connection told its successor something")
    message = other.publish(channel, 1)
    newer.expect_deliveries([message], "the late end of a connection ended a subscription of its successor")
    newest = context.connect(connection_id=older.connection_id)
    newer.expect_error("session_replaced", None)
    other.publish(channel, 2)
    newest.expect_silence("a subscription was carried over")


for _name, (_how, _end) in LATE_ENDS.items():
    add(
        Case(
            f"late/replaced-connection-is-{_name}",
            ("ISO-005", "ISO-007", "SUB-010", "HSK-020", "HSK-021"),
            f"When a connection that was replaced {_how} late, the one that has its name goes on as before.",
            partial(late_end, end=_end),
        )
    )


@case("late/request-of-the-successor", "REQ-001", "ISO-007", needs=("delay",), seconds=0.2)
def request_of_the_successor(context: ServerContext) -> None:
    """The late end of a connection that was replaced leaves the requests of its successor in flight."""
    older = context.connect()
    newer = context.connect(connection_id=older.connection_id)
    owed = newer.request_message("conformance.delay", {"delay_ms": int(1000 * OWED_SECONDS), "value": "own"})
    newer.send(owed)
    context.wait(ARRIVAL_SECONDS)
    closes(older)
    newer.expect_payload(owed, {"value": "own"}, "the late end of a connection took the answer of its successor")
    newer.expect_silence()


def same_message_id(context: ServerContext, *, is_replaced: bool) -> None:
    """Ask under a message_id, come back under the same connection_id, and ask something else under that message_id."""
    older = context.connect()
    request = older.request_message("conformance.delay", {"delay_ms": int(1000 * OWED_SECONDS), "value": "older"})
    older.send(request)
    context.wait(ARRIVAL_SECONDS)
    if not is_replaced:
        older.reset()
        context.connect().expect_silence()  # meanwhile the server notices the reset
    newer = context.connect(connection_id=older.connection_id)
    own = newer.request_message("conformance.delay", {"delay_ms": int(2000 * OWED_SECONDS), "value": "newer"})
    own["message_id"] = request["message_id"]
    newer.send(own)
    newer.expect_payload(own, {"value": "newer"}, "a request got the answer to one of that id of an older connection")
    newer.expect_silence("a request got a second answer, to one of that id of an older connection")


for _name, _is_replaced in {"replaced": True, "lost": False}.items():
    add(
        Case(
            f"late/same-message-id-as-on-a-connection-that-was-{_name}",
            ("HSK-022", "REQ-001", "REQ-005"),
            f"An answer to a connection that was {_name} is not that to a request of the same id on the next one.",
            partial(same_message_id, is_replaced=_is_replaced),
            needs=("delay",),
            seconds=0.4,
        )
    )


@case("late/answers-to-connections-that-have-gone", "REQ-005", "REQ-001", needs=("delay",), seconds=0.3)
def answers_to_the_gone(context: ServerContext) -> None:
    """Answers to connections that were lost do not go to those that came afterwards, and may have their descriptors."""
    gone = [context.connect() for _ in range(DESCRIPTORS)]
    for peer in gone:
        peer.send(peer.request_message("conformance.delay", {"delay_ms": int(1000 * OWED_SECONDS), "value": "gone"}))
    context.wait(ARRIVAL_SECONDS)
    for peer in gone:
        peer.reset()
    context.connect().expect_silence()  # meanwhile the server notices the resets
    newcomers = [context.connect() for _ in gone]
    context.wait(2 * OWED_SECONDS)
    for peer in newcomers:
        peer.expect_silence("a connection got the answer to a request of another one, which has gone")


@case("late/timers-of-connections-that-have-gone", "LIM-010", "ISO-007", "SUB-010", seconds=TIMERS_SECONDS)
def timers_of_the_gone(context: ServerContext) -> None:
    """Timers of connections that have gone or linger do not end those that have their descriptors or their names."""
    channel = context.name("channel")
    silent = [context.open() for _ in range(DESCRIPTORS)]
    for peer in silent:
        peer.send_octets(b"\0\0")
    refused, replaced = context.connect(), context.connect()
    refused.send_body(b"[]")
    refused.receive_until_end()
    context.wait(ARRIVAL_SECONDS)
    for peer in silent:
        peer.reset()
    context.connect().expect_silence()  # meanwhile the server notices the resets
    successors = [context.connect(connection_id=older.connection_id) for older in (refused, replaced)]
    newcomers = [*successors, *(context.connect() for _ in silent)]
    for peer in newcomers:
        peer.subscribe(channel)
    context.wait(TIMERS_SECONDS)
    message = newcomers[-1].message("publish", channel, 1)
    newcomers[-1].send(message)
    newcomers[-1].expect_deliveries([message])
    for peer in newcomers[:-1]:
        peer.expect_deliveries([message], "a timer of a connection that has gone ended something of another one")


@case("late/unsubscribe-then-subscribe", "SUB-004", "SUB-010", "SUB-015", seconds=0.2)
def unsubscribe_then_subscribe(context: ServerContext) -> None:
    """An unsubscribe ends nothing of a subscribe behind it, however much later it is looked at."""
    peer, publisher = context.connect(), context.connect()
    channel = context.name("channel")
    peer.subscribe(channel)
    own = {"connection_id": peer.connection_id}
    peer.send(peer.message("unsubscribe", channel, own), peer.message("subscribe", channel, own))
    peer.expect_silence()
    context.wait(OWED_SECONDS)
    message = publisher.publish(channel, 1)
    peer.expect_deliveries([message], "an unsubscribe ended a subscription that began behind it")


@case("late/places-of-connections-that-were-replaced", "LIM-009", spawned=True, seconds=1.0)
def places_of_the_replaced(context: ServerContext) -> None:
    """Connections that were replaced and end late give back one place each, so the limit of connections holds."""

    def attempt(seconds: float) -> None:
        with context.own_server():
            first = context.connect()
            limit = connection_limit(first)
            for _ in range(DESCRIPTORS):
                older = context.connect()
                context.connect(connection_id=older.connection_id)
                closes(older)
            context.wait(seconds)  # a thread may still count a connection whose end it has just sent
            for _ in range(limit - 1 - DESCRIPTORS):
                context.connect()
            context.open().expect_error("too_many_connections", None)
            first.expect_silence()

    context.with_more_time(attempt, COUNTED_SECONDS)


@queue_case("late-end-of-a-replaced-connection", "QUE-016", "QUE-013")
def lease_of_the_successor(context: ServerContext) -> None:
    """The late end of a connection that was replaced leaves the leases of its successor alone."""
    queue = Queue(context)
    (name,) = ids(context, 1)
    queue.enqueue(job(name))
    older = context.connect()
    newer = queue.seen_by(context.connect(connection_id=older.connection_id))
    newer.expect_jobs(name)
    closes(older)
    context.connect().expect_silence()  # meanwhile the server notices the end
    queue.expect_jobs()
    newer.report("job_completed", name)
    if arrived := newer.peer.barrier():
        raise Violation("the late end of a connection told its successor something", received=codec.shorten(arrived))
