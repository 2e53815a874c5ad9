"""Mistakes about the execution of handlers, and about notifications (chapters REQ and NTF)."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

from mutation import around, instead_of_entry, mutant, replace
from patches import session_of

from reference_server.handlers import Request
from reference_server.network import session as session_module
from reference_server.network.eager_tasks import EagerTasks
from reference_server.network.handler_runner import HandlerRunner
from reference_server.network.session import Session
from reference_server.protocol.connection import Connection
from reference_server.protocol.errors import ErrorCode
from reference_server.protocol.events import NotificationReceived, RequestReceived
from reference_server.responder import Responder


@mutant("REQ-009")
def last_in_first_out() -> None:
    """Handlers that are to be started are taken from the wrong end of their queue."""

    @around(EagerTasks, "start")
    def start(original: Any, self: EagerTasks, *arguments: Any) -> None:
        original(self, *arguments)
        self._queue.rotate(1)


@mutant("REQ-009/pairs")
def second_first() -> None:
    """Of every two handlers that are to be started, the second one is started first."""

    @around(EagerTasks, "start")
    def start(original: Any, self: EagerTasks, *arguments: Any) -> None:
        original(self, *arguments)
        if len(self._queue) % 2 == 0:
            self._queue.append(self._queue[-2])
            del self._queue[-3]


@mutant("REQ-010")
def loop_blocked() -> None:
    """A handler that waits blocks the event loop."""

    async def delay(_self: Responder, request: Request) -> dict[str, Any]:
        time.sleep(request.payload["delay_ms"] / 1000)  # noqa: ASYNC251 - the mistake
        return {"value": request.payload["value"]}

    replace(Responder, "delay", delay)


@mutant("REQ-010/one-at-a-time")
def one_worker() -> None:
    """The whole server runs one handler at a time."""
    turn = asyncio.Lock()

    @around(HandlerRunner, "_call")
    async def call(original: Any, *arguments: Any, **options: Any) -> Any:
        async with turn:
            return await original(*arguments, **options)


@mutant("REQ-011")
def waits_for_the_answer() -> None:
    """The next message of a connection is processed when the handler of the one before has answered."""

    @around(Connection, "events")
    def events(original: Any, self: Connection, *most: int) -> Any:
        for event in () if self.owed else original(self, *most):
            yield event
            if self.owed:
                return

    @around(Connection, "_settle")
    def settle(original: Any, self: Connection) -> None:
        original(self)
        asyncio.get_running_loop().call_soon(session_of(self).data_received, b"")


@mutant("REQ-011/one-at-a-time")
def one_handler_per_connection() -> None:
    """A connection has one handler at a time; pings are answered meanwhile."""
    turns: dict[HandlerRunner, asyncio.Lock] = {}

    @around(HandlerRunner, "_call")
    async def call(original: Any, self: HandlerRunner, *arguments: Any, **options: Any) -> Any:
        async with turns.setdefault(self, asyncio.Lock()):
            return await original(self, *arguments, **options)


@mutant("REQ-013")
def failure_ends_the_connection() -> None:
    """A handler that fails ends the connection."""

    @around(Connection, "refuse")
    def refuse(original: Any, self: Connection, request: RequestReceived, code: ErrorCode, detail: str) -> None:
        if code is ErrorCode.HANDLER_FAILED:
            self.drop()
        original(self, request, code, detail)


@mutant("REQ-014")
def exception_told() -> None:
    """The client is told the text of the exception."""

    @around(Connection, "refuse")
    def refuse(original: Any, self: Connection, request: RequestReceived, code: ErrorCode, detail: str) -> None:
        original(self, request, code, str(sys.exception() or detail))


@mutant("NTF-001")
def notification_needs_a_handler() -> None:
    """A notification on a channel without a handler is answered with no_handler."""

    @instead_of_entry(session_module._ACTIONS, NotificationReceived)
    def notification(original: Any, self: Session, event: NotificationReceived) -> None:
        if self._server.handlers.find("notification", self._connection.app_id, event.channel_id):
            original(self, event)
        else:
            about = {"message_id": event.message_id, "channel_id": event.channel_id}
            self._connection._queue_error(ErrorCode.NO_HANDLER, "", about)


@mutant("NTF-001/handled")
def notification_confirmed() -> None:
    """A notification that a handler took is answered."""

    @instead_of_entry(session_module._ACTIONS, NotificationReceived)
    def notification(original: Any, self: Session, event: NotificationReceived) -> None:
        original(self, event)
        if self._server.handlers.find("notification", self._connection.app_id, event.channel_id):
            self._connection._respond({"status": "ok"}, event.channel_id, event.message_id)


@mutant("NTF-002")
def handled_twice() -> None:
    """A notification reaches its handler twice."""

    @instead_of_entry(session_module._ACTIONS, NotificationReceived)
    def notification(original: Any, self: Session, event: NotificationReceived) -> None:
        original(self, event)
        original(self, event)


@mutant("NTF-003")
def latest_first() -> None:
    """Of the notifications that wait, the handler gets the latest one first."""

    @around(HandlerRunner, "start_notification")
    def start(original: Any, self: HandlerRunner, *arguments: Any) -> None:
        original(self, *arguments)
        self._tasks._queue.rotate(1)


@mutant("NTF-003/pairs")
def second_note_first() -> None:
    """Of every two notifications that wait, the handler gets the second one first."""

    @around(HandlerRunner, "start_notification")
    def start(original: Any, self: HandlerRunner, *arguments: Any) -> None:
        original(self, *arguments)
        queue = self._tasks._queue
        if len(queue) % 2 == 0:
            queue.append(queue[-2])
            del queue[-3]


@mutant("REQ-009/kinds")
def requests_first() -> None:
    """The handlers of notifications are started behind those of requests that have arrived meanwhile."""

    @around(HandlerRunner, "start_notification")
    def start(original: Any, *arguments: Any) -> None:
        asyncio.get_running_loop().call_later(0.005, original, *arguments)


@mutant("NTF-004")
def notification_passed_on() -> None:
    """A notification is passed on to the subscribers of its channel."""

    @instead_of_entry(session_module._ACTIONS, NotificationReceived)
    def notification(original: Any, self: Session, event: NotificationReceived) -> None:
        original(self, event)
        broker, app_id = self._server.broker, self._connection.app_id
        broker.publish(
            app_id, event.channel_id, broker.originate("notification", app_id, event.channel_id, event.payload)
        )
