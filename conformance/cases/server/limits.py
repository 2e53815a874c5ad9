"""LIM: sizes, slow consumers, times, shutdown."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from conformance.cases.server.leftovers import leave_nothing
from conformance.core.verdicts import Late, TargetError, Unsupported, Violation
from conformance.harness.decorators import case
from conformance.harness.server_context import ServerContext
from conformance.peers.base import Ended
from conformance.peers.client import ClientPeer
from conformance.protocol import codec
from conformance.targets.resource_usage import MEBIBYTE

CUSTOMARY_OUTBOUND_BYTES = 64 * MEBIBYTE
KERNEL_BYTES = 20 * MEBIBYTE
"""More than the operating systems hold for one connection on the loopback interface."""
TRIED_SECONDS = 5.0
"""For which a server tries to deliver slow_consumer (LIM-016)."""
IDLE_SECONDS = 90.0
SHORT_IDLE_SECONDS = 1.2
"""Longer than the shortest handshake timeout: a timer that goes on after the handshake shows."""
MANY_CONNECTIONS = 2000
WARMING_ROUNDS = 5
"""What a server allocates once and keeps, it then has."""
ROUNDS = 80
LEFT_BYTES = 262_144
"""Of a frame that never ends; so often, clearly more than what may be left."""
COUNTED_SECONDS = 0.05
"""For a server to notice that a connection has ended; no frame shows it."""
ARRIVAL_SECONDS = 0.1
"""For a request to be in flight; a ping behind it would find out, but may wait for its handler (REQ-011)."""
OWED_MS, MORE_OWED = 150, 4
"""Milliseconds from the signal to the answer that is owed, and the factor for a second attempt."""
SHUTDOWN_SECONDS = 2.0
"""Least patience with a server that stops: it may look for the signal no more than once a second."""
OWED_LONG_SECONDS = 5.0
"""For which the shutdown waits for a handler, while a client connects."""
SPARE_DESCRIPTORS = 12
MOST_CONNECTIONS = 80
MOST_SECONDS_SILENT = 0.4
"""Twice as long is less than the shortest time that a server gives a client for its connect message (HSK-017)."""
DIES_SECONDS = 0.5
"""How long a server that ends for want of descriptors may take to do so."""
REFUSAL_SECONDS = 0.3
"""How long a connection may wait for its acknowledgement before the server counts as out of descriptors."""
RECOVERY_SECONDS = 5.0


@case("limits/answer-over-the-limit", "LIM-001", needs=("echo",), seconds=1.0)
def answer_over_the_limit(context: ServerContext) -> None:
    """A request at the limit whose echo could exceed it gets an answer within the limit, or an error."""
    peer = context.connect()
    if peer.limit("max_frame_bytes") is None:
        raise Unsupported("the server announces no max_frame_bytes")
    request = peer.message("request", "conformance.echo", "", message_id="m") | {"timestamp": 0}
    del request["reply_to"]
    request["payload"] = "x" * (peer.checks.max_frame_bytes - len(codec.encode(request)))
    peer.patience += context.seconds_for(peer.checks.max_frame_bytes)
    peer.send(request)
    with peer.blaming("error.handler_failed"):
        answer = peer.receive()
    if answer["payload"] != request["payload"]:
        peer.check_error(answer, "handler_failed", request)
    peer.expect_silence()


@dataclass(frozen=True)
class Flood:
    """What was sent to a subscriber that does not read.

    Attributes:
        slow: the subscriber.
        rounds: how many messages of 1 MiB it was sent.
        full: a moment before the server can have held more than it may, by the monotonic clock.
    """

    slow: ClientPeer
    rounds: int
    full: float


def flood(context: ServerContext) -> Flood:
    """Publish more than may be held to a subscriber that never reads, and to one that does and gets everything."""
    slow, quick, publisher = context.connect(), context.connect(), context.connect()
    channel = context.name("flood")
    for peer in (slow, quick):
        peer.subscribe(channel)
    bound = slow.limit("max_outbound_bytes") or CUSTOMARY_OUTBOUND_BYTES
    rounds = (bound + KERNEL_BYTES) // MEBIBYTE + 1
    full = time.monotonic()
    for number in range(rounds):
        if number <= bound // MEBIBYTE:
            full = time.monotonic()
        message = publisher.publish(channel, "x" * (MEBIBYTE - 1000))
        quick.expect_deliveries([message])
    return Flood(slow, rounds, full)


@case("limits/slow-consumer-is-dropped", "LIM-004", "LIM-005", "LIM-006", seconds=3.0)
def slow_consumer_is_dropped(context: ServerContext) -> None:
    """A subscriber that never reads is dropped, while another one gets every message."""
    flooded = flood(context)
    slow, rounds, delivered = flooded.slow, flooded.rounds, 0
    try:
        while slow.receive()["message_type"] == "publish":
            delivered += 1
        slow.expect_end()
    except Ended:
        pass
    except Violation as violation:
        raise (Late if isinstance(violation, Late) else Violation)(
            "a subscriber that does not read is not dropped",
            expected="the end of the connection",
            received=f"{delivered} of {rounds} messages, then: {violation}",
        ) from None
    if delivered >= rounds:
        raise Violation("for a subscriber that does not read everything was held", received=f"{delivered} MiB")


@case("limits/slow-consumer-is-told", "LIM-016", seconds=3.0)
def slow_consumer_is_told(context: ServerContext) -> None:
    """A subscriber that was dropped for not reading finds slow_consumer at the end when it reads on."""
    flooded = flood(context)
    try:
        while (last := flooded.slow.receive("the error slow_consumer"))["message_type"] == "publish":
            pass
    except Ended:
        if (seconds := time.monotonic() - flooded.full) > TRIED_SECONDS:
            raise Unsupported(f"a server tries for {TRIED_SECONDS:g} s, and the flood took {seconds:.0f} s") from None
        raise
    flooded.slow.check_error(last, "slow_consumer", None)


@case("limits/slow-reader-of-its-own-answers", "LIM-007", needs=("echo",), seconds=2.0)
def slow_reader_of_its_own_answers(context: ServerContext) -> None:
    """A client that asks for more than it reads is made to wait, not dropped."""
    peer = context.connect()
    bound = peer.limit("max_outbound_bytes") or CUSTOMARY_OUTBOUND_BYTES
    number = (bound + KERNEL_BYTES) // MEBIBYTE
    requests = [peer.request_message("conformance.echo", {"text": "x" * (MEBIBYTE - 1000)}) for _ in range(number)]
    octets = b"".join(codec.frame(codec.encode(request)) for request in requests)
    taken = peer.send_without_reading(octets, stall_seconds=0.3 * context.time_scale)
    peer.send_octets(octets[taken:])
    try:
        with peer.blaming("echo"):
            answered = {peer.receive()["reply_to"] for _ in requests}
    except Ended as end:
        raise Violation("a client that read its answers late was dropped", received=str(end)) from None
    if answered != {request["message_id"] for request in requests}:
        raise Violation("a client that read its answers late did not get all of them", received=f"{len(answered)}")


@case("limits/hundred-connections", "LIM-008", seconds=0.3)
def hundred_connections(context: ServerContext) -> None:
    """A hundred connections are served at the same time."""
    peers = [context.connect() for _ in range(100 - _in_use(context))]
    for peer in peers:
        peer.expect_silence()


def _in_use(context: ServerContext) -> int:
    """Connections that other workers may hold on a shared server; none on one of the kit's own."""
    return 0 if context.target.process else 20


def connection_limit(peer: ClientPeer) -> int:
    """Return the announced limit of connections.

    Raises:
        Unsupported: there is none, or a larger one than the kit reaches.
    """
    limit = peer.limit("max_connections")
    if limit is None or limit > MANY_CONNECTIONS:
        raise Unsupported(f"the server announces no limit of at most {MANY_CONNECTIONS} connections")
    return limit


@case("limits/too-many-connections", "LIM-009", spawned=True, seconds=1.0)
def too_many_connections(context: ServerContext) -> None:
    """A connection over the announced limit is told so and closed; when another one leaves, there is room again."""

    def attempt(seconds: float) -> None:
        with context.own_server():
            context.wait(seconds)  # a thread may still count the connection with which the kit saw the server listen
            first = context.connect()
            limit = connection_limit(first)
            others = [context.connect() for _ in range(limit - 1)]
            context.open().expect_error("too_many_connections", None)
            first.expect_silence()
            others[0].end_sending()
            others[0].expect_end()
            context.wait(seconds)  # or the one whose end it has just sent
            context.connect().expect_silence()

    context.with_more_time(attempt, COUNTED_SECONDS)


@case("limits/idle-connection-stays-open", "LIM-010", seconds=SHORT_IDLE_SECONDS)
def idle_connection_stays_open(context: ServerContext) -> None:
    """A connection that is silent is not closed: for 1.2 s by default, for the whole 90 s with --soak."""
    peer = context.connect()
    context.wait(IDLE_SECONDS if context.settings.soak_seconds >= IDLE_SECONDS else SHORT_IDLE_SECONDS)
    try:
        peer.expect_silence()
    except Ended as end:
        raise Violation("an idle connection was closed before 90 s had passed", received=str(end)) from None


@case("limits/ended-connections-leave-nothing-behind", "LIM-017", spawned=True, seconds=1.0)
def ended_connections_leave_nothing(context: ServerContext) -> None:
    """Hundreds of connections (with --soak as many as time allows) that end in every way leave the server as it was."""
    leave_nothing(context, come_and_go, ROUNDS, warming=WARMING_ROUNDS, soak_seconds=context.settings.soak_seconds)


def come_and_go(context: ServerContext) -> None:
    """Open connections, leave each in another state with something in hand, and drop them all."""
    with context.example():
        idle, asked, listener, cut, refused = (context.connect() for _ in range(5))
        context.open().send_octets(b"\x00\x00")
        asked.send(asked.ping_message())
        for number in range(20):
            own = {"connection_id": listener.connection_id}
            listener.send(listener.message("subscribe", f"leftovers-{number}", own))
        whole = codec.frame(codec.encode(cut.message("publish", "leftovers-1", "x" * LEFT_BYTES)))
        cut.send_octets(whole[:-1])
        refused.send_body(b"[]")
        with contextlib.suppress(Violation):  # how it is refused is for other cases (ENC-007)
            refused.receive_until_end()
        idle.end_sending()
        idle.expect_end()


@case("limits/answers-after-the-end-of-the-stream", "LIM-011", needs=("delay",), seconds=0.2)
def answers_after_the_end(context: ServerContext) -> None:
    """A client that ends its sending side still gets the answers to what it sent."""
    peer = context.connect()
    requests = {
        "ping": peer.ping_message(),
        "conformance.delay": peer.request_message("conformance.delay", {"delay_ms": 100, "value": "owed"}),
    }
    peer.send(*requests.values())
    peer.end_sending()
    answered = {answer.get("reply_to") for answer in peer.receive_until_end()}
    missing = [name for name, request in requests.items() if request["message_id"] not in answered]
    if missing:
        raise Violation(
            "after the client's end of stream an answer that was owed did not come",
            expected="the answers to both requests",
            received=f"none to {', '.join(missing)}",
            ability="ping" if missing == ["ping"] else "",
        )


@case("limits/shutdown-says-so", "LIM-014", spawned=True, seconds=1.0)
def shutdown_says_so(context: ServerContext) -> None:
    """A server that is asked to stop tells every connection and closes it."""
    with context.own_server() as process:
        peers = [context.connect() for _ in range(3)]
        process.ask_to_stop()
        for peer in peers:
            peer.patience = max(peer.patience, SHUTDOWN_SECONDS)
        for peer in peers:
            peer.expect_error("shutting_down", None)


@case("limits/shutdown-refuses-new-connections", "LIM-012", needs=("delay",), spawned=True, seconds=1.0)
def shutdown_refuses_new_connections(context: ServerContext) -> None:
    """Soon after a shutdown has begun, while a request is still in flight, nobody new gets a handshake."""
    with context.own_server() as process:
        peer = context.connect()
        owed = {"delay_ms": int(3 * SHUTDOWN_SECONDS * 1000 * context.time_scale), "value": 1}
        peer.send(peer.request_message("conformance.delay", owed))
        context.wait(ARRIVAL_SECONDS)
        process.ask_to_stop()
        deadline = time.monotonic() + SHUTDOWN_SECONDS * context.time_scale
        started = 0.0
        while started <= deadline:
            started = time.monotonic()
            # Once may be a connection whose handshake the shutdown met half-way.
            if not _gets_in(context) and not _gets_in(context):
                return
            context.wait(0.02)
        raise Late("a server that is shutting down still accepts new connections")


def _gets_in(context: ServerContext) -> bool:
    try:
        context.connect()
    except (Violation, TargetError):
        return False
    return True


@case("limits/shutdown-answers-what-is-in-flight", "LIM-013", needs=("delay",), spawned=True, seconds=1.0)
def shutdown_answers_what_is_in_flight(context: ServerContext) -> None:
    """A request in flight when the shutdown begins is answered before shutting_down."""

    def attempt(seconds: float) -> None:
        with context.own_server() as process:
            peer = context.connect()
            late = seconds > ARRIVAL_SECONDS * context.time_scale  # a wrapper may pass SIGTERM on late
            owed_ms = 1000 * seconds + OWED_MS * (MORE_OWED if late else 1)
            owed = {"delay_ms": int(owed_ms), "value": "owed"}
            request = peer.request_message("conformance.delay", owed)
            peer.send(request)
            peer.patience = max(peer.patience, SHUTDOWN_SECONDS)
            context.wait(seconds)
            process.ask_to_stop()
            peer.expect_payload(request, {"value": "owed"}, "a shutdown changed the answer to a request in flight")
            peer.expect_error("shutting_down", None)

    context.with_more_time(attempt, ARRIVAL_SECONDS)


@case("limits/outbound-bound-is-no-less-than-the-frame-limit", "LIM-018")
def outbound_bound(context: ServerContext) -> None:
    """A server that announces both limits holds at least one frame of the longest kind for a connection."""
    peer = context.connect()
    frame, outbound = peer.limit("max_frame_bytes"), peer.limit("max_outbound_bytes")
    if frame is None or outbound is None:
        raise Unsupported("the server does not announce both max_frame_bytes and max_outbound_bytes")
    if outbound < frame:
        wanted = f"max_outbound_bytes of {frame} or more"
        raise Violation("the bound of outbound data is below the frame limit", expected=wanted, received=f"{outbound}")


@case("limits/accepts-again-when-descriptors-are-free", "LIM-019", spawned=True, seconds=2.0)
def accepts_again(context: ServerContext) -> None:
    """A server whose descriptors ran out accepts connections again after others have ended."""
    if sys.platform != "linux":
        raise Unsupported("the descriptors of another process can be limited on Linux only")
    import resource  # noqa: PLC0415 - other systems do not have all of it

    with context.own_server() as process:
        context.connect().discard()
        limits = dict[int, int]()
        for pid in process.pids():
            with contextlib.suppress(OSError, ValueError):  # it has ended, belongs to somebody else, or may have fewer
                _, most = resource.prlimit(pid, resource.RLIMIT_NOFILE)
                limits[pid] = _descriptors(pid) + SPARE_DESCRIPTORS
                resource.prlimit(pid, resource.RLIMIT_NOFILE, (limits[pid], most))
        crowd, left = _crowd(context, limits)
        if process.has_died(DIES_SECONDS):
            raise Violation("the server ended when it had no descriptors left")
        if left > SPARE_DESCRIPTORS // 2:
            raise Unsupported("the server accepts no more connections for another reason than descriptors")
        for peer in crowd:
            peer.discard()
        deadline = time.monotonic() + RECOVERY_SECONDS * context.time_scale
        while time.monotonic() < deadline:
            with contextlib.suppress(Violation):
                context.connect().expect_silence()
                return
            context.wait(0.05)
        raise Late("a server whose descriptors had run out does not accept connections again")


def _descriptors(pid: int) -> int:
    """Return how many descriptors a process has; none if it has ended."""
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return 0


def _crowd(context: ServerContext, limits: Mapping[int, int]) -> tuple[list[ClientPeer], int]:
    """Return connections until the server serves no further one, and how many descriptors it had left before that.

    Args:
        context: of the case.
        limits: how many descriptors each process of the server may have.

    Raises:
        Unsupported: it serves as many as anybody needs.
    """
    crowd: list[ClientPeer] = []
    for _ in range(MOST_CONNECTIONS):
        left = min((limit - _descriptors(pid) for pid, limit in limits.items()), default=SPARE_DESCRIPTORS)
        try:
            crowd.append(context.open())
            crowd[-1].patience = REFUSAL_SECONDS * context.time_scale
            crowd[-1].handshake()
        except Violation:
            return crowd, left
    raise Unsupported("the server did not run out of descriptors")


@case("limits/shutdown-tells-those-who-connect-late", "LIM-020", needs=("delay",), spawned=True, seconds=1.0)
def shutdown_tells_late_ones(context: ServerContext) -> None:
    """A connect message on a connection that was accepted before the shutdown is answered with shutting_down."""

    def attempt(seconds: float) -> None:
        with context.own_server() as process:
            owner, late = context.connect(), context.open()
            owed = {"delay_ms": int(OWED_LONG_SECONDS * 1000 * context.time_scale), "value": 1}
            owner.send(owner.request_message("conformance.delay", owed))
            context.wait(min(seconds, MOST_SECONDS_SILENT))
            process.ask_to_stop()
            context.wait(min(seconds, MOST_SECONDS_SILENT))
            late.read_ahead()
            if late.is_over and not late.has_arrived():
                raise Unsupported("the server closes connections without a handshake when it shuts down")
            late.send(late.connect_message())
            late.expect_error("shutting_down", None)

    context.with_more_time(attempt, ARRIVAL_SECONDS)
