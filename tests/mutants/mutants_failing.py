"""Mistakes about what a handler that fails takes with it (REQ-013)."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from mutation import around, mutant, replace
from patches import session_of

from reference_server.handlers import Request
from reference_server.network.handler_runner import HandlerRunner
from reference_server.protocol.connection import Connection
from reference_server.protocol.errors import ErrorCode
from reference_server.protocol.events import NotificationReceived, RequestReceived
from reference_server.protocol.states import State
from reference_server.responder import RequestedFailure, Responder


@mutant("REQ-013/others")
def others_cancelled() -> None:
    """When a handler fails, the others of its connection are cancelled, and not answered."""

    @around(HandlerRunner, "_log_failure")
    def failed(original: Any, self: HandlerRunner, *arguments: Any) -> None:
        original(self, *arguments)
        self._connection.owed = 1
        for task in list(self._requests):
            if task is not asyncio.current_task():
                task.cancel()

    @around(Connection, "refuse")
    def refuse(original: Any, self: Connection, request: Any, code: ErrorCode, detail: str) -> None:
        if "cancelled" not in detail:
            original(self, request, code, detail)


@mutant("NTF-005")
def failing_notification_ends() -> None:
    """A notification that fails in its handler ends the connection."""

    @around(HandlerRunner, "_log_failure")
    def failed(original: Any, self: HandlerRunner, event: Any, *arguments: Any) -> None:
        original(self, event, *arguments)
        if isinstance(event, NotificationReceived):
            session_of(self._connection)._transport.abort()


@mutant("NTF-005/handlers")
def failing_notification_counts_for_the_next() -> None:
    """After a notification that failed in its handler, the next ones of the connection reach no handler."""
    failed_once: set[HandlerRunner] = set()

    @around(HandlerRunner, "_log_failure")
    def failed(original: Any, self: HandlerRunner, *arguments: Any) -> None:
        original(self, *arguments)
        failed_once.add(self)

    @around(HandlerRunner, "start_notification")
    def start(original: Any, self: HandlerRunner, *arguments: Any) -> None:
        if self not in failed_once:
            original(self, *arguments)


@mutant("REQ-013/many")
def breaker() -> None:
    """After ten failures of the handlers of a connection, its requests get no answer any more."""
    counts: Counter[HandlerRunner] = Counter()

    @around(HandlerRunner, "_log_failure")
    def failed(original: Any, self: HandlerRunner, *arguments: Any) -> None:
        counts[self] += 1
        original(self, *arguments)

    @around(HandlerRunner, "start_request")
    def start(original: Any, self: HandlerRunner, *arguments: Any) -> None:
        if counts[self] <= 10:
            original(self, *arguments)


@mutant("REQ-010/failures")
def workers_die() -> None:
    """Each failure takes one of 64 workers with it, for all connections."""
    workers = asyncio.Semaphore(64)

    @around(HandlerRunner, "_call")
    async def call(original: Any, self: HandlerRunner, *arguments: Any, **options: Any) -> Any:
        await workers.acquire()
        result = await original(self, *arguments, **options)
        workers.release()
        return result


@mutant("REQ-013/kinds")
def one_kind_of_failure() -> None:
    """A handler that fails by what it was given, and not by an error that it raises, ends the connection."""

    @around(HandlerRunner, "_log_failure")
    def failed(original: Any, self: HandlerRunner, event: Any, error: Any, *count: Any) -> None:
        original(self, event, error, *count)
        if not isinstance(error, RequestedFailure):
            self._connection.drop()


@mutant("REQ-013/text")
def text_is_a_format() -> None:
    """The text of a failure is a format, and one that is none leaves the request without an answer."""

    async def fail(_self: Responder, request: Request) -> None:
        detail = str(request.payload["detail"])
        try:
            detail % ()
            detail.format()
        except Exception:  # noqa: BLE001 - the mistake
            await asyncio.Event().wait()
        raise RequestedFailure(detail)

    replace(Responder, "fail", fail)


@mutant("REQ-013/long-text")
def long_text() -> None:
    """A failure with a long text leaves the request without an answer."""

    async def fail(_self: Responder, request: Request) -> None:
        if len(str(request.payload["detail"])) > 10_000:
            await asyncio.Event().wait()
        raise RequestedFailure(request.payload["detail"])

    replace(Responder, "fail", fail)


@mutant("REQ-001/failed-twice")
def answered_twice() -> None:
    """A request whose handler fails late gets two answers."""

    @around(Connection, "refuse")
    def refuse(original: Any, self: Connection, request: RequestReceived, code: ErrorCode, detail: str) -> None:
        if code is ErrorCode.HANDLER_FAILED and self.owed > 1:
            about = {"message_id": request.message_id, "channel_id": request.channel_id}
            self._queue_error(code, detail, about)
        original(self, request, code, detail)


@mutant("LIM-011/failed")
def draining_failure_lost() -> None:
    """A failure is not told to a client that has ended its sending side."""

    @around(Connection, "refuse")
    def refuse(original: Any, self: Connection, request: Any, code: ErrorCode, detail: str) -> None:
        if code is ErrorCode.HANDLER_FAILED and self.state is State.DRAINING:
            self._settle()
        else:
            original(self, request, code, detail)


@mutant("REQ-013/subscriptions")
def subscriptions_end() -> None:
    """When a handler fails, the subscriptions of its connection end."""

    @around(HandlerRunner, "_log_failure")
    def failed(original: Any, self: HandlerRunner, *arguments: Any) -> None:
        original(self, *arguments)
        session = session_of(self._connection)
        session._server.broker._end_subscriptions(self._connection)


@mutant("REQ-013/emitted")
def half_done() -> None:
    """A handler that fails at its last step has no answer, and its connection hangs."""

    async def emit(self: Responder, request: Request) -> Any:
        try:
            return await original(self, request)
        except Exception:  # noqa: BLE001 - the mistake
            await asyncio.Event().wait()

    original = replace(Responder, "emit", emit)
