"""QUE: what a server that calls itself durable keeps when it is killed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.cases.server.queue.helpers import FAR_FUTURE, MANY, Queue, answer_of, await_event, ids, job, queue_case
from conformance.core.verdicts import Violation
from conformance.harness.server_context import ServerContext
from conformance.peers.base import Ended
from conformance.peers.client import ClientPeer
from conformance.protocol import codec
from conformance.protocol.codec import Message
from conformance.targets.process import ServerProcess

SOME_KILLS, MANY_KILLS = 3, 200
SENT_PER_PRODUCER = 25
PRODUCERS = 2


@dataclass
class Ledger:
    """What a server owes its clients after all that it has acknowledged.

    Attributes:
        attempts: of each job that has to be there, how often it was tried.
        asked: jobs whose enqueue got no answer, so that they may be there.
        ending: jobs whose end got no answer, so that they may have gone.
        retrying: jobs whose retry got no answer, so that it may have counted.
        finished: jobs that must never be handed out again.
    """

    attempts: dict[str, int] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    ending: set[str] = field(default_factory=set)
    retrying: set[str] = field(default_factory=set)
    finished: set[str] = field(default_factory=set)

    def compare(self, handed_out: list[dict[str, Any]]) -> None:
        """Compare with all that a new server hands out, and take for known what it shows."""
        found = {each["id"]: int(each["attempts"]) for each in handed_out}
        owed = self.attempts.keys() - self.ending
        self._check("acknowledged jobs are lost", owed - found.keys())
        self._check("finished jobs are handed out again", self.finished & found.keys())
        self._check("jobs are handed out that nobody enqueued", found.keys() - self.attempts.keys() - self.asked)
        wrong = {name for name in owed if found[name] - self.attempts[name] not in self._retries(name)}
        self._check("jobs have other attempts than were acknowledged", wrong)
        self.finished |= self.ending - found.keys()
        self.attempts = found
        self.asked, self.ending, self.retrying = set(), set(), set()

    def _retries(self, name: str) -> tuple[int, ...]:
        return (0, 1) if name in self.retrying else (0,)

    def _check(self, what: str, names: set[str]) -> None:
        if names:
            raise Violation(
                f"after the server was killed, {what}", expected="none", received=f"{len(names)}: {min(names)} ..."
            )


@queue_case("acknowledged-jobs-survive-kill", "QUE-029", "QUE-013", spawned=True, seconds=2.5)
def survives_kill(context: ServerContext) -> None:
    """A durable server loses nothing it acknowledged, killed three times (with --soak 200 times) at any moment."""
    ledger = Ledger()
    name = context.name("queue")
    with context.own_state() as state:
        for _ in range(MANY_KILLS if context.settings.soak_seconds else SOME_KILLS):
            _round(context, state, name, ledger, ServerProcess.kill)
        with context.own_server(state):
            ledger.compare(_drain(Queue(context, name=name)))


@queue_case("acknowledged-jobs-survive-shutdown", "QUE-029", spawned=True, seconds=1.5)
def survives_shutdown(context: ServerContext) -> None:
    """A durable server that is asked to stop has lost nothing it acknowledged either."""
    ledger = Ledger()
    name = context.name("queue")
    with context.own_state() as state:
        _round(context, state, name, ledger, ServerProcess.ask_to_stop)
        with context.own_server(state):
            ledger.compare(_drain(Queue(context, name=name)))


@queue_case("states-survive-kill", "QUE-029", "QUE-005", "QUE-022", "QUE-012", spawned=True, seconds=1.0)
def states_survive(context: ServerContext) -> None:
    """Delays, counts and known ids survive, and so do priorities, the order and what is in a job; leases do not."""
    name = context.name("queue")
    names = ids(context, 7)
    delayed, done, failed, leased, urgent, full, later = names
    data = {"a": ["ü", None], "long": "x" * 200_000}
    with context.own_state() as state:
        with context.own_server(state) as process:
            queue = _durable(context, name)
            queue.enqueue(job(delayed, scheduledFor=FAR_FUTURE), job(done), job(failed), job(later))
            queue.expect_jobs(done, failed, later)
            queue.report("job_completed", done)
            queue.report("job_failed", failed)
            queue.report("retry_job", later, delay=1_000_000)
            queue.enqueue(job(leased), job(full, data=data, further=1), job(urgent, priority=9))
            held = queue.expect_jobs(urgent, leased, full)
            queue.report("retry_job", urgent)
            process.kill()
        with context.own_server(state):
            queue = Queue(context, name=name)
            queue.expect_stats(pending=3, delayed=2, completed=1, failed=1)
            queue.enqueue(*map(job, names))
            Queue(context).expect_refused("job_conflict", "enqueue", job=job(done))
            jobs = queue.expect_jobs(urgent, leased, full)
            if [each["attempts"] for each in jobs] != [1, 0, 0] or not codec.same(jobs[1:], held[1:]):
                raise Violation("jobs came back otherwise than they were", received=codec.shorten(jobs))
            queue.expect_stats(in_flight=3, delayed=2, completed=1, failed=1)


@queue_case("delayed-job-is-told-of-after-kill", "QUE-029", "QUE-027", "QUE-024", spawned=True, seconds=2.0)
def told_after_kill(context: ServerContext) -> None:
    """A job whose delay ends after the server was killed and started again becomes due and is an event by itself."""
    name = context.name("queue")
    (delayed,) = ids(context, 1)
    with context.own_state() as state:
        began = time.monotonic()
        with context.own_server(state) as process:
            # The second start must be over before the delay is, on a slow machine too.
            delay = 1.5 * context.time_scale + 2 * (time.monotonic() - began)
            queue = _durable(context, name)
            queue.enqueue(job(delayed))
            queue.expect_jobs(delayed)
            queue.report("retry_job", delayed, delay=int(1000 * delay))
            process.kill()
        with context.own_server(state):
            queue = Queue(context, name=name)
            queue.peer.subscribe(queue.channel)
            await_event(queue, seconds=delay / context.time_scale)
            queue.expect_jobs(delayed)


@queue_case("applications-are-apart-after-kill", "QUE-029", "QUE-023", spawned=True, seconds=1.0)
def apart_after_kill(context: ServerContext) -> None:
    """Jobs of the same id in queues of the same name come back to their applications."""
    name, (identity,) = context.name("queue"), ids(context, 1)
    apps = [context.name("app"), context.name("app")]
    with context.own_state() as state:
        with context.own_server(state) as process:
            _durable(context, name)
            for app in apps:
                Queue(context, context.connect(app=app), name).enqueue(job(identity, data=app))
            process.kill()
        with context.own_server(state):
            for app in apps:
                (found,) = Queue(context, context.connect(app=app), name).expect_jobs(identity)
                if found["data"] != app:
                    raise Violation("a job of another application came back", received=codec.shorten(found))


def _durable(context: ServerContext, name: str) -> Queue:
    queue = Queue(context, name=name)
    queue.require_durable()
    return queue


def _round(
    context: ServerContext, state: Path, name: str, ledger: Ledger, end: Callable[[ServerProcess], object]
) -> None:
    """Start a server, compare what it has with the ledger, let it work for several clients, and end it meanwhile."""
    with context.own_server(state) as process:
        worker = _durable(context, name)
        jobs = _drain(worker)
        ledger.compare(jobs)
        work = _Traffic(ledger)
        work.report(worker, [each["id"] for each in jobs], context)
        for _ in range(PRODUCERS):
            work.enqueue(Queue(context, name=name), ids(context, SENT_PER_PRODUCER))
        work.receive_some(context.random.randrange(work.count + 1))
        end(process)
        work.receive_rest()


def _drain(queue: Queue) -> list[dict[str, Any]]:
    """Have every pending job handed out, each of them once."""
    found: list[dict[str, Any]] = []
    while jobs := queue.dequeue(MANY):
        found += jobs
    if len({each["id"] for each in found}) != len(found):
        raise Violation("a job was handed out twice while it was leased", received=f"{len(found)} jobs")
    return found


class _Traffic:
    """Requests that are on their way at once, and what their answers mean to the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: dict[ClientPeer, dict[str, Callable[[], None]]] = {}

    @property
    def count(self) -> int:
        """How many requests have no answer yet."""
        return sum(map(len, self._waiting.values()))

    def enqueue(self, queue: Queue, names: list[str]) -> None:
        """Send an enqueue for each name."""
        self._ledger.asked |= set(names)
        requests = [(queue.message("enqueue", job=job(name)), self._enqueued(name)) for name in names]
        self._send(queue, requests)

    def report(self, worker: Queue, names: list[str], context: ServerContext) -> None:
        """Complete about half of the jobs, let some fail and some be tried again, and keep the others leased."""
        requests = []
        for name in names:
            action = context.random.choice(["job_completed", "job_completed", "job_failed", "retry_job", ""])
            if action == "retry_job":
                self._ledger.retrying.add(name)
                requests.append((worker.message(action, job_id=name), self._retried(name)))
            elif action:
                self._ledger.ending.add(name)
                requests.append((worker.message(action, job_id=name), self._finished(name)))
        self._send(worker, requests)

    def receive_some(self, count: int) -> None:
        """Receive that many answers, from one connection after the other."""
        for peer in self._waiting:
            while count and self._waiting[peer]:
                self._take(peer, peer.receive())
                count -= 1

    def receive_rest(self) -> None:
        """Receive what had been sent before the end; the connections then belong to nobody."""
        for peer in self._waiting:
            try:
                while True:
                    self._take(peer, peer.receive())
            except Ended:
                pass

    def _send(self, queue: Queue, requests: list[tuple[Message, Callable[[], None]]]) -> None:
        self._waiting[queue.peer] = {message["message_id"]: done for message, done in requests}
        queue.peer.send(*(message for message, _ in requests))

    def _take(self, peer: ClientPeer, message: Message) -> None:
        done = self._waiting[peer].pop(message["reply_to"] or "", None)
        if done:
            answer_of(message, "queue-ok", "a request")
            done()

    def _enqueued(self, name: str) -> Callable[[], None]:
        def done() -> None:
            self._ledger.asked.discard(name)
            self._ledger.attempts[name] = 0

        return done

    def _finished(self, name: str) -> Callable[[], None]:
        def done() -> None:
            self._ledger.ending.discard(name)
            self._ledger.attempts.pop(name)
            self._ledger.finished.add(name)

        return done

    def _retried(self, name: str) -> Callable[[], None]:
        def done() -> None:
            self._ledger.retrying.discard(name)
            self._ledger.attempts[name] += 1

        return done
