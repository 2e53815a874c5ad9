"""Mistakes about jobs that must survive a restart of the server (chapter QUE)."""

from __future__ import annotations

from typing import Any

from mutation import around, mutant
from patches import change_acknowledgement

from reference_server.profiles.queue import profile
from reference_server.profiles.queue.job_store import JobStore


@mutant("QUE-028")
def not_stated() -> None:
    """The acknowledgement does not say whether the server is durable."""
    change_acknowledgement(lambda payload: payload.pop("queue"))


@mutant("QUE-029")
def in_memory() -> None:
    """The jobs are in memory, whatever the acknowledgement says."""

    @around(profile, "open_store")
    def in_memory_after_all(original: Any, _state: Any, *limits: Any) -> Any:
        return original(None, *limits)


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

    @around(JobStore, "_end_leases")
    def end_leases(_original: Any, _self: JobStore) -> None:
        return
