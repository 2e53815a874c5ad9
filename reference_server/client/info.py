"""What a client tells about its connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["connected", "connecting", "reconnecting", "disconnected"]


@dataclass(frozen=True, kw_only=True)
class ConnectionInfo:
    """The state of a client at one moment.

    Attributes:
        app_id: The application.
        connection_id: The name of the client inside it.
        address: `HOST:PORT`, or `unix:PATH`.
        status: The state of the connection.
        subscribed_channels: The channels with a subscription or a handler.
        pending_requests: How many requests wait for their response.
        server: The payload of the server's acknowledgement; empty while there is no connection.
    """

    app_id: str
    connection_id: str
    address: str
    status: Status
    subscribed_channels: tuple[str, ...]
    pending_requests: int
    server: Mapping[str, Any]

    @property
    def connected(self) -> bool:
        """Whether the connection is open."""
        return self.status == "connected"
