"""QUE: subscribers hear of jobs that have become due."""

from __future__ import annotations

from conformance.cases.server.queue.helpers import (
    FAR_FUTURE,
    MANAGER,
    SHORT_LEASE_MS,
    Queue,
    await_event,
    expect_event,
    expect_told,
    ids,
    job,
    queue_case,
    watched,
)
from conformance.harness.server_context import ServerContext


@queue_case("event-when-a-job-is-enqueued", "QUE-024", "QUE-026")
def event_enqueued(context: ServerContext) -> None:
    """Subscribers have the event before the enqueue is answered, and one event can stand for many jobs."""
    queue, watcher = watched(context)
    names = ids(context, 11)
    queue.enqueue(job(names[0]))
    expect_told(watcher, at_most=1, why="an enqueued job had not its event by the time of the answer")
    queue.enqueue(*map(job, names[1:]))
    expect_told(watcher, at_most=10, why="enqueued jobs had not their events by the time of the answers")


@queue_case("event-precedes-the-answer", "QUE-026")
def event_first(context: ServerContext) -> None:
    """A connection that is subscribed itself gets the event ahead of its own answer, to an enqueue and to a retry."""
    queue = Queue(context)
    queue.peer.subscribe(queue.channel)
    for name in ids(context, 5):
        queue.enqueue_with_event(job(name))
    (found,) = queue.dequeue()
    message = queue.message("retry_job", job_id=found["id"])
    queue.peer.send(message)
    expect_event(queue, queue.peer.receive())
    queue.peer.expect_payload(message, {"status": "ok"}, "the retry was not answered well")


@queue_case("event-when-a-job-is-tried-again", "QUE-024", "QUE-026")
def event_retried(context: ServerContext) -> None:
    """A retry without a delay is an event."""
    queue, watcher = watched(context)
    (name,) = ids(context, 1)
    queue.enqueue(job(name))
    queue.expect_jobs(name)
    watcher.peer.barrier()
    queue.report("retry_job", name)
    expect_told(watcher, at_most=1, why="a retry had not its event by the time of the answer")


@queue_case("event-when-a-delay-is-over", "QUE-024", "QUE-027", "QUE-025", seconds=0.3)
def event_delay(context: ServerContext) -> None:
    """A delayed job is an event when it becomes due, and not before."""

    def attempt(seconds: float) -> None:
        queue, watcher = watched(context)
        (name,) = ids(context, 1)
        queue.enqueue(job(name))
        queue.expect_jobs(name)
        watcher.peer.barrier()
        queue.report("retry_job", name, delay=int(1000 * seconds))
        watcher.peer.expect_silence("a delayed job was told of before it is due")
        await_event(watcher, seconds=seconds)
        queue.expect_jobs(name)

    context.with_more_time(attempt, 0.2)


@queue_case("event-when-a-lease-is-over", "QUE-024", "QUE-015", seconds=0.3)
def event_lease(context: ServerContext) -> None:
    """A job whose lease has passed is an event, and so is one whose connection has ended."""
    queue, watcher = watched(context)
    (name,) = ids(context, 1)

    def attempt(seconds: float) -> None:
        queue.enqueue(job(name))
        queue.await_jobs(name, seconds=seconds, why="the job is not there", lease_ms=int(1000 * seconds))
        watcher.peer.barrier()
        await_event(watcher, seconds=seconds)

    context.with_more_time(attempt, SHORT_LEASE_MS / 1000)
    holder = queue.other_peer()
    holder.expect_jobs(name)
    holder.peer.end_sending()
    await_event(watcher, seconds=1)
    queue.expect_jobs(name)


@queue_case("event-for-every-queue", "QUE-024", "QUE-014")
def event_for_every_queue(context: ServerContext) -> None:
    """When a connection ends that holds jobs of two queues, both have their event, though other jobs wait there."""
    queues = [watched(context), watched(context)]
    holder = context.connect()
    for queue, watcher in queues:
        name, waiting = ids(context, 2)
        queue.enqueue(job(name), job(waiting))
        queue.seen_by(holder).expect_jobs(name, count=1)
        watcher.peer.barrier()
    holder.end_sending()
    for _, watcher in queues:
        await_event(watcher, seconds=1)


@queue_case("one-event-for-one-job", "QUE-025", seconds=0.2)
def one_event(context: ServerContext) -> None:
    """A job that has become due is told of once, and not again while it waits."""
    queue, watcher = watched(context)
    queue.enqueue(job(*ids(context, 1)))
    expect_told(watcher, at_most=1, why="an enqueued job had not its event by the time of the answer")
    context.wait(0.15)
    watcher.peer.expect_silence("a second event came for one job")


@queue_case("no-event-without-a-job", "QUE-025")
def no_event(context: ServerContext) -> None:
    """Nothing is told when no job has become due."""
    queue, watcher = watched(context)
    name, late = ids(context, 2)
    queue.enqueue(job(name))
    watcher.peer.barrier()
    queue.enqueue(job(name), job(late, scheduledFor=FAR_FUTURE))
    queue.expect_jobs(name)
    queue.expect_refused("not_leased", "job_completed", job_id=late)
    queue.expect_stats(delayed=1, in_flight=1)
    queue.report("job_completed", name)
    queue.expect_jobs()
    watcher.peer.expect_silence("an event came although no job had become due")


@queue_case("events-of-one-queue", "QUE-024", "QUE-023")
def events_of_one_queue(context: ServerContext) -> None:
    """Events go to those who are subscribed to this queue in this application."""
    queue, watcher = watched(context)
    other = Queue(context)
    stranger = context.connect(app=context.name("app"))
    for peer, channel in ((other.peer, other.channel), (stranger, queue.channel)):
        peer.subscribe(channel)
    queue.enqueue(job(*ids(context, 1)))
    expect_told(watcher, at_most=1, why="an enqueued job had not its event by the time of the answer")
    for peer in (other.peer, stranger):
        peer.expect_silence("an event went to a subscriber of another queue or application")


@queue_case("clients-do-not-publish-events", "ISO-004", "ISO-008")
def reserved(context: ServerContext) -> None:
    """A client that publishes on the profile's channels is refused, and nobody gets it."""
    queue, watcher = watched(context)
    watcher.peer.subscribe(MANAGER)
    for channel in (queue.channel, "queue:", MANAGER):
        message = queue.peer.message("publish", channel, {"type": "job_available", "queue": queue.name})
        queue.peer.send(message)
        queue.peer.expect_error("reserved_channel", message)
    watcher.peer.expect_silence("a publish that was refused was delivered")
    for channel in ("queue", f"queues:{queue.name}", f"Queue:{queue.name}"):
        queue.peer.subscribe(channel)
        queue.peer.publish_and_get(channel, 1)
