"""Limits that no server announces: the third of something works, the thousandth does not."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from mutation import around, mutant

from reference_server.broker import Broker
from reference_server.network.handler_runner import HandlerRunner
from reference_server.network.session import Session
from reference_server.profiles.queue.job_store import JobStore
from reference_server.protocol.connection import Connection
from reference_server.protocol.errors import ErrorCode
from reference_server.protocol.events import ConnectReceived


def _handlers_at_a_time(count: int) -> None:
    places = asyncio.Semaphore(count)

    @around(HandlerRunner, "_call")
    async def call(original: Any, *arguments: Any, **options: Any) -> Any:
        async with places:
            return await original(*arguments, **options)


@mutant("REQ-010/32-handlers")
def thirty_two_handlers() -> None:
    """All connections together have 32 handlers at a time."""
    _handlers_at_a_time(32)


@mutant("REQ-010/150-handlers")
def hundred_and_fifty_handlers() -> None:
    """All connections together have 150 handlers at a time."""
    _handlers_at_a_time(150)


@mutant("REQ-001/in-flight")
def two_hundred_in_flight() -> None:
    """The table of requests in flight has room for 200, of all connections together; further ones are dropped."""
    in_flight = 0

    @around(HandlerRunner, "start_request")
    def start(original: Any, self: HandlerRunner, *arguments: Any) -> None:
        nonlocal in_flight
        if in_flight < 200:
            in_flight += 1
            original(self, *arguments)

    @around(HandlerRunner, "_finish")
    def finish(original: Any, self: HandlerRunner, *arguments: Any) -> None:
        nonlocal in_flight
        in_flight -= 1
        original(self, *arguments)


@mutant("SUB-008/of-all")
def subscriptions_of_all() -> None:
    """All connections together have 1500 subscriptions; further ones are ignored."""
    count = 0

    @around(Broker, "subscribe")
    def subscribe(original: Any, self: Broker, connection: Connection, channel_id: str) -> None:
        nonlocal count
        count += 1
        if sum(map(len, self._applications[connection.app_id].subscriptions.values())) < 1500:
            original(self, connection, channel_id)


@mutant("HSK-010/64-applications")
def sixty_four_applications() -> None:
    """There are 64 applications at a time; a connection of a further one is refused."""

    @around(Broker, "connect")
    def connect(original: Any, self: Broker, newer: Connection, event: ConnectReceived) -> None:
        if event.app_id not in self._applications and len(self._applications) >= 64:
            newer.fail(ErrorCode.TOO_MANY_CONNECTIONS)
        else:
            original(self, newer, event)


@mutant("SUB-010/64-subscribers")
def sixty_four_subscribers() -> None:
    """A channel has 64 subscribers; further ones get nothing."""

    @around(Broker, "publish")
    def publish(_original: Any, self: Broker, app_id: str, channel_id: str, frame: bytes) -> None:
        application = self._applications.get(app_id)
        for each in list(application.channels.get(channel_id, ()) if application else ())[:64]:
            each.deliver(frame)


@mutant("SUB-010/4000-messages")
def four_thousand_messages() -> None:
    """The connection is closed after its four thousandth message."""
    counts: Counter[Connection] = Counter()

    @around(Connection, "_read")
    def read(original: Any, self: Connection, frame: bytes) -> Any:
        counts[self] += 1
        if counts[self] > 4000:
            self.drop()
        return original(self, frame)


@mutant("NTF-002/128-waiting")
def notifications_dropped() -> None:
    """Of the notifications that wait for a handler, 128 are kept."""

    @around(HandlerRunner, "start_notification")
    def start(original: Any, self: HandlerRunner, *arguments: Any) -> None:
        if len(self._tasks._queue) < 128:
            original(self, *arguments)


@mutant("QUE-004/64-queues")
def sixty_four_queues() -> None:
    """An application has 64 queues; a job for a further one is acknowledged and dropped."""
    known: dict[str, set[str]] = {}

    @around(JobStore, "enqueue")
    def enqueue(original: Any, self: JobStore, queue: tuple[str, str], *arguments: Any) -> None:
        names = known.setdefault(queue[0], set())
        if queue[1] in names or len(names) < 64:
            names.add(queue[1])
            original(self, queue, *arguments)


@mutant("SUB-010/2048-channels")
def channels_of_an_application() -> None:
    """An application has 2048 channels in its life; what is published on further ones is dropped."""
    known: dict[str, set[str]] = {}

    @around(Broker, "publish")
    def publish(original: Any, self: Broker, app_id: str, channel_id: str, frame: bytes) -> None:
        names = known.setdefault(app_id, set())
        if channel_id in names or len(names) < 2048:
            names.add(channel_id)
            original(self, app_id, channel_id, frame)


@mutant("HSK-020/200-takeovers")
def takeovers() -> None:
    """A name is taken over a hundred times; later connections live side by side."""
    counts: Counter[str] = Counter()

    @around(Broker, "connect")
    def connect(original: Any, self: Broker, newer: Connection, event: ConnectReceived) -> None:
        application = self._applications.get(event.app_id)
        counts[event.connection_id] += 1
        if application and counts[event.connection_id] > 100:
            older = application.connections.pop(event.connection_id, None)
            if older:
                application.connections[f"{event.connection_id}\0{counts[event.connection_id]}"] = older
                older.connection_id = f"{event.connection_id}\0{counts[event.connection_id]}"
        original(self, newer, event)


@mutant("LIM-008/lifetime")
def serves_three_hundred() -> None:
    """The server serves three hundred connections in its life."""
    count = 0

    @around(Session, "connection_made")
    def made(original: Any, self: Session, transport: Any) -> None:
        nonlocal count
        original(self, transport)
        count += 1
        if count > 300:
            self._connection.fail(ErrorCode.TOO_MANY_CONNECTIONS)
