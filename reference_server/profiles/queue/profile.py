"""What the profile queue adds to a server."""

from __future__ import annotations

import functools
from pathlib import Path

from reference_server.profiles.profile import Profile, ProfileContext
from reference_server.profiles.queue.file_store import FileStore
from reference_server.profiles.queue.job_store import JobStore, Store
from reference_server.profiles.queue.manager import EVENTS, MANAGER, QueueManager
from reference_server.profiles.queue.state_file import open_memory
from reference_server.protocol.limits import Limits


def open_store(state: Path | None, limits: Limits, longest_job: int) -> Store:
    """Open the jobs in a state file, or in memory.

    Raises:
        StateFileError: The file cannot be used.
    """
    return FileStore(state, limits, longest_job) if state else JobStore(open_memory(), limits)


class QueueProfile(Profile):
    """Answers requests on `queue_manager`, and announces jobs on the channels of the queues."""

    name = "queue"
    keeps = "jobs"
    channels = (MANAGER,)
    families = (EVENTS,)

    def __init__(self, context: ProfileContext) -> None:
        super().__init__(context)
        self._manager = QueueManager(
            context.state,
            functools.partial(open_store, context.state, context.limits),
            context.announce,
            context.limits,
        )
        self.handlers = {MANAGER: self._manager.handle}
        self.acknowledged = {"queue": {"durable": context.state is not None}}

    async def open(self) -> None:
        """Open the state file.

        Raises:
            StateFileError: It cannot be used.
        """
        self._manager.open()

    async def close(self) -> None:
        """Finish what has begun, and close the state file."""
        await self._manager.close()

    def session_ended(self, session: int) -> None:
        """End the leases of a connection (QUE-014)."""
        self._manager.session_ended(session)
