"""QUE: jobs that wait until somebody has done them."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from conformance import schemas, wire
from conformance.case import Case, add, case
from conformance.connection import Connection
from conformance.scene import Scene
from conformance.verdicts import Violation
from conformance.wire import Message

PROFILE = "queue"
MANAGER = "queue_manager"
CUSTOMARY_FRAME_BYTES = 16 * 1024 * 1024
FAR_FUTURE = 4_102_444_800_000  # the year 2100
ZERO = {"pending": 0, "delayed": 0, "in_flight": 0, "completed": 0, "failed": 0}
MANY = 1000
PROMPT_SECONDS = 1.0
"""What QUE-015 and QUE-027 allow."""
SHORT_LEASE_MS, LONG_LEASE_MS = 150, 700


class Queue:
    """A queue with a name of its own, as one connection sees it."""

    def __init__(self, scene: Scene, peer: Connection | None = None, name: str = "") -> None:
        self.scene = scene
        self.peer = peer or scene.connect()
        self.name = name or scene.name("queue")

    def seen_by(self, peer: Connection) -> Queue:
        """Return the same queue as another connection sees it."""
        return Queue(self.scene, peer, self.name)

    def other_peer(self) -> Queue:
        """Return the same queue as a new connection of the same application sees it."""
        return self.seen_by(self.scene.connect(app=self.peer.app_id))

    @property
    def channel(self) -> str:
        """The channel of its events."""
        return f"queue:{self.name}"

    def message(self, action: str, **members: Any) -> Message:
        """Return a request about the queue."""
        return self.peer.request_message(MANAGER, {"action": action, "queue": self.name} | members)

    def ask(self, schema: str, action: str, **members: Any) -> Any:
        """Send a request and return the payload of the next frame, which has to be its answer."""
        message = self.message(action, **members)
        self.peer.send(message)
        return answer_of(self.peer.expect_response(message), schema, action)

    def enqueue(self, *jobs: dict[str, Any]) -> None:
        """Enqueue jobs and wait until the server has said of each that it did."""
        messages = [self.message("enqueue", job=job) for job in jobs]
        self.peer.send(*messages)
        answers = [answer_of(self.peer.receive(), "queue-ok", "enqueue") for _ in messages]
        if sorted(answer.get("job_id", "") for answer in answers) != sorted(job["id"] for job in jobs):
            raise Violation(
                "the answers to enqueue do not name the jobs",
                expected=wire.shorten([job["id"] for job in jobs]),
                received=wire.shorten(answers),
            )

    def dequeue(self, count: int = 1, **members: Any) -> list[dict[str, Any]]:
        """Have jobs handed out."""
        jobs: list[dict[str, Any]] = self.ask("queue-jobs", "dequeue", count=count, **members)["jobs"]
        if len(jobs) > count:
            raise Violation("dequeue handed out more than it was asked for", expected=str(count), received=str(jobs))
        return jobs

    def expect_jobs(self, *ids: str, count: int = MANY, **members: Any) -> list[dict[str, Any]]:
        """Have jobs handed out, which have to be these, in this order."""
        jobs = self.dequeue(count, **members)
        if [job["id"] for job in jobs] != list(ids):
            raise Violation(
                "dequeue did not hand out the jobs that were to be handed out, in their order",
                expected=wire.shorten(list(ids)),
                received=wire.shorten([job["id"] for job in jobs]),
            )
        return jobs

    def report(self, action: str, job_id: str, **members: Any) -> None:
        """Say what became of a job, and see the server agree."""
        self.ask("queue-ok", action, job_id=job_id, **members)

    def expect_refused(self, code: str, action: str, **members: Any) -> None:
        """Send a request that has to be refused with a code of the profile."""
        message = self.message(action, **members)
        self.peer.send(message)
        self.peer.expect_profile_error("queue-error", code, message)

    def expect_stats(self, **counts: int) -> None:
        """Compare the statistics; what is not named has to be zero."""
        found = self.ask("queue-stats", "get_queue_stats")
        wanted = {"queue": self.name} | ZERO | counts
        if {name: found[name] for name in wanted} != wanted:
            raise Violation(
                "the statistics of the queue do not add up", expected=wire.shorten(wanted), received=wire.shorten(found)
            )

    def await_jobs(self, *ids: str, seconds: float, why: str, **members: Any) -> list[dict[str, Any]]:
        """Ask for jobs until these are handed out, together or one by one.

        Raises:
            Violation: they are not within ``seconds``, or another one is.
        """
        deadline = time.monotonic() + seconds * self.scene.time_scale + PROMPT_SECONDS * self.scene.time_scale
        found: list[dict[str, Any]] = []
        while len(found) < len(ids):
            found += self.dequeue(MANY, **members)
            if time.monotonic() > deadline:
                raise Violation(why, expected=wire.shorten(list(ids)), received=wire.shorten(found))
            self.scene.wait(0.01)
        if sorted(job["id"] for job in found) != sorted(ids):
            raise Violation("other jobs were handed out", expected=str(ids), received=wire.shorten(found))
        return found


def answer_of(message: Message, schema: str, action: str) -> Any:
    """Return the payload of an answer, which has to be valid."""
    if problem := schemas.problem(schema, message["payload"]):
        raise Violation(
            f"the answer to {action} is not valid", received=f"{wire.shorten(message['payload'])} {problem}"
        )
    return message["payload"]


def job(name: str, **members: Any) -> dict[str, Any]:
    """Return a job as the seed's clients make it, but for what is left to the server."""
    return {"id": name, "type": "work", "data": {"for": name}} | members


def queue_case(name: str, *requirements: str, **options: Any) -> Callable[[Callable[[Scene], None]], Any]:
    """Register a case of this profile."""
    return case(f"queue/{name}", *requirements, profile=PROFILE, **options)


def ids(scene: Scene, count: int) -> list[str]:
    """Return ids of jobs that nobody else uses."""
    first = scene.name("job")
    return [f"{first}-{number}" for number in range(count)]


# Enqueueing and handing out


@queue_case("job-is-handed-out", "QUE-004", "QUE-009", "QUE-012")
def job_is_handed_out(scene: Scene) -> None:
    """A job that one connection enqueues is handed out to another, once."""
    queue = Queue(scene)
    (name,) = ids(scene, 1)
    queue.enqueue(job(name))
    worker = queue.other_peer()
    worker.expect_jobs(name, count=1)
    worker.expect_jobs()


FULL = {
    "type": "ünïcödé \u0000",
    "data": {"nested": [1, [2.5, None, True], {"": {}}]},
    "priority": -3,
    "attempts": 7,
    "maxAttempts": 9,
    "createdAt": 1_600_000_000_000,
    "scheduledFor": 1_600_000_000_001,
    "further": ["member"],
    "queue": "another thing",
}
PLAIN: tuple[Any, ...] = (None, "x", -0.5, [], False)


@queue_case("job-keeps-its-members", "QUE-012", "QUE-004")
def job_keeps_members(scene: Scene) -> None:
    """A job is handed out with all the members that it came with, known or not, and data of any shape."""
    queue = Queue(scene)
    names = ids(scene, 1 + len(PLAIN))
    made = [FULL | {"id": names[0]}, *(job(names[n + 1], data=data) for n, data in enumerate(PLAIN))]
    queue.enqueue(*made)
    found = {each["id"]: each for each in queue.dequeue(MANY)}
    for each in made:
        there = {name: found.get(each["id"], {}).get(name) for name in each}
        if not wire.same(there, each):
            raise Violation(
                "a job was not handed out as it was enqueued", expected=wire.shorten(each), received=wire.shorten(found)
            )


@queue_case("job-gets-defaults", "QUE-012")
def job_gets_defaults(scene: Scene) -> None:
    """A job of nothing but an id is handed out with the defaults, and with no other members."""
    queue = Queue(scene)
    (name,) = ids(scene, 1)
    queue.enqueue({"id": name})
    (found,) = queue.expect_jobs(name)
    defaults = {"id": name, "priority": 0, "attempts": 0}
    if not wire.same({member: found[member] for member in defaults}, defaults) or set(found) & {"type", "data"}:
        raise Violation("a job did not get the defaults", expected=wire.shorten(defaults), received=wire.shorten(found))
    if found["createdAt"] != found["scheduledFor"]:
        raise Violation("a job that is enqueued without times has two", received=wire.shorten(found))


@queue_case("urgent-jobs-first", "QUE-010")
def urgent_first(scene: Scene) -> None:
    """The largest priority comes first, and among equals the one that was enqueued first."""
    queue = Queue(scene)
    priorities = (0, 5, -1, 5, 9_007_199_254_740_991, 0, -9_007_199_254_740_991)
    names = ids(scene, len(priorities))
    for place, priority in enumerate(priorities):
        queue.enqueue(job(names[place], priority=priority, createdAt=1000 - place))
    queue.expect_jobs(*(names[place] for place in (4, 1, 3, 0, 5, 2, 6)))


@queue_case("one-at-a-time-in-order", "QUE-010", "QUE-009")
def one_at_a_time(scene: Scene) -> None:
    """Without a count one job is handed out, and the jobs come in the order in which they were enqueued."""
    queue = Queue(scene)
    names = ids(scene, 5)
    queue.enqueue(*map(job, names))
    for name in names:
        jobs = queue.ask("queue-jobs", "dequeue")["jobs"]
        if [each["id"] for each in jobs] != [name]:
            raise Violation(
                "dequeue without a count did not hand out the next job", expected=name, received=wire.shorten(jobs)
            )
    queue.expect_jobs()


@queue_case("as-many-as-asked-for", "QUE-009")
def as_many_as_asked(scene: Scene) -> None:
    """As many are handed out as were asked for, and what is there when that is less."""
    queue = Queue(scene)
    names = ids(scene, 5)
    queue.enqueue(*map(job, names))
    queue.expect_jobs(*names[:3], count=3)
    queue.expect_jobs(*names[3:], count=3)
    queue.expect_jobs(count=3)


@queue_case("thousand-jobs-at-once", "QUE-009", "QUE-010", seconds=0.3)
def thousand(scene: Scene) -> None:
    """A thousand jobs can be handed out in one answer."""
    queue = Queue(scene)
    names = ids(scene, MANY)
    queue.enqueue(*map(job, names))
    queue.expect_jobs(*names)


@queue_case("jobs-that-fit-into-a-message", "QUE-009", "LIM-001", seconds=0.3)
def jobs_that_fit(scene: Scene) -> None:
    """Jobs that together are longer than a message are handed out in several, with at least one in each."""
    queue = Queue(scene)
    limit = queue.peer.limit("max_frame_bytes") or CUSTOMARY_FRAME_BYTES
    names = ids(scene, 5)
    for name in names:
        queue.enqueue(job(name, data="x" * (limit // 3)))
    found: list[str] = []
    while len(found) < len(names):
        jobs = queue.dequeue(MANY)
        if not jobs:
            raise Violation("pending jobs were not handed out", expected=str(names), received=str(found))
        found += [each["id"] for each in jobs]
    if found != names:
        raise Violation("long jobs were handed out in another order", expected=str(names), received=str(found))


@queue_case("job-that-cannot-be-handed-out-is-refused", "QUE-008", seconds=0.2)
def too_long(scene: Scene) -> None:
    """A job as long as a message may just be is refused, or handed out."""
    queue = Queue(scene)
    limit = queue.peer.limit("max_frame_bytes") or CUSTOMARY_FRAME_BYTES
    (name,) = ids(scene, 1)
    empty = queue.message("enqueue", job={"id": name, "data": ""})
    room = limit - len(wire.encode(empty))
    message = queue.message("enqueue", job={"id": name, "data": "x" * (room - 8)})
    queue.peer.send(message)
    answer = queue.peer.expect_response(message)
    if schemas.problem("error", answer["payload"]):
        answer_of(answer, "queue-ok", "enqueue")
        queue.expect_jobs(name)
    elif answer["payload"]["error"]["code"] != "invalid_message":
        raise Violation("a job that is too long was refused with another code", received=wire.shorten(answer))
    else:
        queue.expect_stats()


@queue_case("job-of-some-length-is-taken", "QUE-004", "QUE-008", seconds=0.2)
def long_job(scene: Scene) -> None:
    """A job that leaves room for 4096 octets around it in a message is taken and handed out."""
    queue = Queue(scene)
    limit = queue.peer.limit("max_frame_bytes") or CUSTOMARY_FRAME_BYTES
    (name,) = ids(scene, 1)
    made = {"id": name, "priority": 0, "attempts": 0, "createdAt": 1, "scheduledFor": 1, "data": ""}
    made["data"] = "x" * (limit - 4096 - len(wire.encode(made)))
    queue.enqueue(made)
    queue.expect_jobs(name)


@queue_case("requests-are-acted-upon-in-order", "QUE-003")
def in_order(scene: Scene) -> None:
    """Requests that are sent at once do one after the other what they say."""
    queue = Queue(scene)
    name, other = ids(scene, 2)
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
    if not wire.same(payloads[6], wanted):
        raise Violation(
            "requests of one connection were not acted upon in their order",
            expected=wire.shorten(wanted),
            received=wire.shorten(payloads),
        )


@queue_case("queues-are-apart", "QUE-009", "QUE-022")
def queues_are_apart(scene: Scene) -> None:
    """What is in one queue is not in another."""
    queue, other = Queue(scene), Queue(scene)
    name, second = ids(scene, 2)
    queue.enqueue(job(name))
    other.expect_jobs()
    other.expect_stats()
    other.enqueue(job(second))
    queue.expect_jobs(name)
    queue.expect_stats(in_flight=1)
    other.expect_stats(pending=1)


@queue_case("applications-are-apart", "QUE-023")
def applications_are_apart(scene: Scene) -> None:
    """A queue of the same name and a job of the same id in another application are another queue and job."""
    queue = Queue(scene)
    stranger = Queue(scene, scene.connect(app=scene.name("app")), queue.name)
    (name,) = ids(scene, 1)
    queue.enqueue(job(name, data="mine"))
    stranger.expect_jobs()
    stranger.enqueue(job(name, data="theirs"))
    (found,) = stranger.expect_jobs(name)
    if found["data"] != "theirs":
        raise Violation("a job of another application was handed out", received=wire.shorten(found))
    queue.expect_refused("not_leased", "job_completed", job_id=name)
    stranger.report("job_completed", name)
    queue.expect_stats(pending=1)
    stranger.expect_stats(completed=1)


@queue_case("longest-names", "QUE-004", "QUE-024")
def longest_names(scene: Scene) -> None:
    """A queue's name of 249 characters and an id of 255 are taken, and events come on a channel of 255."""
    start = scene.name("queue")
    queue = Queue(scene, name=start + "€" * (249 - len(start)))
    queue.peer.subscribe(queue.channel)
    message = queue.message("enqueue", job=job("€" * (255 - len(start)) + start))
    queue.peer.send(message)
    expect_event(queue, queue.peer.receive())
    queue.peer.expect_payload(message, {"status": "ok", "job_id": message["payload"]["job"]["id"]}, "no good answer")
    queue.dequeue()


# Known ids


def in_state(queue: Queue, state: str, name: str) -> None:
    """Bring a new job into a state."""
    queue.enqueue(job(name, data="first", **({"scheduledFor": FAR_FUTURE} if state == "delayed" else {})))
    if state in ("in_flight", "completed", "failed"):
        queue.expect_jobs(name)
    if state in ("completed", "failed"):
        queue.report(f"job_{state}", name)


def known_id(scene: Scene, state: str) -> None:
    """Enqueue a job again, as it was and otherwise, and see nothing change."""
    queue = Queue(scene)
    (name,) = ids(scene, 1)
    in_state(queue, state, name)
    queue.enqueue(job(name, data="first"))
    queue.other_peer().enqueue(job(name, data="second", priority=9, scheduledFor=0))
    queue.expect_stats(**{state: 1})
    jobs = queue.dequeue(MANY)
    if [each["data"] for each in jobs] != (["first"] if state == "pending" else []):
        raise Violation("a job that was enqueued twice was changed or doubled", received=wire.shorten(jobs))


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
def known_in_another_queue(scene: Scene) -> None:
    """An id that names a job in another queue is refused, and that job stays what it is."""
    queue, other = Queue(scene), Queue(scene)
    name, done = ids(scene, 2)
    queue.enqueue(job(done))
    queue.expect_jobs(done)
    queue.report("job_completed", done)
    queue.enqueue(job(name, data="first"))
    for each in (name, done):
        other.expect_refused("job_conflict", "enqueue", job=job(each))
    other.expect_stats()
    (found,) = queue.expect_jobs(name)
    if found["data"] != "first":
        raise Violation("a refused enqueue changed a job", received=wire.shorten(found))


@queue_case("thousand-finished-jobs-are-known", "QUE-007", "QUE-005", seconds=0.8)
def finished_are_known(scene: Scene) -> None:
    """The ids of the thousand jobs that were finished last are still known."""
    queue = Queue(scene)
    names = ids(scene, MANY)
    queue.enqueue(*map(job, names))
    queue.expect_jobs(*names)
    messages = [queue.message("job_completed", job_id=name) for name in names]
    queue.peer.send(*messages)
    for _ in messages:
        answer_of(queue.peer.receive(), "queue-ok", "job_completed")
    for name in (names[0], names[-1]):
        queue.enqueue(job(name))
    queue.expect_jobs()
    queue.expect_stats(completed=MANY)


# Leases


@queue_case("consumers-never-share-a-job", "QUE-013", seconds=0.2)
def consumers_never_share(scene: Scene) -> None:
    """Four connections that ask at the same time for all jobs get each job once."""
    queue = Queue(scene)
    names = ids(scene, 200)
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


ENDS: dict[str, Callable[[Connection], None]] = {
    "end-of-stream": Connection.end_sending,
    "reset": Connection.reset,
}


def lease_ends_with(scene: Scene, end: Callable[[Connection], None]) -> None:
    """End the connection that holds leases, and have the jobs handed out to another one."""
    queue = Queue(scene)
    names = ids(scene, 3)
    queue.enqueue(*(job(name, attempts=2) for name in names))
    holder = queue.other_peer()
    holder.expect_jobs(*names)
    queue.expect_jobs()
    end(holder.peer)
    found = queue.await_jobs(*names, seconds=1, why="the jobs of a connection that has ended are not handed out again")
    if {each["attempts"] for each in found} != {2}:
        raise Violation("the end of a lease changed attempts", expected="2", received=wire.shorten(found))


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
def lease_ends_with_takeover(scene: Scene) -> None:
    """A connection that takes another one's place has none of its leases."""
    queue = Queue(scene)
    (name,) = ids(scene, 1)
    queue.enqueue(job(name))
    holder = queue.other_peer()
    holder.expect_jobs(name)
    newer = queue.seen_by(scene.connect(app=holder.peer.app_id, connection_id=holder.peer.connection_id))
    newer.expect_refused("not_leased", "job_completed", job_id=name)
    newer.await_jobs(name, seconds=1, why="the job of a connection that was replaced is not handed out again")
    newer.report("job_completed", name)


@queue_case("lease-ends-by-time", "QUE-015", "QUE-017", "QUE-021", seconds=0.3)
def lease_ends_by_time(scene: Scene) -> None:
    """A job whose lease has passed is handed out again as it was, and its holder has no say any more."""
    queue = Queue(scene)
    (name,) = ids(scene, 1)
    queue.enqueue(job(name, attempts=1))
    holder = queue.other_peer()
    holder.expect_jobs(name, lease_ms=SHORT_LEASE_MS)
    (found,) = queue.await_jobs(name, seconds=SHORT_LEASE_MS / 1000, why="a job whose lease has passed is not pending")
    if found["attempts"] != 1:
        raise Violation("the end of a lease changed attempts", expected="1", received=wire.shorten(found))
    holder.expect_refused("not_leased", "job_completed", job_id=name)
    queue.report("job_completed", name)


@queue_case("lease-lasts", "QUE-016", "QUE-013", seconds=0.8)
def lease_lasts(scene: Scene) -> None:
    """Until its lease has passed a job is handed out to nobody, not even its holder, who can still report on it."""
    queue = Queue(scene)
    name, other = ids(scene, 2)
    queue.enqueue(job(name), job(other))
    holder = queue.other_peer()
    lease_ms = int(LONG_LEASE_MS * scene.time_scale)
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
        scene.wait(0.02)
    holder.report("job_completed", other)


@queue_case("lease-without-a-time-lasts", "QUE-016")
def default_lease(scene: Scene) -> None:
    """Without lease_ms a lease does not end at once."""
    queue = Queue(scene)
    (name,) = ids(scene, 1)
    queue.enqueue(job(name))
    holder = queue.other_peer()
    holder.expect_jobs(name)
    scene.wait(0.3)
    queue.expect_jobs()
    holder.report("job_completed", name)


@queue_case("returned-job-keeps-its-place", "QUE-010", "QUE-014")
def keeps_its_place(scene: Scene) -> None:
    """A job that comes back is ahead of those that were enqueued behind it."""
    queue = Queue(scene)
    names = ids(scene, 3)
    queue.enqueue(*map(job, names))
    queue.expect_jobs(names[0], count=1)
    queue.report("retry_job", names[0])
    holder = queue.other_peer()
    holder.expect_jobs(*names[:2], count=2)
    holder.peer.end_sending()
    holder.peer.expect_end()
    deadline = time.monotonic() + scene.target.patience
    while queue.ask("queue-stats", "get_queue_stats")["pending"] < len(names) and time.monotonic() < deadline:
        scene.wait(0.01)
    queue.expect_jobs(*names)


# What became of a job


def finished(scene: Scene, state: str, reason: dict[str, Any]) -> None:
    """Finish a job, and see it counted once and never handed out again."""
    queue = Queue(scene)
    (name,) = ids(scene, 1)
    queue.enqueue(job(name))
    holder = queue.other_peer()
    holder.expect_jobs(name)
    holder.report(f"job_{state}", name, **reason)
    queue.expect_stats(**{state: 1})
    holder.peer.end_sending()
    holder.peer.expect_end()
    queue.expect_jobs()
    queue.expect_stats(**{state: 1})


ENDED: dict[str, tuple[str, dict[str, Any]]] = {
    "completed": ("QUE-018", {"result": {"any": ["thing"]}}),
    "failed": ("QUE-019", {"error": "no reason"}),
}

for _state, (_requirement, _reason) in ENDED.items():
    add(
        Case(
            f"queue/{_state}-job",
            (_requirement, "QUE-022"),
            f"A job that is reported as {_state} is counted so, and not handed out again when its connection ends.",
            partial(finished, state=_state, reason=_reason),
            profile=PROFILE,
        )
    )


@queue_case("job-is-tried-again", "QUE-020", "QUE-012")
def tried_again(scene: Scene) -> None:
    """Each retry adds one to attempts and is due at once without a delay; all else stays."""
    queue = Queue(scene)
    (name,) = ids(scene, 1)
    made = job(name, attempts=1, maxAttempts=2, createdAt=1_600_000_000_000, further=[1])
    queue.enqueue(made)
    for attempts in range(1, 5):
        (found,) = queue.expect_jobs(name)
        if not wire.same({member: found.get(member) for member in made}, made | {"attempts": attempts}):
            raise Violation(
                "a job that is tried again did not come back as it was, with one more attempt",
                expected=wire.shorten(made | {"attempts": attempts}),
                received=wire.shorten(found),
            )
        queue.report("retry_job", name, **({"delay": 0} if attempts % 2 else {}))
    queue.expect_stats(pending=1)


@queue_case("job-is-tried-again-later", "QUE-020", "QUE-011", "QUE-027", seconds=0.4)
def tried_again_later(scene: Scene) -> None:
    """A retry with a delay is delayed for so long and no longer, and says until when."""
    queue = Queue(scene)
    (name,) = ids(scene, 1)
    queue.enqueue(job(name, scheduledFor=0))
    (first,) = queue.expect_jobs(name)
    delay = int(300 * scene.time_scale)
    begun = time.monotonic()
    queue.report("retry_job", name, delay=delay)
    queue.expect_stats(delayed=1)
    (found,) = queue.await_jobs(name, seconds=0.3, why="a job is not handed out when its delay is over")
    passed = (time.monotonic() - begun) * 1000
    if passed < delay or found["scheduledFor"] <= first["scheduledFor"] or found["attempts"] != 1:
        raise Violation(
            "a job that was to be tried again later was not delayed for so long",
            expected=f"{delay} ms",
            received=f"{passed:.0f} ms, {wire.shorten(found)}",
        )


@queue_case("delayed-job-waits", "QUE-011", "QUE-022")
def delayed_job(scene: Scene) -> None:
    """A job that is scheduled for the future is not handed out, one that is scheduled for the past is."""
    queue = Queue(scene)
    late, now = ids(scene, 2)
    queue.enqueue(job(late, scheduledFor=FAR_FUTURE, priority=9), job(now, scheduledFor=1))
    queue.expect_jobs(now)
    queue.expect_stats(delayed=1, in_flight=1)


NOT_LEASED = ("unknown", "pending", "delayed", "completed", "failed", "of-another-connection", "given-back")


def not_leased(scene: Scene, state: str) -> None:
    """Report on a job that is not leased to the connection, in every way, and see nothing change."""
    queue = Queue(scene)
    worker = queue.other_peer()
    (name,) = ids(scene, 1)
    if state == "of-another-connection":
        queue.enqueue(job(name))
        queue.expect_jobs(name)
    elif state == "given-back":
        queue.enqueue(job(name))
        worker.expect_jobs(name)
        worker.report("retry_job", name, delay=1_000_000)
    elif state != "unknown":
        in_state(worker, state, name)
    before = queue.ask("queue-stats", "get_queue_stats")
    for action in ("job_completed", "job_failed", "retry_job"):
        worker.expect_refused("not_leased", action, job_id=name)
    counts = {member: before[member] for member in ZERO}
    queue.expect_stats(**counts)


for _state in NOT_LEASED:
    add(
        Case(
            f"queue/not-leased-{_state}",
            ("QUE-021",),
            f"Who reports on a job that is {_state.replace('-', ' ')} is refused, and nothing changes.",
            partial(not_leased, state=_state),
            profile=PROFILE,
        )
    )


@queue_case("statistics-add-up", "QUE-022")
def statistics(scene: Scene) -> None:
    """The statistics count each job in the state that it is in, and those that were finished."""
    queue = Queue(scene)
    queue.expect_stats()
    names = ids(scene, 15)
    queue.enqueue(*(job(name) for name in names[:10]), *(job(name, scheduledFor=FAR_FUTURE) for name in names[10:]))
    queue.expect_stats(pending=10, delayed=5)
    queue.expect_jobs(*names[:7], count=7)
    queue.expect_stats(pending=3, delayed=5, in_flight=7)
    for name in names[:3]:
        queue.report("job_completed", name)
    queue.report("job_failed", names[3])
    queue.report("retry_job", names[4])
    queue.report("retry_job", names[5], delay=1_000_000)
    queue.expect_stats(pending=4, delayed=6, in_flight=1, completed=3, failed=1)


# Events


def expect_event(queue: Queue, message: Message) -> None:
    """See that a message is the event of the queue."""
    payload, channel = message["payload"], message["channel_id"]
    problem = schemas.problem("queue-event", payload)
    if problem or payload["queue"] != queue.name or channel != queue.channel or message["message_type"] != "publish":
        raise Violation(
            "what came is not the event that a job is available",
            expected=f"job_available of {queue.name}",
            received=f"{wire.shorten(message)} {problem or ''}",
        )


def watched(scene: Scene) -> tuple[Queue, Queue]:
    """Return a queue, and the same as a connection sees it that is subscribed to its events."""
    queue = Queue(scene)
    watcher = queue.other_peer()
    watcher.peer.subscribe(queue.channel)
    return queue, watcher


def expect_told(watcher: Queue, *, at_most: int, why: str) -> None:
    """See that the events of a change were queued before its answer, which has come (QUE-026)."""
    events = watcher.peer.barrier()
    for event in events:
        expect_event(watcher, event)
    if not 0 < len(events) <= at_most:
        raise Violation(why, expected=f"1 to {at_most} events", received=f"{len(events)} events")


@queue_case("event-when-a-job-is-enqueued", "QUE-024", "QUE-026")
def event_enqueued(scene: Scene) -> None:
    """Subscribers have the event before the enqueue is answered, and one event can stand for many jobs."""
    queue, watcher = watched(scene)
    names = ids(scene, 11)
    queue.enqueue(job(names[0]))
    expect_told(watcher, at_most=1, why="an enqueued job had not its event by the time of the answer")
    queue.enqueue(*map(job, names[1:]))
    expect_told(watcher, at_most=10, why="enqueued jobs had not their events by the time of the answers")


@queue_case("event-precedes-the-answer", "QUE-026")
def event_first(scene: Scene) -> None:
    """A connection that is subscribed itself gets the event ahead of its own answer."""
    queue = Queue(scene)
    queue.peer.subscribe(queue.channel)
    for name in ids(scene, 5):
        message = queue.message("enqueue", job=job(name))
        queue.peer.send(message)
        expect_event(queue, queue.peer.receive())
        queue.peer.expect_payload(message, {"status": "ok", "job_id": name}, "the enqueue was not answered well")


@queue_case("event-when-a-job-is-tried-again", "QUE-024", "QUE-026")
def event_retried(scene: Scene) -> None:
    """A retry without a delay is an event."""
    queue, watcher = watched(scene)
    (name,) = ids(scene, 1)
    queue.enqueue(job(name))
    queue.expect_jobs(name)
    watcher.peer.barrier()
    queue.report("retry_job", name)
    expect_told(watcher, at_most=1, why="a retry had not its event by the time of the answer")


def await_event(watcher: Queue, *, seconds: float) -> None:
    """Receive the event within ``seconds`` and the second that the server has, and nothing else."""
    watcher.peer.patience = max(watcher.peer.patience, (seconds + PROMPT_SECONDS) * watcher.scene.time_scale)
    expect_event(watcher, watcher.peer.receive("an event that a job is available"))


@queue_case("event-when-a-delay-is-over", "QUE-024", "QUE-027", "QUE-025", seconds=0.3)
def event_delay(scene: Scene) -> None:
    """A delayed job is an event when it becomes due, and not before."""
    queue, watcher = watched(scene)
    (name,) = ids(scene, 1)
    queue.enqueue(job(name))
    queue.expect_jobs(name)
    watcher.peer.barrier()
    queue.report("retry_job", name, delay=200)
    watcher.peer.expect_silence("a delayed job was told of before it is due")
    await_event(watcher, seconds=0.2)
    queue.expect_jobs(name)


@queue_case("event-when-a-lease-is-over", "QUE-024", "QUE-015", seconds=0.3)
def event_lease(scene: Scene) -> None:
    """A job whose lease has passed is an event, and so is one whose connection has ended."""
    queue, watcher = watched(scene)
    (name,) = ids(scene, 1)
    queue.enqueue(job(name))
    queue.expect_jobs(name, lease_ms=SHORT_LEASE_MS)
    watcher.peer.barrier()
    await_event(watcher, seconds=SHORT_LEASE_MS / 1000)
    holder = queue.other_peer()
    holder.expect_jobs(name)
    holder.peer.end_sending()
    await_event(watcher, seconds=1)
    queue.expect_jobs(name)


@queue_case("no-event-without-a-job", "QUE-025")
def no_event(scene: Scene) -> None:
    """Nothing is told when no job has become due."""
    queue, watcher = watched(scene)
    name, late = ids(scene, 2)
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
def events_of_one_queue(scene: Scene) -> None:
    """Events go to those who are subscribed to this queue in this application."""
    queue, watcher = watched(scene)
    other = Queue(scene)
    stranger = scene.connect(app=scene.name("app"))
    for peer, channel in ((other.peer, other.channel), (stranger, queue.channel)):
        peer.subscribe(channel)
    queue.enqueue(job(*ids(scene, 1)))
    expect_told(watcher, at_most=1, why="an enqueued job had not its event by the time of the answer")
    for peer in (other.peer, stranger):
        peer.expect_silence("an event went to a subscriber of another queue or application")


@queue_case("clients-do-not-publish-events", "ISO-004", "ISO-008")
def reserved(scene: Scene) -> None:
    """A client that publishes on the profile's channels is refused, and nobody gets it."""
    queue, watcher = watched(scene)
    watcher.peer.subscribe(MANAGER)
    for channel in (queue.channel, "queue:", MANAGER):
        message = queue.peer.message("publish", channel, {"type": "job_available", "queue": queue.name})
        queue.peer.send(message)
        queue.peer.expect_error("reserved_channel", message)
    watcher.peer.expect_silence("a publish that was refused was delivered")
    for channel in ("queue", f"queues:{queue.name}", f"Queue:{queue.name}"):
        queue.peer.subscribe(channel)
        queue.peer.publish_and_get(channel, 1)


# Bad requests


@queue_case("refused-requests-change-nothing", "QUE-001", "QUE-002")
def refused(scene: Scene) -> None:
    """A request that is refused, however near it is to a good one, changes nothing and does no harm."""
    queue = Queue(scene)
    (name,) = ids(scene, 1)
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
def notification(scene: Scene) -> None:
    """A notification with the payload of an enqueue is not answered and enqueues nothing."""
    queue = Queue(scene)
    (name,) = ids(scene, 1)
    payload = queue.message("enqueue", job=job(name))["payload"]
    queue.peer.send(queue.peer.message("notification", MANAGER, payload))
    queue.peer.expect_silence("a notification was answered")
    queue.expect_stats()


# Durability


@queue_case("acknowledgement-says-whether-jobs-are-kept", "QUE-028")
def says_durable(scene: Scene) -> None:
    """The acknowledgement states whether the server is durable."""
    payload = (scene.connect().acknowledgement or {})["payload"]
    stated = payload.get("queue", {}).get("durable") if isinstance(payload.get("queue"), dict) else None
    if not isinstance(stated, bool):
        raise Violation(
            "the acknowledgement does not state durable", expected='"queue": {"durable": ...}', received=str(payload)
        )
