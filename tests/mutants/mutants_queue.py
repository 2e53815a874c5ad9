"""Mistakes about jobs: requests, storage, and dequeuing (chapter QUE)."""

from __future__ import annotations

from typing import Any

import msgspec
from mutation import around, mutant, replace

from reference_server.network.handler_runner import HandlerRunner
from reference_server.profiles.queue import job_store, manager
from reference_server.profiles.queue.job_store import JobConflictError, JobStore, JobTooLongError
from reference_server.profiles.queue.manager import QueueManager
from reference_server.protocol.capabilities import Capabilities


def change_request(change: Any) -> None:
    """Let the manager see another request."""

    @around(HandlerRunner, "_request")
    def request(original: Any, self: HandlerRunner, *arguments: Any) -> Any:
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

    @around(manager, "_read")
    def read(original: Any, payload: Any) -> Any:
        try:
            return original(payload)
        except manager._RefusedError as error:
            if error.code == "invalid_message":
                raise RuntimeError("a rule is broken") from None
            raise


@mutant("QUE-002")
def unknown_is_invalid() -> None:
    """An unknown action is an invalid message."""

    @around(manager, "_read")
    def read(original: Any, payload: Any) -> Any:
        try:
            return original(payload)
        except manager._RefusedError as error:
            raise manager._RefusedError("invalid_message", str(error)) from None


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


@mutant("QUE-004/closed")
def further_members_refused() -> None:
    """A job with a member that the table does not name is refused."""
    known = {"id", "type", "data", "priority", "attempts", "maxAttempts", "createdAt", "scheduledFor"}

    @around(manager, "_read")
    def read(original: Any, payload: Any) -> Any:
        action = original(payload)
        if payload["action"] == "enqueue" and not payload["job"].keys() <= known:
            raise manager._RefusedError("invalid_message", "unknown member")
        return action


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
    replace(job_store, "KEPT_FINISHED", 999)


@mutant("QUE-008")
def taken_all_the_same() -> None:
    """A job that cannot be handed out is taken."""

    @around(JobStore, "enqueue")
    def enqueue(original: Any, self: JobStore, queue: Any, job: Any, _room: int) -> None:
        original(self, queue, job, 1 << 40)


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


@mutant("QUE-009/half")
def half_a_message() -> None:
    """An answer is filled to half of what a message may have."""

    @around(JobStore, "dequeue")
    def dequeue(original: Any, self: JobStore, *arguments: Any) -> Any:
        return original(self, *arguments[:-1], arguments[-1] // 2)


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


@mutant("QUE-030")
def half_of_it() -> None:
    """A job of more than half a message is refused."""

    @around(JobStore, "enqueue")
    def enqueue(original: Any, self: JobStore, queue: Any, job: Any, room: int) -> None:
        if len(str(job.get("data"))) > room / 2:
            raise JobTooLongError(job["id"])
        original(self, queue, job, room)


@mutant("ISO-004/queue")
def events_from_clients() -> None:
    """Clients publish on the channels of queues."""

    @around(Capabilities, "reserves")
    def reserves(original: Any, self: Capabilities, channel_id: str) -> bool:
        return not channel_id.startswith("queue:") and bool(original(self, channel_id))
