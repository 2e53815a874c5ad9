"""Sees that a connection is lost although nothing is read from it."""

from __future__ import annotations

import select
from typing import Any, Final

LOOK_SECONDS: Final = 1.0
"""How often to look at a connection that is not read. The event loop itself sees nothing of it."""


def is_hung_up(accepted: Any) -> bool:
    """Return true if a socket was reset; false where the system cannot tell, and after an orderly end of the stream."""
    if not hasattr(select, "poll") or accepted.fileno() < 0:
        return False
    poll = select.poll()
    poll.register(accepted, 0)  # errors and hang-ups are always reported
    return bool(poll.poll(0))
