"""Example handlers: the channels that the documentation of the first Node.js client talks to.

``python -m reference_server --handlers reference_server.examples`` serves them to every application. They keep what
they know in memory and lose it when the server stops. Each module shows one thing that a user of the library needs:
`actions` several actions on one channel and answers that refuse, `users` a store behind two channels and an event for
subscribers, `processing` work that takes long, `cache` a bounded store.
"""

from __future__ import annotations

from typing import Final

from reference_server.examples import api, cache, processing, users
from reference_server.profiles.discovery import DiscoveryProfile
from reference_server.server import ReferenceServer

SERVICES: Final = {
    **{name: [name] for name in ("api", "user_service", "validation-service", "database-service", "cache-service")},
    **{name: [name] for name in ("processor", "data_service")},
    "data-processor": list(processing.INSTANCES),
}
"""The channels of the instances of each service, which clients can discover."""


def register(server: ReferenceServer) -> None:
    """Register all example handlers with a server, and the services where it offers the profile discovery."""
    store = users.Users()
    users.register(server, store)
    api.register(server, store)
    processing.register(server)
    cache.register(server)
    if DiscoveryProfile.name in server.profiles:
        for service, channels in SERVICES.items():
            for channel in channels:
                server.services.set(service, channel, channel=channel)
