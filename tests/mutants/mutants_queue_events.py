"""Mistakes about the events of queues (chapter QUE)."""

from __future__ import annotations

import asyncio
from typing import Any

from mutation import around, mutant

from reference_server.broker import Broker
from reference_server.profiles.queue.job_store import JobStore
from reference_server.profiles.queue.manager import QueueManager


@mutant("QUE-024")
def no_event_for_leases() -> None:
    """A job that comes back when a lease ends is no event."""

    @around(JobStore, "_return_jobs")
    def return_jobs(original: Any, self: JobStore, *arguments: Any) -> None:
        before = set(self._due)
        original(self, *arguments)
        self._due.clear()
        self._due.update(before)


@mutant("QUE-024/one-queue")
def one_queue_told() -> None:
    """When jobs of several queues become due together, one of the queues has its event."""

    @around(QueueManager, "_report")
    async def report(original: Any, self: QueueManager, result: Any, outcomes: Any) -> None:
        for other in sorted(result.due)[1:]:
            result.due.discard(other)
        await original(self, result, outcomes)


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

    @around(Broker, "announce")
    def announce(original: Any, self: Broker, scope: Any, channel: str, payload: Any) -> None:
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


@mutant("QUE-027/restart")
def nobody_looks() -> None:
    """After a start nobody looks for jobs that have become due until the first request."""

    @around(QueueManager, "open")
    def open_store(original: Any, self: QueueManager) -> None:
        self._look = lambda: None  # type: ignore[method-assign]
        original(self)
        del self._look
