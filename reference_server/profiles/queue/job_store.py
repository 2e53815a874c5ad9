"""The jobs of all queues, in SQLite (chapter QUE). Knows nothing of connections; the caller tells it the time."""

from __future__ import annotations

import functools
import sqlite3
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import msgspec

from reference_server.profiles.queue.tables import COMPLETED, DELAYED, FAILED, LEASED, PENDING
from reference_server.protocol.limits import Limits

MOST_ATTEMPTS: Final = 2**31 - 1  # that a job can state
KEPT_FINISHED: Final = 1000  # ids that a queue remembers of finished jobs (QUE-007)

# The time of day was set if it differs by more from the steady clock: the two are read one after the other.
CLOCK_STEP_MS: Final = 2

# What a job takes besides its octets: the columns of fixed size, and its entries in the indexes.
ROW_BYTES: Final = 300
# The names of application and queue are in the table and in up to four indexes, the id is in the table and in one.
NAME_COPIES: Final = 5
ID_COPIES: Final = 2

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


class NoRoomError(JobError):
    """A job cannot be taken now, because of what the server holds already."""


class NoSpaceError(NoRoomError):
    """The disk is full."""


class TooManyJobsError(NoRoomError):
    """The store holds as many jobs as it may."""


class TooManyOctetsError(NoRoomError):
    """The store would take more octets than it may."""


class NotLeasedError(JobError):
    """The job is not leased to the session (QUE-021)."""


class StateLostError(Exception):
    """What would be stored now would not be there after a restart; the text says why."""


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


class Store(Protocol):
    """What the manager needs of a store of jobs."""

    def perform(self, operations: Sequence[Operation], now: int, steady: int) -> Result:
        """Run operations as `JobStore.perform` does.

        Raises:
            StateLostError: They may not survive the process.
            sqlite3.Error: None of the operations has happened.
        """

    def close(self) -> None:
        """Close it."""


class JobStore(Store):
    """Jobs in a database that has the schema; one thread at a time uses it.

    Args:
        database: A connection that begins no transactions of its own (`isolation_level=None`).
        limits: How many jobs it takes, and how many octets for them. What it holds already may be more.

    Attributes:
        has_space: Whether it takes jobs.
    """

    def __init__(self, database: sqlite3.Connection, limits: Limits | None = None) -> None:
        self._database = database
        self._sql = database.execute
        self.has_space = True
        limits = limits or Limits()
        self._max_jobs = limits.max_queue_jobs
        self._max_octets = max(limits.max_queue_bytes, 2 * limits.max_frame_bytes)  # QUE-030
        self._now = 0
        self._ahead: int | None = None  # by how much the time of day is ahead of the steady clock; unknown at first
        self._due: set[Queue] = set()
        self._end_leases()
        self._jobs, self._octets = self._count()

    def use(self, database: sqlite3.Connection) -> None:
        """Go on with a copy of the database."""
        self._database = database
        self._sql = database.execute

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def perform(self, operations: Sequence[Operation], now: int, steady: int | None = None) -> Result:
        """Run operations in one transaction, which is on the disk when this returns (QUE-029).

        Args:
            operations: Each is called with this store; an exception of this module changes nothing.
            now: Unix time in milliseconds.
            steady: The time of a clock that nobody sets, in milliseconds. Leases and delays last as long by it, even if
                the time of day was set meanwhile. Absent when the time of day was not set.

        Raises:
            sqlite3.Error: The database failed, and none of the operations has happened.
        """
        self._now = now
        before = self._ahead, self._jobs, self._octets
        self._due = set()
        result = Result(due=self._due)
        self._sql("BEGIN IMMEDIATE")
        try:
            self._follow_clock(now - (now if steady is None else steady))
            self._settle()
            result.outcomes = [self._outcome(operation) for operation in operations]
            (result.wake,) = self._sql("SELECT min(until) FROM job WHERE until IS NOT NULL").fetchone()
            self._sql("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._sql("ROLLBACK")
            self._ahead, self._jobs, self._octets = before
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
            NoRoomError: The store is at one of its limits.
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
        self._take_room(queue, job["id"], body)
        is_delayed = job["scheduledFor"] > self._now
        # As a float: an integer may have more digits than the database's have.
        state, until = (DELAYED, float(job["scheduledFor"])) if is_delayed else (PENDING, None)
        span = None if until is None else until - self._now
        self._sql(
            "INSERT INTO job (app, queue, id, state, priority, until, span, body, crc) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (app, name, job["id"], state, int(job["priority"]), until, span, body, zlib.crc32(body)),
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
        place, queue, length = self._leased(app, job_id, session, "queue, length(body)")
        completed, failed = self._sql(
            "INSERT INTO tally VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE "
            "SET completed = completed + excluded.completed, failed = failed + excluded.failed "
            "RETURNING completed, failed",
            (app, queue, state == COMPLETED, state == FAILED),
        ).fetchone()
        number = completed + failed
        self._sql(
            "UPDATE job SET state = ?, until = NULL, owner = NULL, body = NULL, crc = NULL, number = ? WHERE place = ?",
            (state, number, place),
        )
        self._jobs -= 1
        self._octets -= length
        if number > KEPT_FINISHED:
            for (forgotten,) in self._sql(
                "DELETE FROM job WHERE number IS NOT NULL AND app = ? AND queue = ? AND number <= ? RETURNING id",
                (app, queue, number - KEPT_FINISHED),
            ):
                self._octets -= _space(app, queue, forgotten, 0)

    def retry(self, app: str, job_id: str, session: int, delay: float) -> None:
        """Let a job be tried again after a delay in milliseconds (QUE-020).

        Raises:
            NotLeasedError: The session does not hold its lease.
        """
        place, queue, body = self._leased(app, job_id, session, "queue, body")
        job = _decode(body)
        attempts = min(int(job["attempts"]) + 1, MOST_ATTEMPTS)
        job |= {"attempts": attempts, "scheduledFor": self._now + delay}
        state, until, span = (DELAYED, job["scheduledFor"], delay) if delay else (PENDING, None, None)
        changed = _encode(job)
        self._sql(
            "UPDATE job SET state = ?, until = ?, span = ?, owner = NULL, body = ?, crc = ? WHERE place = ?",
            (state, until, span, changed, zlib.crc32(changed), place),
        )
        self._octets += len(changed) - len(body)
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

    def _end_leases(self) -> None:
        """Make leased jobs pending: no connection has survived the process that held the leases."""
        self._sql("UPDATE job SET state = ?, until = NULL, owner = NULL WHERE state = ?", (PENDING, LEASED))

    def _count(self) -> tuple[int, int]:
        """Return how many jobs there are that are not finished, and about how many octets all take."""
        jobs, rows, bodies, names, ids = self._sql(
            "SELECT count(body), count(*), total(length(body)), "
            "total(length(CAST(app AS BLOB)) + length(CAST(queue AS BLOB))), total(length(CAST(id AS BLOB))) FROM job"
        ).fetchone()
        return jobs, int(rows * ROW_BYTES + bodies + names * NAME_COPIES + ids * ID_COPIES)

    def _take_room(self, queue: Queue, job_id: str, body: bytes) -> None:
        space = _space(*queue, job_id, len(body))
        if not self.has_space:
            raise NoSpaceError(job_id)
        if self._jobs >= self._max_jobs:
            raise TooManyJobsError(job_id)
        if self._octets + space > self._max_octets:
            raise TooManyOctetsError(job_id)
        self._jobs += 1
        self._octets += space

    def _follow_clock(self, ahead: int) -> None:
        """Let leases and delays last as long as they were meant to, also where the time of day was set."""
        if self._ahead is None:
            # Since the last process the clock may have been set back by any amount.
            self._sql(
                "UPDATE job SET until = ? + span WHERE until > ? + span AND state = ?", (self._now, self._now, DELAYED)
            )
        elif abs(ahead - self._ahead) > CLOCK_STEP_MS:
            self._sql("UPDATE job SET until = until + ? WHERE until IS NOT NULL", (ahead - self._ahead,))
        else:
            return
        self._ahead = ahead

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
                "UPDATE job SET state = 0, until = NULL, span = NULL, owner = NULL "  # noqa: S608 - our own conditions
                f"WHERE {condition} RETURNING app, queue",
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


def _space(app: str, queue: str, job_id: str, length: int) -> int:
    """Return about how many octets a job takes, with its entries in the indexes."""
    return ROW_BYTES + _space_of_names(app, queue) + ID_COPIES * len(job_id.encode()) + length


@functools.lru_cache(maxsize=1000)
def _space_of_names(app: str, queue: str) -> int:
    return NAME_COPIES * (len(app.encode()) + len(queue.encode()))
