"""An asyncio client: requests, publishes and subscriptions over one connection that comes back after a loss."""

from __future__ import annotations

from reference_server.client.client import Client
from reference_server.client.errors import ClientError
from reference_server.client.info import ConnectionInfo
from reference_server.client.messages import Message
from reference_server.client.subscriptions import Subscription

__all__ = ["Client", "ClientError", "ConnectionInfo", "Message", "Subscription"]
