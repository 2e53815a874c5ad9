"""Mistakes about jobs (chapter QUE)."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
from mutation import around, mutant, replace
from tricks import change_acknowledgement

from reference_server.link import Link
from reference_server.offer import Offer
from reference_server.profiles import jobs, queue
from reference_server.profiles.jobs import JobConflictError, JobStore, JobTooLongError, NotLeasedError
from reference_server.profiles.queue import QueueManager
from reference_server.profiles.state_file import open_file, open_memory
from reference_server.server import ReferenceServer
from reference_server.states import State
from reference_server.work import Work

EARLY_MS = 60


def change_payload(action: str, change: Any) -> None:
    """Put other members into the valid requests with an action."""

    @around(queue, "_read")
    def read(original: Any, payload: Any) -> Any:
        found = original(payload)
        if payload["action"] == action:
            payload.update(change(payload))
        return found


def change_request(change: Any) -> None:
    """Let the manager see another request."""

    @around(Work, "_request")
    def request(original: Any, self: Work, *arguments: Any) -> Any:
        made = original(self, *arguments)
        return change(made) if made.channel_id == "queue_manager" else made


def change_jobs(change: Any) -> None:
    """Change each job that is handed out."""

    @around(JobStore, "dequeue")
    def dequeue(original: Any, self: JobStore, *arguments: Any) -> Any:
        return [change(msgspec.json.decode(raw)) for raw in original(self, *arguments)]


@mutant("QUE-001")
def rules_not_checked() -> None:
    """A request that breaks a rule fails the handler."""

    @around(queue, "_read")
    def read(original: Any, payload: Any) -> Any:
        try:
            return original(payload)
        except queue._RefusedError as error:
            if error.code == "invalid_message":
                raise RuntimeError("a rule is broken") from None
            raise


@mutant("QUE-004/closed")
def further_members_refused() -> None:
    """A job with a member that the table does not name is refused."""
    known = {"id", "type", "data", "priority", "attempts", "maxAttempts", "createdAt", "scheduledFor"}

    @around(queue, "_read")
    def read(original: Any, payload: Any) -> Any:
        action = original(payload)
        if payload["action"] == "enqueue" and not payload["job"].keys() <= known:
            raise queue._RefusedError("invalid_message", "unknown member")
        return action


@mutant("QUE-002")
def unknown_is_invalid() -> None:
    """An unknown action is an invalid message."""

    @around(queue, "_read")
    def read(original: Any, payload: Any) -> Any:
        try:
            return original(payload)
        except queue._RefusedError as error:
            raise queue._RefusedError("invalid_message", str(error)) from None


@mutant("QUE-003")
def statistics_first() -> None:
    """Statistics overtake the requests ahead of them."""

    @around(QueueManager, "_submit")
    def submit(original: Any, self: QueueManager, operation: Any) -> Any:
        waiting = self._waiting
        outcome = original(self, operation)
        if "stats" in operation.__code__.co_names:
            waiting.insert(0, waiting.pop())
        return outcome


@mutant("QUE-004")
def every_fifth_lost() -> None:
    """Every fifth job is acknowledged and dropped."""
    count = 0

    @around(JobStore, "enqueue")
    def enqueue(original: Any, self: JobStore, *arguments: Any) -> None:
        nonlocal count
        count += 1
        if count % 5:
            original(self, *arguments)


@mutant("QUE-004/64-bit")
def long_integers_fail() -> None:
    """A job that is scheduled for a time beyond 64 bits fails."""

    @around(JobStore, "enqueue")
    def enqueue(original: Any, self: JobStore, queue: Any, job: Any, room: int) -> None:
        time = job.get("scheduledFor", 0)
        if isinstance(time, int) and time >= 1 << 63:
            raise OverflowError("too large")
        original(self, queue, job, room)


@mutant("QUE-005")
def newest_wins() -> None:
    """A job that is enqueued again takes the place of the one before."""

    @around(JobStore, "enqueue")
    def enqueue(original: Any, self: JobStore, queue: Any, job: Any, room: int) -> None:
        self._sql("DELETE FROM job WHERE app = ? AND queue = ? AND id = ?", (*queue, job["id"]))
        original(self, queue, job, room)


@mutant("QUE-005/finished")
def finished_forgotten() -> None:
    """A job that was finished can be enqueued again."""

    @around(JobStore, "enqueue")
    def enqueue(original: Any, self: JobStore, queue: Any, job: Any, room: int) -> None:
        self._sql("DELETE FROM job WHERE app = ? AND queue = ? AND id = ? AND number IS NOT NULL", (*queue, job["id"]))
        original(self, queue, job, room)


@mutant("QUE-006")
def conflict_not_told() -> None:
    """An id that names a job in another queue is answered as if all were well."""

    @around(JobStore, "enqueue")
    def enqueue(original: Any, self: JobStore, *arguments: Any) -> None:
        try:
            original(self, *arguments)
        except JobConflictError:
            return


@mutant("QUE-007")
def few_are_known() -> None:
    """Of the finished jobs of a queue 999 are remembered."""
    replace(jobs, "KEPT_FINISHED", 999)


@mutant("QUE-008")
def taken_all_the_same() -> None:
    """A job that cannot be handed out is taken."""

    @around(JobStore, "enqueue")
    def enqueue(original: Any, self: JobStore, queue: Any, job: Any, _room: int) -> None:
        original(self, queue, job, 1 << 40)


@mutant("QUE-030")
def half_of_it() -> None:
    """A job of more than half a message is refused."""

    @around(JobStore, "enqueue")
    def enqueue(original: Any, self: JobStore, queue: Any, job: Any, room: int) -> None:
        if len(str(job.get("data"))) > room / 2:
            raise JobTooLongError(job["id"])
        original(self, queue, job, room)


@mutant("QUE-009")
def hundred_at_most() -> None:
    """No more than a hundred jobs are handed out at a time."""

    @around(JobStore, "dequeue")
    def dequeue(original: Any, self: JobStore, queue: Any, count: int, *arguments: Any) -> Any:
        return original(self, queue, min(count, 100), *arguments)


@mutant("QUE-009/length")
def length_not_counted() -> None:
    """How long the jobs are together is not counted."""

    @around(JobStore, "dequeue")
    def dequeue(original: Any, self: JobStore, *arguments: Any) -> Any:
        return original(self, *arguments[:-1], 1 << 40)


@mutant("QUE-010")
def least_first() -> None:
    """The smallest priority comes first."""

    @around(JobStore, "enqueue")
    def enqueue(original: Any, self: JobStore, queue: Any, job: Any, room: int) -> None:
        original(self, queue, job, room)
        self._sql(
            "UPDATE job SET priority = ? WHERE app = ? AND id = ? AND state < 2",
            (-job.get("priority", 0), queue[0], job["id"]),
        )


@mutant("QUE-010/back")
def to_the_end() -> None:
    """A job that comes back is behind all others."""

    @around(JobStore, "retry")
    def retry(original: Any, self: JobStore, app: str, job_id: str, *arguments: Any) -> None:
        original(self, app, job_id, *arguments)
        self._sql(
            "UPDATE job SET place = (SELECT max(place) FROM job) + 1 WHERE app = ? AND id = ?",
            (app, job_id),
        )


@mutant("QUE-011")
def schedule_ignored() -> None:
    """What a job is scheduled for is not looked at."""

    @around(JobStore, "enqueue")
    def enqueue(original: Any, self: JobStore, queue: Any, job: Any, room: int) -> None:
        original(self, queue, job, room)
        self._sql(
            "UPDATE job SET state = 0, until = NULL WHERE state = 1 AND app = ? AND id = ?", (queue[0], job["id"])
        )


@mutant("QUE-012")
def unknown_members_lost() -> None:
    """A job loses the members that the table does not name."""
    known = {"id", "type", "data", "priority", "attempts", "maxAttempts", "createdAt", "scheduledFor"}
    change_jobs(lambda job: {name: value for name, value in job.items() if name in known})


@mutant("QUE-012/defaults")
def no_defaults() -> None:
    """Members that are absent stay absent."""

    @around(JobStore, "enqueue")
    def enqueue(original: Any, self: JobStore, queue: Any, job: Any, room: int) -> None:
        original(self, queue, job, room)
        self._sql("UPDATE job SET body = ? WHERE app = ? AND id = ?", (msgspec.json.encode(job), queue[0], job["id"]))


@mutant("QUE-013")
def leased_is_pending() -> None:
    """A job that was handed out stays pending until somebody says what became of it."""

    @around(JobStore, "dequeue")
    def dequeue(original: Any, self: JobStore, queue: Any, count: int, *arguments: Any) -> Any:
        found = original(self, queue, count, *arguments)
        if count > 1:
            self._sql("UPDATE job SET state = 0 WHERE owner IS NOT NULL AND app = ? AND queue = ?", queue)
        return found


@mutant("QUE-014")
def kept_by_the_dead() -> None:
    """The end of a connection ends no leases."""

    @around(QueueManager, "session_ended")
    def session_ended(_original: Any, _self: QueueManager, _session: int) -> None:
        return


@mutant("QUE-015")
def for_ever() -> None:
    """A lease does not end by time."""
    change_payload("dequeue", lambda _payload: {"lease_ms": 86_400_000})


@mutant("QUE-016")
def too_early() -> None:
    """A lease ends a moment early."""
    change_payload("dequeue", lambda payload: {"lease_ms": payload.get("lease_ms", 30_000) - EARLY_MS})


@mutant("QUE-016/default")
def default_is_short() -> None:
    """A lease without a time is over at once."""
    change_payload("dequeue", lambda payload: {"lease_ms": payload.get("lease_ms", 100)})


@mutant("QUE-017")
def end_counts() -> None:
    """A lease that ends without a word counts as an attempt."""

    @around(JobStore, "_return_jobs")
    def return_jobs(original: Any, self: JobStore, condition: str, value: float) -> None:
        rows = self._sql(f"SELECT place, body FROM job WHERE state = 2 AND {condition}", (value,)).fetchall()  # noqa: S608
        for place, body in rows:
            job = msgspec.json.decode(body)
            job["attempts"] += 1
            self._sql("UPDATE job SET body = ? WHERE place = ?", (msgspec.json.encode(job), place))
        original(self, condition, value)


@mutant("QUE-018")
def completed_comes_back() -> None:
    """A job that was completed stays leased, so that it comes back."""

    @around(JobStore, "finish")
    def finish(original: Any, self: JobStore, *job: Any) -> None:
        if job[-1] == jobs.FAILED:
            original(self, *job)


@mutant("QUE-019")
def failed_comes_back() -> None:
    """A job that failed is counted as completed."""

    @around(JobStore, "finish")
    def finish(original: Any, self: JobStore, app: str, job_id: str, session: int, _state: int) -> None:
        original(self, app, job_id, session, jobs.COMPLETED)


@mutant("QUE-020")
def attempts_not_counted() -> None:
    """A retry leaves attempts as they are."""

    @around(JobStore, "retry")
    def retry(original: Any, self: JobStore, app: str, job_id: str, *arguments: Any) -> None:
        original(self, app, job_id, *arguments)
        ((body,),) = self._sql("SELECT body FROM job WHERE app = ? AND id = ?", (app, job_id)).fetchall()
        job = msgspec.json.decode(body)
        job["attempts"] -= 1
        self._sql("UPDATE job SET body = ? WHERE app = ? AND id = ?", (msgspec.json.encode(job), app, job_id))


@mutant("QUE-020/delay")
def delay_ignored() -> None:
    """A retry is due at once whatever its delay."""
    change_payload("retry_job", lambda _payload: {"delay": 0})


@mutant("QUE-021")
def anybody_reports() -> None:
    """Whoever says that a job is completed is believed."""

    @around(JobStore, "finish")
    def finish(original: Any, self: JobStore, app: str, job_id: str, *end: Any) -> None:
        self._sql("UPDATE job SET owner = ? WHERE app = ? AND id = ? AND state < 3", (end[0], app, job_id))
        original(self, app, job_id, *end)


@mutant("QUE-021/silent")
def not_leased_not_told() -> None:
    """A retry of a job that is not leased is answered as if all were well."""

    @around(JobStore, "retry")
    def retry(original: Any, self: JobStore, *arguments: Any) -> None:
        try:
            original(self, *arguments)
        except NotLeasedError:
            return


@mutant("QUE-022")
def leased_counts_as_pending() -> None:
    """Jobs in flight count as pending."""

    @around(JobStore, "stats")
    def stats(original: Any, self: JobStore, queue: Any) -> Any:
        found = original(self, queue)
        return found | {"pending": found["pending"] + found["in_flight"], "in_flight": 0}


@mutant("QUE-023")
def one_application() -> None:
    """All applications have the same queues."""
    change_request(lambda request: msgspec.structs.replace(request, app_id="conformance"))


@mutant("QUE-024")
def no_event_for_leases() -> None:
    """A job that comes back when a lease ends is no event."""

    @around(JobStore, "_return_jobs")
    def return_jobs(original: Any, self: JobStore, *arguments: Any) -> None:
        before = set(self._due)
        original(self, *arguments)
        self._due.clear()
        self._due.update(before)


@mutant("QUE-025")
def event_for_every_request() -> None:
    """Every enqueue is an event, whether there is a new job or not."""

    @around(JobStore, "enqueue")
    def enqueue(original: Any, self: JobStore, queue: Any, *arguments: Any) -> None:
        original(self, queue, *arguments)
        self._due.add(queue)


@mutant("QUE-026")
def told_afterwards() -> None:
    """The event is published a moment after the answer."""

    @around(ReferenceServer, "_announce")
    def announce(original: Any, self: ReferenceServer, scope: Any, channel: str, payload: Any) -> None:
        if channel.startswith("queue:"):
            asyncio.get_running_loop().call_later(0.005, original, self, scope, channel, payload)
        else:
            original(self, scope, channel, payload)


@mutant("QUE-027")
def no_alarm() -> None:
    """Nobody looks whether a delay is over until the next request comes."""

    @around(QueueManager, "_wake_at")
    def wake_at(_original: Any, _self: QueueManager, _moment: float) -> None:
        return


@mutant("QUE-028")
def not_stated() -> None:
    """The acknowledgement does not say whether the server is durable."""
    change_acknowledgement(lambda payload: payload.pop("queue"))


@mutant("QUE-029")
def in_memory() -> None:
    """The jobs are in memory, whatever the acknowledgement says."""

    @around(queue, "open_file")
    def in_memory_after_all(_original: Any, _path: Any) -> Any:
        return open_memory()


@mutant("QUE-029/late")
def committed_later() -> None:
    """What was acknowledged is committed every tenth time."""
    count = 0

    @around(JobStore, "perform")
    def perform(original: Any, self: JobStore, *arguments: Any) -> Any:
        nonlocal count
        run, count = self._sql, count + 1

        def sql(text: str, *values: Any) -> Any:
            is_open = self._database.in_transaction
            if (text.startswith("BEGIN") and is_open) or (text == "COMMIT" and count % 10):
                text, values = "SELECT 1", ()
            return run(text, *values)

        self._sql = sql
        try:
            return original(self, *arguments)
        finally:
            self._sql = run


@mutant("QUE-029/leases")
def leases_survive() -> None:
    """A job that was leased when the server ended stays leased for its time."""

    @around(JobStore, "__init__")
    def init(_original: Any, self: JobStore, database: Any) -> None:
        self._database = database
        self._sql = database.execute
        self._now = 0
        self._due = set()


@mutant("ISO-004/queue")
def events_from_clients() -> None:
    """Clients publish on the channels of queues."""

    @around(Offer, "reserves")
    def reserves(original: Any, self: Offer, channel_id: str) -> bool:
        return not channel_id.startswith("queue:") and bool(original(self, channel_id))


@mutant("QUE-009/half")
def half_a_message() -> None:
    """An answer is filled to half of what a message may have."""

    @around(JobStore, "dequeue")
    def dequeue(original: Any, self: JobStore, *arguments: Any) -> Any:
        return original(self, *arguments[:-1], arguments[-1] // 2)


@mutant("QUE-010/skip")
def longer_ones_later() -> None:
    """A job that does not fit any more is passed over for shorter ones."""

    @around(JobStore, "dequeue")
    def dequeue(original: Any, self: JobStore, queue: Any, count: int, *arguments: Any) -> Any:
        found: list[Any] = []
        rest = arguments[-1]
        while len(found) < count and (jobs := original(self, queue, 1, *arguments)):
            (job,) = jobs
            rest -= len(bytes(job)) + 1
            if found and rest < 0:
                name = msgspec.json.decode(job)["id"]
                self._sql("UPDATE job SET state = 0, until = NULL, owner = NULL WHERE id = ?", (name,))
                self._sql("UPDATE job SET place = (SELECT max(place) FROM job) + 1 WHERE id = ?", (name,))
                break
            found.append(job)
        return found


@mutant("QUE-014/half-closed")
def kept_while_owed() -> None:
    """The leases of a connection that has ended its stream go on until it has got all its answers."""

    @around(Link, "state_changed")
    def state_changed(original: Any, self: Link, before: State) -> None:
        ended = self._site.session_ended
        if self._connection.state is State.DRAINING:
            self._site.session_ended = lambda _session: None
        original(self, before)
        self._site.session_ended = ended


@mutant("QUE-015/first")
def first_alone() -> None:
    """Of several leases that have passed one ends at a time, when somebody asks for jobs."""

    @around(JobStore, "_settle")
    def settle(_original: Any, self: JobStore) -> None:
        (first,) = self._sql("SELECT min(place) FROM job WHERE until <= ?", (self._now,)).fetchone()
        self._return_jobs("until <= ? AND place = " + str(first or 0), self._now)

    @around(QueueManager, "_wake_at")
    def wake_at(_original: Any, _self: QueueManager, _moment: float) -> None:
        return


@mutant("QUE-016/retry")
def old_lease_counts() -> None:
    """A job that is tried again keeps the end of its old lease."""
    ends: dict[str, float] = {}

    @around(JobStore, "retry")
    def retry(original: Any, self: JobStore, app: str, job_id: str, *arguments: Any) -> None:
        ((until,),) = self._sql("SELECT until FROM job WHERE app = ? AND id = ?", (app, job_id)).fetchall() or (
            (None,),
        )
        original(self, app, job_id, *arguments)
        if until is not None:
            ends[job_id] = until

    @around(JobStore, "dequeue")
    def dequeue(original: Any, self: JobStore, *arguments: Any) -> Any:
        found = original(self, *arguments)
        for raw in found:
            name = msgspec.json.decode(raw)["id"]
            if name in ends:
                self._sql("UPDATE job SET until = ? WHERE id = ?", (ends.pop(name), name))
        return found


@mutant("QUE-020/32-bit")
def long_delays_wrap() -> None:
    """A delay of more than 31 bits is none."""
    change_payload("retry_job", lambda payload: {"delay": 0} if payload.get("delay", 0) >= 1 << 31 else {})


@mutant("QUE-024/one-queue")
def one_queue_told() -> None:
    """When jobs of several queues become due together, one of the queues has its event."""

    @around(QueueManager, "_report")
    def report(original: Any, self: QueueManager, result: Any, outcomes: Any) -> None:
        for other in sorted(result.due)[1:]:
            result.due.discard(other)
        original(self, result, outcomes)


@mutant("QUE-027/restart")
def nobody_looks() -> None:
    """After a start nobody looks for jobs that have become due until the first request."""

    @around(QueueManager, "open")
    def open_store(_original: Any, self: QueueManager) -> None:
        self._store = JobStore(open_file(self.state) if self.state else open_memory())
        self._thread = ThreadPoolExecutor(1, "jobs")
