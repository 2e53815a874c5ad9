"""The jobs of all queues, in SQLite (chapter QUE). Knows nothing of connections; the caller tells it the time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

MOST_ATTEMPTS: Final = 2**31 - 1  # that a job can state
KEPT_FINISHED: Final = 1000  # ids that a queue remembers of finished jobs (QUE-007)

PENDING, DELAYED, LEASED, COMPLETED, FAILED = range(5)

SCHEMA: Final = """
CREATE TABLE job (
    place INTEGER PRIMARY KEY,      -- the order in which jobs were enqueued
    app TEXT NOT NULL,
    queue TEXT NOT NULL,
    id TEXT NOT NULL,
    state INTEGER NOT NULL,         -- PENDING to FAILED
    priority INTEGER NOT NULL,
    until REAL,                     -- when a delayed job becomes due or a lease ends, in milliseconds
    owner INTEGER,                  -- the session that holds the lease
    body BLOB,                      -- the job as JSON, absent when it is finished
    number INTEGER,                 -- of a finished job: how many of its queue were finished with it
    UNIQUE (app, id)
);
CREATE INDEX pending ON job (app, queue, priority DESC, place) WHERE state = 0;
CREATE INDEX unfinished ON job (app, queue, state) WHERE state < 3;
CREATE INDEX waiting ON job (until) WHERE until IS NOT NULL;
CREATE INDEX leased ON job (owner) WHERE owner IS NOT NULL;
CREATE INDEX finished ON job (app, queue, number) WHERE number IS NOT NULL;
CREATE TABLE tally (
    app TEXT NOT NULL,
    queue TEXT NOT NULL,
    completed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    PRIMARY KEY (app, queue)
) WITHOUT ROWID;
"""

Queue = tuple[str, str]
"""The application and the name of a queue."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class JobError(Exception):
    """An operation that was refused and changed nothing; the argument is the id of the job."""


class JobConflictError(JobError):
    """The id names a job in another queue (QUE-006)."""


class JobTooLongError(JobError):
    """The job could not be handed out (QUE-008)."""


class NotLeasedError(JobError):
    """The job is not leased to the session (QUE-021)."""


@dataclass
class Result:
    """What a group of operations led to.

    Attributes:
        outcomes: What each operation returned, or the exception that it raised.
        due: The queues in which a job has become due (QUE-024).
        wake: When the next job becomes due or the next lease ends, in Unix milliseconds; None when neither is ahead.
    """

    outcomes: list[Any] = field(default_factory=list)
    due: set[Queue] = field(default_factory=set)
    wake: float | None = None


Operation = Callable[["JobStore"], Any]


class JobStore:
    """Jobs in a database that has the schema; one thread at a time uses it.

    Args:
        database: A connection that begins no transactions of its own (`isolation_level=None`).
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._sql = database.execute
        self._now = 0
        self._due: set[Queue] = set()
        # No connection has survived the process that held the leases.
        self._sql("UPDATE job SET state = ?, until = NULL, owner = NULL WHERE state = ?", (PENDING, LEASED))

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def perform(self, operations: Iterable[Operation], now: int) -> Result:
        """Run operations in one transaction, which is on the disk when this returns (QUE-029).

        Args:
            operations: Each is called with this store; an exception of this module changes nothing.
            now: Unix time in milliseconds.

        Raises:
            sqlite3.Error: The database failed, and none of the operations has happened.
        """
        self._now = now
        self._due = set()
        result = Result(due=self._due)
        self._sql("BEGIN IMMEDIATE")
        try:
            self._settle()
            result.outcomes = [self._outcome(operation) for operation in operations]
            (result.wake,) = self._sql("SELECT min(until) FROM job WHERE until IS NOT NULL").fetchone()
            self._sql("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._sql("ROLLBACK")
            raise
        return result

    # Operations

    def enqueue(self, queue: Queue, job: dict[str, Any], room: int) -> None:
        """Put a job into a queue unless its id is known there (QUE-004, QUE-005).

        Args:
            queue: The queue.
            job: The job.
            room: How many octets it may have when it is handed out.

        Raises:
            JobConflictError: The id is known in another queue.
            JobTooLongError: It has more octets.
        """
        app, name = queue
        known = self._sql("SELECT queue FROM job WHERE app = ? AND id = ?", (app, job["id"])).fetchone()
        if known:
            if known[0] != name:
                raise JobConflictError(job["id"])
            return
        job = {"priority": 0, "attempts": 0, "createdAt": self._now, "scheduledFor": self._now} | job
        body = _encode(job)
        if len(body) > room:
            raise JobTooLongError(job["id"])
        is_delayed = job["scheduledFor"] > self._now
        # As a float: an integer may have more digits than the database's have.
        state, until = (DELAYED, float(job["scheduledFor"])) if is_delayed else (PENDING, None)
        self._sql(
            "INSERT INTO job (app, queue, id, state, priority, until, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (app, name, job["id"], state, int(job["priority"]), until, body),
        )
        if not is_delayed:
            self._due.add(queue)

    def dequeue(self, queue: Queue, count: int, lease: int, session: int, room: int) -> list[msgspec.Raw]:
        """Lease the first pending jobs of a queue and return them as JSON (QUE-009, QUE-010).

        Args:
            queue: The queue.
            count: How many at most.
            lease: How long, in milliseconds.
            session: To whom.
            room: How many octets they may have together; the first one may have more.
        """
        rows = self._sql(
            "SELECT place, body FROM job WHERE state = 0 AND app = ? AND queue = ? "
            "ORDER BY priority DESC, place LIMIT ?",
            (*queue, count),
        )
        jobs: list[msgspec.Raw] = []
        taken = []
        for place, body in rows:
            room -= len(body) + 1
            if jobs and room < 0:
                break
            jobs.append(msgspec.Raw(body))
            taken.append((LEASED, self._now + lease + 1, session, place))  # the present millisecond has begun already
        for row in taken:
            self._sql("UPDATE job SET state = ?, until = ?, owner = ? WHERE place = ?", row)
        return jobs

    def finish(self, app: str, job_id: str, session: int, state: int) -> None:
        """Count a job as completed or failed, and forget what is in it (QUE-018, QUE-019).

        Raises:
            NotLeasedError: The session does not hold its lease.
        """
        place, queue = self._leased(app, job_id, session, "queue")
        completed, failed = self._sql(
            "INSERT INTO tally VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE "
            "SET completed = completed + excluded.completed, failed = failed + excluded.failed "
            "RETURNING completed, failed",
            (app, queue, state == COMPLETED, state == FAILED),
        ).fetchone()
        number = completed + failed
        self._sql(
            "UPDATE job SET state = ?, until = NULL, owner = NULL, body = NULL, number = ? WHERE place = ?",
            (state, number, place),
        )
        self._sql(
            "DELETE FROM job WHERE number IS NOT NULL AND app = ? AND queue = ? AND number <= ?",
            (app, queue, number - KEPT_FINISHED),
        )

    def retry(self, app: str, job_id: str, session: int, delay: float) -> None:
        """Let a job be tried again after a delay in milliseconds (QUE-020).

        Raises:
            NotLeasedError: The session does not hold its lease.
        """
        place, queue, body = self._leased(app, job_id, session, "queue, body")
        job = _decode(body)
        attempts = min(int(job["attempts"]) + 1, MOST_ATTEMPTS)
        job |= {"attempts": attempts, "scheduledFor": self._now + delay}
        state, until = (DELAYED, job["scheduledFor"]) if delay else (PENDING, None)
        self._sql(
            "UPDATE job SET state = ?, until = ?, owner = NULL, body = ? WHERE place = ?",
            (state, until, _encode(job), place),
        )
        if not delay:
            self._due.add((app, queue))

    def release(self, session: int) -> None:
        """End the leases of a session that has ended (QUE-014)."""
        self._return_jobs("owner = ?", session)

    def stats(self, queue: Queue) -> dict[str, int]:
        """Return how many jobs of a queue are in which state (QUE-022)."""
        counts = dict(
            self._sql("SELECT state, count(*) FROM job WHERE state < 3 AND app = ? AND queue = ? GROUP BY state", queue)
        )
        tally = self._sql("SELECT completed, failed FROM tally WHERE app = ? AND queue = ?", queue).fetchone()
        completed, failed = tally or (0, 0)
        return {
            "pending": counts.get(PENDING, 0),
            "delayed": counts.get(DELAYED, 0),
            "in_flight": counts.get(LEASED, 0),
            "completed": completed,
            "failed": failed,
        }

    # Inside

    def _outcome(self, operation: Operation) -> Any:
        try:
            return operation(self)
        except JobError as refusal:
            return refusal

    def _settle(self) -> None:
        """Let jobs become due whose delay or lease is over (QUE-015, QUE-027)."""
        self._return_jobs("until <= ?", self._now)

    def _return_jobs(self, condition: str, value: float) -> None:
        self._due.update(
            self._sql(
                f"UPDATE job SET state = 0, until = NULL, owner = NULL WHERE {condition} RETURNING app, queue",  # noqa: S608
                (value,),
            )
        )

    def _leased(self, app: str, job_id: str, session: int, columns: str) -> tuple[Any, ...]:
        row: tuple[Any, ...] | None = self._sql(
            f"SELECT place, {columns} FROM job WHERE app = ? AND id = ? AND owner = ?",  # noqa: S608 - our own names
            (app, job_id, session),
        ).fetchone()
        if row is None:
            raise NotLeasedError(job_id)
        return row
