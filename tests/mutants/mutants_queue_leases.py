"""Mistakes about leases, and about the outcome of dequeued jobs (chapter QUE)."""

from __future__ import annotations

from typing import Any

import msgspec
from mutation import around, mutant

from reference_server.network.session import Session
from reference_server.profiles.queue import manager, tables
from reference_server.profiles.queue.job_store import JobStore, NotLeasedError
from reference_server.profiles.queue.manager import QueueManager
from reference_server.protocol.states import State

EARLY_MS = 60


def change_payload(action: str, change: Any) -> None:
    """Put other members into the valid requests with an action."""

    @around(manager, "_read")
    def read(original: Any, payload: Any) -> Any:
        found = original(payload)
        if payload["action"] == action:
            payload.update(change(payload))
        return found


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


@mutant("QUE-014/half-closed")
def kept_while_owed() -> None:
    """The leases of a connection that has ended its stream go on until it has got all its answers."""

    @around(Session, "state_changed")
    def state_changed(original: Any, self: Session, before: State) -> None:
        ended = self._server.session_ended
        if self._connection.state is State.DRAINING:
            self._server.session_ended = lambda _session: None
        original(self, before)
        self._server.session_ended = ended


@mutant("QUE-015")
def for_ever() -> None:
    """A lease does not end by time."""
    change_payload("dequeue", lambda _payload: {"lease_ms": 86_400_000})


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


@mutant("QUE-016")
def too_early() -> None:
    """A lease ends a moment early."""
    change_payload("dequeue", lambda payload: {"lease_ms": payload.get("lease_ms", 30_000) - EARLY_MS})


@mutant("QUE-016/default")
def default_is_short() -> None:
    """A lease without a time is over at once."""
    change_payload("dequeue", lambda payload: {"lease_ms": payload.get("lease_ms", 100)})


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
        if job[-1] == tables.FAILED:
            original(self, *job)


@mutant("QUE-019")
def failed_comes_back() -> None:
    """A job that failed is counted as completed."""

    @around(JobStore, "finish")
    def finish(original: Any, self: JobStore, app: str, job_id: str, session: int, _state: int) -> None:
        original(self, app, job_id, session, tables.COMPLETED)


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


@mutant("QUE-020/32-bit")
def long_delays_wrap() -> None:
    """A delay of more than 31 bits is none."""
    change_payload("retry_job", lambda payload: {"delay": 0} if payload.get("delay", 0) >= 1 << 31 else {})


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
