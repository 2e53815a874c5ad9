"""Answers the requests of the profile queue (chapter QUE).

Requests become operations on the job store, which a thread of its own runs in groups: all that have come while one
group was written to the disk are the next group, so one synchronisation of the disk answers many clients.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import math
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

import jsonschema_rs

from reference_server.handlers import Request
from reference_server.profiles.queue.clock import Clock
from reference_server.profiles.queue.job_store import (
    JobConflictError,
    JobError,
    JobStore,
    JobTooLongError,
    NoSpaceError,
    NotLeasedError,
    Operation,
    Result,
    StateLostError,
    Store,
    TooManyJobsError,
    TooManyOctetsError,
)
from reference_server.profiles.queue.notices import Notices
from reference_server.profiles.queue.tables import COMPLETED, FAILED
from reference_server.protocol.errors import ErrorCode, error_payload
from reference_server.protocol.limits import Limits
from reference_server.protocol.schemas import explain, validator

MANAGER: Final = "queue_manager"
EVENTS: Final = "queue:"

LEASE_MS: Final = 30_000
ENVELOPE_BYTES: Final = 4096  # what stands around the jobs of an answer, at most

# Operations that are written to the disk together, at most: those that come meanwhile wait for all of them.
GROUP: Final = 1000

# How long to wait at most until the next look at the clocks and the state file.
LOOK_SECONDS: Final = 1.0

# Events and answers that go out in one turn of the event loop, after which other connections get theirs.
SLICE: Final = 128


class QueueErrorCode(enum.StrEnum):
    """The codes that the profile adds, none of them fatal."""

    JOB_CONFLICT = "job_conflict"
    NOT_LEASED = "not_leased"


_REASONS: Final = {
    JobConflictError: (QueueErrorCode.JOB_CONFLICT, "the id {!r} names a job of another queue"),
    JobTooLongError: (ErrorCode.INVALID_MESSAGE, "the job {!r} is too long to be handed out again"),
    NotLeasedError: (QueueErrorCode.NOT_LEASED, "the job {!r} is not leased to this connection"),
    NoSpaceError: (ErrorCode.HANDLER_FAILED, "there is no room for the job {!r}"),
    TooManyJobsError: (ErrorCode.HANDLER_FAILED, "there is no room for the job {!r}: there are too many"),
    TooManyOctetsError: (ErrorCode.HANDLER_FAILED, "there is no room for the job {!r}: they are too long"),
}

_LIMITS: Final[dict[type[JobError], str]] = {
    TooManyJobsError: "--max-queue-jobs",
    TooManyOctetsError: "--max-queue-bytes",
}


_Group = list[tuple[Operation, asyncio.Future[Any]]]


class _RefusedError(Exception):
    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class QueueManager:
    """Answers the requests on `queue_manager`.

    Args:
        state: The file that keeps the jobs; None for jobs that end with the process.
        open_store: Opens the jobs. The argument is the most octets that a job has.
        announce: Publishes a payload on a channel of an application.
        limits: The limits of the server.
        clock: Tells the time.
    """

    def __init__(
        self,
        state: Path | None,
        open_store: Callable[[int], Store],
        announce: Callable[[str, str, object], None],
        limits: Limits,
        clock: Clock | None = None,
    ) -> None:
        self.state = state
        self._open_store = open_store
        self._announce = announce
        self._clock = clock or Clock()
        self._room = limits.max_frame_bytes - ENVELOPE_BYTES
        self._refusals = Notices("new jobs are taken again")
        self._store: Store
        self._thread: ThreadPoolExecutor
        self._failures = Notices(f"the jobs of {state or 'memory'} can be changed again")
        self._is_closing = False
        self._waiting: _Group = []
        self._worker: asyncio.Task[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._leasing: set[int] = set()  # sessions that may hold leases

    def open(self) -> None:
        """Open the state file, in the event loop; call this before anything else.

        Raises:
            StateFileError: It cannot be used.
        """
        self._store = self._open_store(self._room)
        self._thread = ThreadPoolExecutor(1, "jobs")
        self._is_closing = False
        self._look()

    async def close(self) -> None:
        """Finish what has begun, and close the state file."""
        self._is_closing = True
        while self._worker:
            await self._worker
        if self._alarm:
            self._alarm.cancel()
        closed = self._thread.submit(self._store.close)
        self._thread.shutdown()
        with contextlib.suppress(StateLostError, sqlite3.Error):  # the log has it
            closed.result()

    async def handle(self, request: Request) -> Any:
        """Answer a request on `queue_manager`."""
        try:
            action = _read(request.payload)
            return await action(self, request, request.payload)
        except _RefusedError as refused:
            return error_payload(refused.code, str(refused))
        except (sqlite3.Error, StateLostError):  # the log has it, and the client is told no internals (REQ-014)
            return error_payload(ErrorCode.HANDLER_FAILED, "the jobs cannot be changed now")
        except JobError as error:
            code, reason = _REASONS[type(error)]
            if type(error) in _LIMITS:
                self._refusals.begin(f"new jobs are refused: {_LIMITS[type(error)]} is reached")
            return error_payload(code, reason.format(str(error)))

    def session_ended(self, session: int) -> None:
        """End the leases of a connection that has ended (QUE-014)."""
        if session in self._leasing:
            self._release(session)

    def _release(self, session: int) -> None:
        self._leasing.discard(session)
        self._submit(lambda store: store.release(session)).add_done_callback(lambda done: self._released(session, done))

    def _released(self, session: int, done: asyncio.Future[Any]) -> None:
        if not done.cancelled() and done.exception() and not self._is_closing:  # or the lease would go on
            asyncio.get_running_loop().call_later(LOOK_SECONDS, self._release, session)

    # Actions

    async def _enqueue(self, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        job, queue = payload["job"], (request.app_id, payload["queue"])
        await self._submit(lambda store: store.enqueue(queue, job, self._room))
        self._refusals.end()
        return {"status": "ok", "job_id": job["id"]}

    async def _dequeue(self, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        queue, session = (request.app_id, payload["queue"]), request.session
        count, lease = int(payload.get("count", 1)), int(payload.get("lease_ms", LEASE_MS))
        self._leasing.add(session)
        try:
            jobs = await self._submit(lambda store: store.dequeue(queue, count, lease, session, self._room))
        except asyncio.CancelledError:  # the connection has ended before the answer
            self._release(session)
            raise
        return {"jobs": jobs}

    async def _job_completed(self, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        return await self._finish(request, payload, COMPLETED)

    async def _job_failed(self, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        return await self._finish(request, payload, FAILED)

    async def _finish(self, request: Request, payload: dict[str, Any], state: int) -> dict[str, Any]:
        app_id, session, job_id = request.app_id, request.session, payload["job_id"]
        await self._submit(lambda store: store.finish(app_id, job_id, session, state))
        return {"status": "ok"}

    async def _retry_job(self, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        app_id, session, job_id = request.app_id, request.session, payload["job_id"]
        await self._submit(lambda store: store.retry(app_id, job_id, session, payload.get("delay", 0)))
        return {"status": "ok"}

    async def _get_queue_stats(self, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        queue = (request.app_id, payload["queue"])
        counts: dict[str, Any] = await self._submit(lambda store: store.stats(queue))
        return {"queue": payload["queue"]} | counts

    # Groups

    def _look(self) -> None:
        """Let a group begin, for what every group begins with: delays may have ended, or be about to."""
        self._submit(_nothing).add_done_callback(asyncio.Future.exception)

    def _submit(self, operation: Operation) -> asyncio.Future[Any]:
        """Let an operation be part of the next group, and return what will be its outcome."""
        outcome = asyncio.get_running_loop().create_future()
        self._waiting.append((operation, outcome))
        if self._worker is None:
            self._worker = asyncio.ensure_future(self._work())
        return outcome

    async def _work(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
                await self._perform(group)
        finally:
            self._worker = None

    async def _perform(self, group: _Group) -> None:
        """Run operations together; where that fails, each by itself, so that none fails with another."""
        operations, outcomes = zip(*group, strict=True)
        loop = asyncio.get_running_loop()
        began, moment = loop.time(), self._clock.read()
        try:
            result = await loop.run_in_executor(self._thread, self._store.perform, operations, *moment)
            self._failures.end()
        except StateLostError as lost:
            result = Result(outcomes=[lost] * len(group))
        except Exception as error:  # noqa: BLE001 - a full disk, say; the handler fails with it
            if len(group) > 1:
                for each in group:
                    await self._perform([each])
                return
            self._failures.begin(f"the jobs of {self.state or 'memory'} could not be changed: {error}")
            result = Result(outcomes=[error])
        await self._report(result, outcomes)
        if self.state or result.wake is not None:
            self._wake_at(began + ((result.wake or math.inf) - moment.now) / 1000)

    async def _report(self, result: Result, outcomes: Iterable[asyncio.Future[Any]]) -> None:
        """Publish the events of a group, and then let the requests be answered (QUE-026)."""
        async for events in _in_turns(sorted(result.due)):
            for app_id, queue in events:
                self._announce(app_id, EVENTS + queue, {"type": "job_available", "queue": queue})
        async for answers in _in_turns(list(zip(outcomes, result.outcomes, strict=True))):
            for outcome, found in answers:
                if outcome.cancelled():
                    continue
                if isinstance(found, Exception):
                    outcome.set_exception(found)
                else:
                    outcome.set_result(found)

    def _wake_at(self, moment: float) -> None:
        """Look again at a moment of the event loop's clock, or earlier."""
        if self._alarm:
            self._alarm.cancel()
        loop = asyncio.get_running_loop()
        moment += 0.001  # after it, by a clock that counts milliseconds
        # The clock of the event loop may stand still while the machine is suspended.
        self._alarm = loop.call_at(min(moment, loop.time() + LOOK_SECONDS), self._look)


_Item = TypeVar("_Item")


async def _in_turns(items: list[_Item]) -> AsyncIterator[list[_Item]]:
    """Yield slices of items, and let others have their turn between two of them."""
    for start in range(0, len(items), SLICE):
        if start:
            await asyncio.sleep(0)
        yield items[start : start + SLICE]


def _nothing(_store: JobStore) -> None:
    """Be an operation for the sake of what every group begins with: jobs become due."""


def _read(payload: Any) -> _Action:
    """Return what a payload asks for, or raise `_RefusedError`."""
    name = payload.get("action") if isinstance(payload, dict) else None
    if not isinstance(name, str):
        raise _RefusedError(ErrorCode.INVALID_MESSAGE, "the payload is no object with an action")
    if name not in _ACTIONS:
        raise _RefusedError(ErrorCode.UNKNOWN_ACTION, f"known are {', '.join(_ACTIONS)}")
    action, rules = _ACTIONS[name]
    if not rules.is_valid(payload):
        raise _RefusedError(ErrorCode.INVALID_MESSAGE, f"payload: {explain(rules, payload)}")
    return action


_Action = Callable[[QueueManager, Request, dict[str, Any]], Awaitable[dict[str, Any]]]

_ACTIONS: Final[dict[str, tuple[_Action, jsonschema_rs.Draft202012Validator]]] = {
    name: (action, validator(f"queue-request#/$defs/{name}"))
    for name, action in {
        "enqueue": QueueManager._enqueue,
        "dequeue": QueueManager._dequeue,
        "job_completed": QueueManager._job_completed,
        "job_failed": QueueManager._job_failed,
        "retry_job": QueueManager._retry_job,
        "get_queue_stats": QueueManager._get_queue_stats,
    }.items()
}
