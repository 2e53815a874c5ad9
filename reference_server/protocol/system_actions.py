"""The actions of the channel `system` (chapter SYS), except `connect`."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, Final

from reference_server.protocol.capabilities import Action
from reference_server.protocol.events import Message


def ping(_message: Message) -> dict[str, Any]:
    """Answer that the server is there (SYS-003)."""
    return {"status": "pong"}


def get_time(_message: Message) -> dict[str, Any]:
    """Answer with one reading of the clock, in two forms (SYS-004)."""
    now = time.time()
    return {"timestamp": now, "iso": datetime.fromtimestamp(now, UTC).isoformat(timespec="microseconds")}


ACTIONS: Final[dict[str, Action]] = {
    "ping": ping,
    "get_time": get_time,
}
