"""What the profile queue adds to a server."""

from __future__ import annotations

from reference_server.profiles.profile import Profile, ProfileContext
from reference_server.profiles.queue.manager import EVENTS, MANAGER, QueueManager


class QueueProfile(Profile):
    """Answers requests on `queue_manager`, and announces jobs on the channels of the queues."""

    name = "queue"
    keeps = "jobs"
    channels = (MANAGER,)
    families = (EVENTS,)

    def __init__(self, context: ProfileContext) -> None:
        super().__init__(context)
        self._manager = QueueManager(context.state, context.announce, context.limits.max_frame_bytes)
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
