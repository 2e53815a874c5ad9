"""A queue of jobs as cases see it (spec, chapter QUE)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from conformance.core.verdicts import Late, Unsupported, Violation
from conformance.harness.decorators import case
from conformance.harness.server_context import ServerContext
from conformance.peers.client import ClientPeer
from conformance.protocol import codec, schemas
from conformance.protocol.codec import Message

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

    def __init__(self, context: ServerContext, peer: ClientPeer | None = None, name: str = "") -> None:
        self.context = context
        self.peer = peer or context.connect()
        self.name = name or context.name("queue")

    def seen_by(self, peer: ClientPeer) -> Queue:
        """Return the same queue as another connection sees it."""
        return Queue(self.context, peer, self.name)

    def other_peer(self) -> Queue:
        """Return the same queue as a new connection of the same application sees it."""
        return self.seen_by(self.context.connect(app=self.peer.app_id))

    @property
    def channel(self) -> str:
        """The channel of its events."""
        return f"queue:{self.name}"

    def require_durable(self) -> None:
        """Go on only with a server that states that its jobs survive it.

        Raises:
            Unsupported: it does not.
        """
        payload = (self.peer.acknowledgement or {})["payload"]
        if payload.get("queue") != {"durable": True} | (payload.get("queue") or {}):
            raise Unsupported("the server does not state that it is durable")

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
                expected=codec.shorten([job["id"] for job in jobs]),
                received=codec.shorten(answers),
            )

    def enqueue_with_event(self, made: dict[str, Any]) -> None:
        """Enqueue a job on a connection that is subscribed, and get the event ahead of the answer (QUE-026)."""
        message = self.message("enqueue", job=made)
        self.peer.send(message)
        expect_event(self, self.peer.receive())
        self.peer.expect_payload(message, {"status": "ok", "job_id": made["id"]}, "the enqueue was not answered well")

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
                expected=codec.shorten(list(ids)),
                received=codec.shorten([job["id"] for job in jobs]),
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
                "the statistics of the queue do not add up",
                expected=codec.shorten(wanted),
                received=codec.shorten(found),
            )

    def await_stats(self, *, seconds: float, **counts: int) -> None:
        """Ask for the statistics until the named ones are these.

        Raises:
            Violation: they are not within ``seconds`` and the second that the server has.
        """
        deadline = time.monotonic() + (seconds + PROMPT_SECONDS) * self.context.time_scale
        while not counts.items() <= (found := self.ask("queue-stats", "get_queue_stats")).items():
            if time.monotonic() > deadline:
                raise Late(
                    "jobs are not pending in time", expected=codec.shorten(counts), received=codec.shorten(found)
                )
            self.context.wait(0.01)

    def await_jobs(self, *ids: str, seconds: float, why: str, **members: Any) -> list[dict[str, Any]]:
        """Ask for jobs until these are handed out, together or one by one.

        Raises:
            Violation: they are not within ``seconds``, or another one is.
        """
        deadline = time.monotonic() + (seconds + PROMPT_SECONDS) * self.context.time_scale
        found: list[dict[str, Any]] = []
        while len(found) < len(ids):
            found += self.dequeue(MANY, **members)
            if time.monotonic() > deadline:
                raise Late(why, expected=codec.shorten(list(ids)), received=codec.shorten(found))
            self.context.wait(0.01)
        if sorted(job["id"] for job in found) != sorted(ids):
            raise Violation("other jobs were handed out", expected=str(ids), received=codec.shorten(found))
        return found


def answer_of(message: Message, schema: str, action: str) -> Any:
    """Return the payload of an answer, which has to be valid."""
    if problem := schemas.problem(schema, message["payload"]):
        raise Violation(
            f"the answer to {action} is not valid", received=f"{codec.shorten(message['payload'])} {problem}"
        )
    return message["payload"]


def job(name: str, **members: Any) -> dict[str, Any]:
    """Return a job as the seed's clients make it, but for what is left to the server."""
    return {"id": name, "type": "work", "data": {"for": name}} | members


def queue_case(name: str, *requirements: str, **options: Any) -> Callable[[Callable[[ServerContext], None]], Any]:
    """Register a case of this profile."""
    return case(f"queue/{name}", *requirements, profile=PROFILE, **options)


def ids(context: ServerContext, count: int) -> list[str]:
    """Return ids of jobs that nobody else uses."""
    first = context.name("job")
    return [f"{first}-{number}" for number in range(count)]


def in_state(queue: Queue, state: str, name: str) -> None:
    """Bring a new job into a state."""
    queue.enqueue(job(name, data="first", **({"scheduledFor": FAR_FUTURE} if state == "delayed" else {})))
    if state in ("in_flight", "completed", "failed"):
        queue.expect_jobs(name)
    if state in ("completed", "failed"):
        queue.report(f"job_{state}", name)


def expect_event(queue: Queue, message: Message) -> None:
    """See that a message is the event of the queue."""
    payload, channel = message["payload"], message["channel_id"]
    problem = schemas.problem("queue-event", payload)
    if problem or payload["queue"] != queue.name or channel != queue.channel or message["message_type"] != "publish":
        raise Violation(
            "what came is not the event that a job is available",
            expected=f"job_available of {queue.name}",
            received=f"{codec.shorten(message)} {problem or ''}",
        )


def watched(context: ServerContext) -> tuple[Queue, Queue]:
    """Return a queue, and the same as a connection sees it that is subscribed to its events."""
    queue = Queue(context)
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


def await_event(watcher: Queue, *, seconds: float) -> None:
    """Receive the event within ``seconds`` and the second that the server has, and nothing else."""
    watcher.peer.patience = max(watcher.peer.patience, (seconds + PROMPT_SECONDS) * watcher.context.time_scale)
    expect_event(watcher, watcher.peer.receive("an event that a job is available"))
