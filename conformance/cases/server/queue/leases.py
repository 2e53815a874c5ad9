"""QUE: a job that was handed out belongs to a connection, for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from conformance.cases.server.queue.helpers import (
    LONG_LEASE_MS,
    MANY,
    PROFILE,
    SHORT_LEASE_MS,
    Queue,
    answer_of,
    ids,
    job,
    queue_case,
    watched,
)
from conformance.core.verdicts import Violation
from conformance.harness.case import Case, add
from conformance.harness.server_context import ServerContext
from conformance.peers.client import ClientPeer
from conformance.protocol import codec


@queue_case("consumers-never-share-a-job", "QUE-013", seconds=0.2)
def consumers_never_share(context: ServerContext) -> None:
    """Four connections that ask at the same time for all jobs get each job once."""
    queue = Queue(context)
    names = ids(context, 200)
    queue.enqueue(*map(job, names))
    consumers = [queue.other_peer() for _ in range(4)]
    for _ in range(20):
        for consumer in consumers:
            consumer.peer.send(consumer.message("dequeue", count=3))
    found = []
    for consumer in consumers:
        for _ in range(20):
            found += answer_of(consumer.peer.receive(), "queue-jobs", "dequeue")["jobs"]
    if sorted(each["id"] for each in found) != sorted(names):
        raise Violation(
            "a job was handed out twice, or not at all", expected=f"{len(names)} jobs", received=f"{len(found)}"
        )


ENDS: dict[str, Callable[[ClientPeer], None]] = {
    "end-of-stream": ClientPeer.end_sending,
    "reset": ClientPeer.reset,
}


def lease_ends_with(context: ServerContext, end: Callable[[ClientPeer], None]) -> None:
    """End the connection that holds leases, and have the jobs handed out to another one."""
    queue = Queue(context)
    names = ids(context, 3)
    queue.enqueue(*(job(name, attempts=2) for name in names))
    holder = queue.other_peer()
    holder.expect_jobs(*names)
    queue.expect_jobs()
    end(holder.peer)
    found = queue.await_jobs(*names, seconds=1, why="the jobs of a connection that has ended are not handed out again")
    if {each["attempts"] for each in found} != {2}:
        raise Violation("the end of a lease changed attempts", expected="2", received=codec.shorten(found))


for _name, _end in ENDS.items():
    add(
        Case(
            f"queue/lease-ends-with-its-connection-by-{_name}",
            ("QUE-014", "QUE-017"),
            f"Jobs that a connection held are handed out again, as they were, after its {_name.replace('-', ' ')}.",
            partial(lease_ends_with, end=_end),
            profile=PROFILE,
        )
    )


@queue_case("lease-ends-with-a-takeover", "QUE-014", "QUE-021")
def lease_ends_with_takeover(context: ServerContext) -> None:
    """A connection that takes another one's place has none of its leases."""
    queue = Queue(context)
    (name,) = ids(context, 1)
    queue.enqueue(job(name))
    holder = queue.other_peer()
    holder.expect_jobs(name)
    newer = queue.seen_by(context.connect(app=holder.peer.app_id, connection_id=holder.peer.connection_id))
    newer.expect_refused("not_leased", "job_completed", job_id=name)
    newer.await_jobs(name, seconds=1, why="the job of a connection that was replaced is not handed out again")
    newer.report("job_completed", name)


@queue_case("lease-ends-by-time", "QUE-015", "QUE-017", "QUE-021", seconds=0.3)
def lease_ends_by_time(context: ServerContext) -> None:
    """A job whose lease has passed is handed out again as it was, and its holder has no say any more."""
    queue = Queue(context)
    (name,) = ids(context, 1)
    queue.enqueue(job(name, attempts=1))
    holder = queue.other_peer()
    holder.expect_jobs(name, lease_ms=SHORT_LEASE_MS)
    (found,) = queue.await_jobs(name, seconds=SHORT_LEASE_MS / 1000, why="a job whose lease has passed is not pending")
    if found["attempts"] != 1:
        raise Violation("the end of a lease changed attempts", expected="1", received=codec.shorten(found))
    holder.expect_refused("not_leased", "job_completed", job_id=name)
    queue.report("job_completed", name)


@queue_case("lease-lasts", "QUE-016", "QUE-013", seconds=0.8)
def lease_lasts(context: ServerContext) -> None:
    """Until its lease has passed a job is handed out to nobody, not even its holder, who can still report on it."""
    queue = Queue(context)
    name, other = ids(context, 2)
    queue.enqueue(job(name), job(other))
    holder = queue.other_peer()
    lease_ms = int(LONG_LEASE_MS * context.time_scale)
    begun = time.monotonic()
    holder.expect_jobs(name, count=1, lease_ms=lease_ms)
    holder.expect_jobs(other, count=1)
    while True:
        early = [each["id"] for each in queue.dequeue(MANY, lease_ms=100) + holder.dequeue(MANY, lease_ms=100)]
        passed = (time.monotonic() - begun) * 1000
        if early and (other in early or passed < lease_ms):
            raise Violation(
                "a leased job was handed out", expected=f"{lease_ms} ms of lease", received=f"{early}, {passed:.0f} ms"
            )
        if early or passed > lease_ms:
            break
        context.wait(0.02)
    holder.report("job_completed", other)


@queue_case("lease-without-a-time-lasts", "QUE-016")
def default_lease(context: ServerContext) -> None:
    """Without lease_ms a lease does not end at once."""
    queue = Queue(context)
    (name,) = ids(context, 1)
    queue.enqueue(job(name))
    holder = queue.other_peer()
    holder.expect_jobs(name)
    context.wait(0.3)
    queue.expect_jobs()
    holder.report("job_completed", name)


@queue_case("returned-job-keeps-its-place", "QUE-010", "QUE-014")
def keeps_its_place(context: ServerContext) -> None:
    """A job that comes back is ahead of those that were enqueued behind it."""
    queue = Queue(context)
    names = ids(context, 3)
    queue.enqueue(*map(job, names))
    queue.expect_jobs(names[0], count=1)
    queue.report("retry_job", names[0])
    holder = queue.other_peer()
    holder.expect_jobs(*names[:2], count=2)
    holder.peer.end_sending()
    holder.peer.expect_end()
    queue.await_stats(seconds=0, pending=len(names))
    queue.expect_jobs(*names)


@queue_case("lease-of-several-jobs-ends-by-time", "QUE-015", "QUE-010", "QUE-022", "QUE-021", seconds=0.4)
def several_end_by_time(context: ServerContext) -> None:
    """All jobs that were handed out together come back, to their places, whatever their holder asks meanwhile."""
    queue, watcher = watched(context)
    names = ids(context, 4)
    queue.enqueue(*map(job, names))
    queue.expect_jobs(*names[:3], count=3, lease_ms=SHORT_LEASE_MS)
    queue.await_stats(seconds=SHORT_LEASE_MS / 1000, pending=len(names))
    queue.expect_stats(pending=len(names))
    queue.expect_refused("not_leased", "job_completed", job_id=names[0])
    watcher.peer.barrier()
    queue.expect_jobs(*names)


@queue_case("lease-is-not-ended-by-an-earlier-one", "QUE-016", "QUE-013", seconds=0.5)
def not_ended_by_an_earlier_one(context: ServerContext) -> None:
    """A lease lasts although an earlier one of the job would have passed meanwhile, and its holder has gone."""

    def attempt(seconds: float) -> None:
        queue = Queue(context)
        (name,) = ids(context, 1)
        queue.enqueue(job(name))
        former, holder = queue.other_peer(), queue.other_peer()
        former.expect_jobs(name, lease_ms=int(1000 * seconds))
        former.report("retry_job", name)
        holder.expect_jobs(name)
        former.peer.end_sending()
        former.peer.expect_end()
        context.wait(seconds * 1.5)
        queue.expect_jobs()
        holder.expect_jobs()
        holder.report("job_completed", name)

    context.with_more_time(attempt, 2 * SHORT_LEASE_MS / 1000)


@queue_case("lease-of-a-former-holder-ends-alone", "QUE-016", seconds=0.4)
def former_holder(context: ServerContext) -> None:
    """When a connection ends whose lease had passed before, the job stays leased to the next one."""
    queue = Queue(context)
    (name,) = ids(context, 1)
    queue.enqueue(job(name))
    former, holder = queue.other_peer(), queue.other_peer()
    former.expect_jobs(name, lease_ms=100)
    holder.await_jobs(name, seconds=0.1, why="a job whose lease has passed is not pending")
    former.peer.end_sending()
    former.peer.expect_end()
    queue.expect_jobs()
    holder.report("job_completed", name)


@queue_case("longest-lease-lasts", "QUE-016")
def longest_lease(context: ServerContext) -> None:
    """The longest lease that can be asked for does not end at once."""
    queue = Queue(context)
    (name,) = ids(context, 1)
    queue.enqueue(job(name))
    queue.expect_jobs(name, lease_ms=86_400_000)
    context.wait(0.2)
    queue.expect_jobs()
    queue.report("job_completed", name)


def owe_and_end(context: ServerContext, peer: ClientPeer) -> None:
    """Have a connection wait for an answer that takes long, and end its stream."""
    peer.send(peer.request_message("conformance.delay", {"delay_ms": int(4000 * context.time_scale), "value": 1}))
    peer.end_sending()


LEFT: dict[str, tuple[tuple[str, ...], Callable[[ServerContext, ClientPeer], None]]] = {
    "a-fatal-error": ((), lambda _context, peer: peer.send_octets(b"\xff" * 4)),
    "being-dropped": (("close",), lambda _context, peer: peer.send(peer.request_message("conformance.close", {}))),
    "an-end-of-stream-while-an-answer-is-owed": (("delay",), owe_and_end),
}


def lease_ends_with_leaving(context: ServerContext, leave: Callable[[ServerContext, ClientPeer], None]) -> None:
    """Have a connection leave the state open, and its job handed out to another one within a second."""
    queue = Queue(context)
    (name,) = ids(context, 1)
    queue.enqueue(job(name))
    holder = queue.other_peer()
    holder.expect_jobs(name)
    leave(context, holder.peer)
    queue.await_jobs(name, seconds=0, why="the job of a connection that has left the state open is not handed out")


for _name, (_needs, _leave) in LEFT.items():
    add(
        Case(
            f"queue/lease-ends-with-{_name}",
            ("QUE-014",),
            f"The jobs of a connection are handed out again within a second of {_name.replace('-', ' ')}.",
            partial(lease_ends_with_leaving, leave=_leave),
            profile=PROFILE,
            needs=_needs,
        )
    )


@queue_case("nobody-gets-a-job-for-the-dead", "QUE-014", seconds=0.3)
def for_the_dead(context: ServerContext) -> None:
    """A job that was on its way to a connection that is no more is handed out again within a second."""
    queue = Queue(context)
    for name in ids(context, 10):
        queue.enqueue(job(name))
        dying = queue.other_peer()
        dying.peer.send(dying.message("dequeue"))
        context.wait(context.random.choice((0, 0, 0.001, 0.002)))
        dying.peer.reset()
        queue.await_jobs(name, seconds=0, why="the job of a connection that was reset is not handed out again")


@queue_case("two-ask-for-one-job", "QUE-013", "QUE-009", seconds=0.2)
def two_ask(context: ServerContext) -> None:
    """Of two connections that ask for the only job at the same moment, one gets it."""
    queue = Queue(context)
    workers = queue.other_peer(), queue.other_peer()
    for name in ids(context, 25):
        queue.enqueue(job(name))
        messages = [worker.message("dequeue") for worker in workers]
        for worker, message in zip(workers, messages, strict=True):
            worker.peer.send(message)
        found = [answer_of(worker.peer.receive(), "queue-jobs", "dequeue")["jobs"] for worker in workers]
        if [each["id"] for jobs in found for each in jobs] != [name]:
            raise Violation("one job was not handed out once", expected=name, received=codec.shorten(found))


@queue_case("two-enqueue-the-same", "QUE-005", "QUE-004", seconds=0.2)
def two_enqueue(context: ServerContext) -> None:
    """A job that two connections enqueue at the same moment is one job."""
    queue = Queue(context)
    clients = queue.other_peer(), queue.other_peer()
    names = ids(context, 50)
    for client in clients:
        client.peer.send(*(client.message("enqueue", job=job(name)) for name in names))
    for client in clients:
        for _ in names:
            answer_of(client.peer.receive(), "queue-ok", "enqueue")
    queue.expect_stats(pending=len(names))
    found = queue.dequeue(MANY)
    if sorted(each["id"] for each in found) != sorted(names):
        raise Violation("a job that was enqueued twice at once is not there once", received=f"{len(found)} jobs")


@queue_case("returned-job-stays-behind-urgent-ones", "QUE-010")
def behind_urgent(context: ServerContext) -> None:
    """A job that comes back is handed out behind a more urgent one."""
    queue = Queue(context)
    low, urgent = ids(context, 2)
    queue.enqueue(job(low))
    queue.expect_jobs(low)
    queue.enqueue(job(urgent, priority=1))
    queue.report("retry_job", low)
    queue.expect_jobs(urgent, low)


@queue_case("delayed-job-has-its-place", "QUE-010", "QUE-027", seconds=0.4)
def delayed_place(context: ServerContext) -> None:
    """A job that was delayed is ahead of those that were enqueued behind it, once it is due."""
    queue = Queue(context)
    names = ids(context, 3)
    queue.enqueue(job(names[0]))
    queue.expect_jobs(names[0])
    queue.enqueue(job(names[1]))
    queue.report("retry_job", names[0], delay=150)
    queue.enqueue(job(names[2]))
    queue.await_stats(seconds=0.15, pending=len(names))
    queue.expect_jobs(*names)
