"""QUE: jobs are enqueued, known, and handed out."""

from __future__ import annotations

from functools import partial
from typing import Any

from conformance.cases.server.queue.helpers import (
    CUSTOMARY_FRAME_BYTES,
    MANAGER,
    MANY,
    PROFILE,
    ZERO,
    Queue,
    answer_of,
    ids,
    in_state,
    job,
    queue_case,
)
from conformance.core.verdicts import Violation
from conformance.harness.case import Case, add
from conformance.harness.server_context import ServerContext
from conformance.protocol import codec, schemas


@queue_case("job-is-handed-out", "QUE-004", "QUE-009", "QUE-012")
def job_is_handed_out(context: ServerContext) -> None:
    """A job that one connection enqueues is handed out to another, once."""
    queue = Queue(context)
    (name,) = ids(context, 1)
    queue.enqueue(job(name))
    worker = queue.other_peer()
    worker.expect_jobs(name, count=1)
    worker.expect_jobs()


CLOCK_MS = 1000
"""Between two readings of the clock for one enqueue, at most."""
FULL = {
    "type": "ünïcödé \u0000",
    "data": {"nested": [1, [2.5, None, True], {"": {}}], "exact": 0.1234567890123456},
    "priority": -3,
    "attempts": 7,
    "maxAttempts": 9,
    "createdAt": 1_600_000_000_000.25,
    "scheduledFor": 1_600_000_000_001.75,
    "further": ["member"],
    "queue": "another thing",
}
PLAIN: tuple[Any, ...] = (None, "x", -0.5, [], False)


@queue_case("job-keeps-its-members", "QUE-012", "QUE-004")
def job_keeps_members(context: ServerContext) -> None:
    """A job is handed out with all the members that it came with, known or not, and data of any shape."""
    queue = Queue(context)
    names = ids(context, 1 + len(PLAIN))
    made = [FULL | {"id": names[0]}, *(job(names[n + 1], data=data) for n, data in enumerate(PLAIN))]
    queue.enqueue(*made)
    found = {each["id"]: each for each in queue.dequeue(MANY)}
    for each in made:
        job_found = found.get(each["id"], {})
        there = {name: job_found[name] for name in each if name in job_found}
        if not codec.same(there, each):
            raise Violation(
                "a job was not handed out as it was enqueued",
                expected=codec.shorten(each),
                received=codec.shorten(found),
            )


@queue_case("job-gets-defaults", "QUE-012")
def job_gets_defaults(context: ServerContext) -> None:
    """A job of nothing but an id is handed out with the defaults, and with no other members."""
    queue = Queue(context)
    (name,) = ids(context, 1)
    queue.enqueue({"id": name})
    (found,) = queue.expect_jobs(name)
    defaults = {"id": name, "priority": 0, "attempts": 0}
    if not codec.same({member: found[member] for member in defaults}, defaults) or set(found) & {"type", "data"}:
        raise Violation(
            "a job did not get the defaults", expected=codec.shorten(defaults), received=codec.shorten(found)
        )
    if abs(found["createdAt"] - found["scheduledFor"]) > CLOCK_MS or "maxAttempts" in found:
        raise Violation(
            "a job of nothing but an id got other times than one, or a member that has no default",
            received=codec.shorten(found),
        )


@queue_case("urgent-jobs-first", "QUE-010")
def urgent_first(context: ServerContext) -> None:
    """The largest priority comes first, and among equals the one that was enqueued first."""
    queue = Queue(context)
    most = 9_007_199_254_740_991
    priorities = (0, 5, -1, 5, most - 1, 0, -most, most, 1 - most)
    names = ids(context, len(priorities))
    for place, priority in enumerate(priorities):
        queue.enqueue(job(names[place], priority=priority, createdAt=1000 - place))
    queue.expect_jobs(*(names[place] for place in (7, 4, 1, 3, 0, 5, 2, 8, 6)))


@queue_case("one-at-a-time-in-order", "QUE-010", "QUE-009")
def one_at_a_time(context: ServerContext) -> None:
    """Without a count one job is handed out, and the jobs come in the order in which they were enqueued."""
    queue = Queue(context)
    names = ids(context, 5)
    queue.enqueue(*map(job, names))
    for name in names:
        jobs = queue.ask("queue-jobs", "dequeue")["jobs"]
        if [each["id"] for each in jobs] != [name]:
            raise Violation(
                "dequeue without a count did not hand out the next job", expected=name, received=codec.shorten(jobs)
            )
    queue.expect_jobs()


@queue_case("as-many-as-asked-for", "QUE-009")
def as_many_as_asked(context: ServerContext) -> None:
    """As many are handed out as were asked for, and what is there when that is less."""
    queue = Queue(context)
    names = ids(context, 5)
    queue.enqueue(*map(job, names))
    queue.expect_jobs(*names[:3], count=3)
    queue.expect_jobs(*names[3:], count=3)
    queue.expect_jobs(count=3)


@queue_case("thousand-jobs-at-once", "QUE-009", "QUE-010", seconds=0.3)
def thousand(context: ServerContext) -> None:
    """A thousand jobs can be handed out in one answer."""
    queue = Queue(context)
    names = ids(context, MANY)
    queue.enqueue(*map(job, names))
    queue.expect_jobs(*names)


@queue_case("jobs-that-fit-into-a-message", "QUE-009", "QUE-010", "LIM-001", seconds=0.3)
def jobs_that_fit(context: ServerContext) -> None:
    """Jobs that together are longer than a message are handed out in several, as many in each as fit, and in order."""
    queue = Queue(context)
    limit = queue.peer.limit("max_frame_bytes") or CUSTOMARY_FRAME_BYTES
    names = ids(context, 7)
    shares = [0.3, 0.3, 0.3, 0.3, 0.9, 0.05, 0.3]
    for name, share in zip(names, shares, strict=True):
        queue.enqueue(job(name, data="x" * int(limit * share)))
    for count in (3, 1, 2, 1):
        queue.expect_jobs(*names[:count])
        del names[:count]


@queue_case("job-that-cannot-be-handed-out-is-refused", "QUE-008", seconds=0.2)
def too_long(context: ServerContext) -> None:
    """A job as long as a message may just be is refused, or handed out."""
    queue = Queue(context)
    limit = queue.peer.limit("max_frame_bytes") or CUSTOMARY_FRAME_BYTES
    (name,) = ids(context, 1)
    empty = queue.message("enqueue", job={"id": name, "data": ""})
    room = limit - len(codec.encode(empty))
    message = queue.message("enqueue", job={"id": name, "data": "x" * (room - 8)})
    queue.peer.send(message)
    answer = queue.peer.expect_response(message)
    if schemas.problem("error", answer["payload"]):
        answer_of(answer, "queue-ok", "enqueue")
        queue.expect_jobs(name)
    elif answer["payload"]["error"]["code"] != "invalid_message":
        raise Violation("a job that is too long was refused with another code", received=codec.shorten(answer))
    else:
        queue.expect_stats()


@queue_case("job-of-some-length-is-taken", "QUE-030", seconds=0.2)
def long_job(context: ServerContext) -> None:
    """A job that leaves room for 4096 octets around it in a message is taken and handed out."""
    queue = Queue(context)
    limit = queue.peer.limit("max_frame_bytes") or CUSTOMARY_FRAME_BYTES
    (name,) = ids(context, 1)
    made: dict[str, Any] = {"id": name, "priority": 0, "attempts": 0, "createdAt": 1, "scheduledFor": 1, "data": ""}
    made["data"] = "x" * (limit - 4096 - len(codec.encode(made)))
    message = queue.message("enqueue", job=made)
    queue.peer.send(message)
    queue.peer.expect_payload(
        message,
        {"status": "ok", "job_id": name},
        f"a job of {limit - 4096} octets, 4096 below the limit, was not taken",
    )
    queue.expect_jobs(name)


@queue_case("requests-are-acted-upon-in-order", "QUE-003")
def in_order(context: ServerContext) -> None:
    """Requests that are sent at once do one after the other what they say."""
    queue = Queue(context)
    name, other = ids(context, 2)
    messages = [
        queue.message("enqueue", job=job(name)),
        queue.message("dequeue"),
        queue.message("enqueue", job=job(other)),
        queue.message("job_completed", job_id=name),
        queue.message("dequeue"),
        queue.message("job_failed", job_id=other),
        queue.message("get_queue_stats"),
    ]
    queue.peer.send(*messages)
    answers = {answer["reply_to"]: answer["payload"] for answer in (queue.peer.receive() for _ in messages)}
    payloads = [answers.get(message["message_id"]) for message in messages]
    wanted: dict[str, Any] = {"queue": queue.name} | ZERO | {"completed": 1, "failed": 1}
    if not codec.same(payloads[6], wanted):
        raise Violation(
            "requests of one connection were not acted upon in their order",
            expected=codec.shorten(wanted),
            received=codec.shorten(payloads),
        )


@queue_case("empty-queue-is-answered-at-once", "QUE-003", "QUE-009")
def empty_at_once(context: ServerContext) -> None:
    """A dequeue does not wait for a job that is enqueued behind it, and one behind a retry gets that job."""
    queue = Queue(context)
    (name,) = ids(context, 1)
    messages = [queue.message("dequeue"), queue.message("enqueue", job=job(name)), queue.message("dequeue")]
    messages += [queue.message("retry_job", job_id=name), queue.message("dequeue")]
    queue.peer.send(*messages)
    answers = {answer["reply_to"]: answer["payload"] for answer in (queue.peer.receive() for _ in messages)}
    found = [
        [each["id"] for each in answers[message["message_id"]].get("jobs", ())]
        for message in messages
        if message["payload"]["action"] == "dequeue"
    ]
    if found != [[], [name], [name]]:
        raise Violation(
            "requests of one connection were not acted upon in their order",
            expected=str([[], [name], [name]]),
            received=str(found),
        )


@queue_case("names-are-compared-as-they-are", "QUE-004", "QUE-022", "QUE-024")
def names_as_they_are(context: ServerContext) -> None:
    """Names of queues and jobs that differ in case or blanks alone are different names."""
    first = context.name("queue")
    queues = [Queue(context, name=name) for name in (f"{first}q", f"{first}Q", f"{first}q ", f" {first}q")]
    start = context.name("job")
    for number, queue in enumerate(queues):
        queue.peer.subscribe(queue.channel)
        name = (f"{start}x", f"{start}X", f"{start}x ", f" {start}x")[number]
        queue.enqueue_with_event(job(name))
        queue.expect_jobs(name)
        queue.peer.expect_silence("an event came for a queue of another name")


@queue_case("queues-are-apart", "QUE-009", "QUE-022")
def queues_are_apart(context: ServerContext) -> None:
    """What is in one queue is not in another."""
    queue, other = Queue(context), Queue(context)
    name, second = ids(context, 2)
    queue.enqueue(job(name))
    other.expect_jobs()
    other.expect_stats()
    other.enqueue(job(second))
    queue.expect_jobs(name)
    queue.expect_stats(in_flight=1)
    other.expect_stats(pending=1)


@queue_case("applications-are-apart", "QUE-023")
def applications_are_apart(context: ServerContext) -> None:
    """A queue of the same name and a job of the same id in another application are another queue and job."""
    queue = Queue(context)
    stranger = Queue(context, context.connect(app=context.name("app")), queue.name)
    (name,) = ids(context, 1)
    queue.enqueue(job(name, data="mine"))
    stranger.expect_jobs()
    stranger.enqueue(job(name, data="theirs"))
    (found,) = stranger.expect_jobs(name)
    if found["data"] != "theirs":
        raise Violation("a job of another application was handed out", received=codec.shorten(found))
    queue.expect_refused("not_leased", "job_completed", job_id=name)
    stranger.report("job_completed", name)
    queue.expect_stats(pending=1)
    stranger.expect_stats(completed=1)


@queue_case("longest-names", "QUE-004", "QUE-024")
def longest_names(context: ServerContext) -> None:
    """A queue's name of 249 characters and an id of 255 are taken, and events come on a channel of 255."""
    start = context.name("queue")
    queue = Queue(context, name=start + "€" * (249 - len(start)))
    queue.peer.subscribe(queue.channel)
    name = "€" * (255 - len(start)) + start
    queue.enqueue_with_event(job(name))
    queue.expect_jobs(name)


def known_id(context: ServerContext, state: str) -> None:
    """Enqueue a job again, as it was and otherwise, and see nothing change."""
    queue = Queue(context)
    (name,) = ids(context, 1)
    in_state(queue, state, name)
    queue.enqueue(job(name, data="first"))
    queue.other_peer().enqueue(job(name, data="second", priority=9, scheduledFor=0, createdAt=1))
    queue.expect_stats(**{state: 1})
    jobs = queue.dequeue(MANY)
    if [each["data"] for each in jobs if each["createdAt"] != 1] != (["first"] if state == "pending" else []):
        raise Violation("a job that was enqueued twice was changed or doubled", received=codec.shorten(jobs))


for _state in ZERO:
    add(
        Case(
            f"queue/known-id-{_state.replace('_', '-')}",
            ("QUE-005", "QUE-007"),
            f"Enqueueing a job again that is {_state.replace('_', ' ')} changes nothing.",
            partial(known_id, state=_state),
            profile=PROFILE,
        )
    )


@queue_case("known-in-another-queue", "QUE-006")
def known_in_another_queue(context: ServerContext) -> None:
    """An id that names a job in another queue is refused, and that job stays what it is."""
    queue, other = Queue(context), Queue(context)
    name, done = ids(context, 2)
    queue.enqueue(job(done))
    queue.expect_jobs(done)
    queue.report("job_completed", done)
    (leased,) = ids(context, 1)
    queue.enqueue(job(leased))
    queue.expect_jobs(leased)
    queue.enqueue(job(name, data="first"))
    for each in (name, done, leased):
        other.expect_refused("job_conflict", "enqueue", job=job(each))
    other.expect_stats()
    (found,) = queue.expect_jobs(name)
    if found["data"] != "first":
        raise Violation("a refused enqueue changed a job", received=codec.shorten(found))


@queue_case("thousand-finished-jobs-are-known", "QUE-007", "QUE-005", seconds=0.8)
def finished_are_known(context: ServerContext) -> None:
    """The ids of the thousand jobs of a queue that were finished last are known, whatever happens in other queues."""
    queue = Queue(context)
    names, others = ids(context, MANY), ids(context, MANY + 1)
    complete(queue, names)
    other = Queue(context, queue.peer)
    complete(other, others[:MANY])
    for name in (names[0], names[-1]):
        queue.enqueue(job(name))
    queue.expect_jobs()
    queue.expect_stats(completed=MANY)
    complete(other, others[MANY:])
    other.expect_stats(completed=MANY + 1)


def complete(queue: Queue, names: list[str]) -> None:
    """Have jobs enqueued, handed out and completed."""
    queue.enqueue(*map(job, names))
    queue.expect_jobs(*names)
    messages = [queue.message("job_completed", job_id=name) for name in names]
    queue.peer.send(*messages)
    for _ in messages:
        answer_of(queue.peer.receive(), "queue-ok", "job_completed")


@queue_case("refused-requests-change-nothing", "QUE-001", "QUE-002")
def refused(context: ServerContext) -> None:
    """A request that is refused, however near it is to a good one, changes nothing and does no harm."""
    queue = Queue(context)
    (name,) = ids(context, 1)
    bad: list[tuple[str, str, dict[str, Any]]] = [
        ("invalid_message", "enqueue", {"job": job(name, priority=0.5)}),
        ("invalid_message", "enqueue", {"job": job(name) | {"id": ""}}),
        ("invalid_message", "enqueue", {"job": [job(name)]}),
        ("invalid_message", "dequeue", {"count": 0}),
        ("unknown_action", "Enqueue", {"job": job(name)}),
        ("unknown_action", "", {"job": job(name)}),
    ]
    for code, action, members in bad:
        message = queue.message(action, **members)
        queue.peer.send(message)
        queue.peer.expect_error(code, message)
    queue.expect_stats()
    queue.enqueue(job(name))
    queue.expect_jobs(name)


@queue_case("notification-is-not-acted-upon", "NTF-001", "QUE-004")
def notification(context: ServerContext) -> None:
    """A notification with the payload of an enqueue is not answered and enqueues nothing."""
    queue = Queue(context)
    (name,) = ids(context, 1)
    payload = queue.message("enqueue", job=job(name))["payload"]
    queue.peer.send(queue.peer.message("notification", MANAGER, payload))
    queue.peer.expect_silence("a notification was answered")
    queue.expect_stats()


@queue_case("acknowledgement-says-whether-jobs-are-kept", "QUE-028")
def says_durable(context: ServerContext) -> None:
    """The acknowledgement states whether the server is durable."""
    payload = (context.connect().acknowledgement or {})["payload"]
    stated = payload.get("queue", {}).get("durable") if isinstance(payload.get("queue"), dict) else None
    if not isinstance(stated, bool):
        raise Violation(
            "the acknowledgement does not state durable", expected='"queue": {"durable": ...}', received=str(payload)
        )
