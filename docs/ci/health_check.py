"""Exits with status 0 if a server answers a ping: ``health_check.py HOST PORT``."""

from __future__ import annotations

import asyncio
import sys

from reference_server.client import Client, ClientError


async def is_healthy(host: str, port: int) -> bool:
    """Return true if the server answers a ping within two seconds."""
    client = Client("health-check", host, port, connect_timeout=2.0, reconnect_attempts=0)
    try:
        async with client:
            return await client.health_check(timeout=2.0) is True
    except (ClientError, OSError):
        return False


if __name__ == "__main__":
    sys.exit(not asyncio.run(is_healthy(sys.argv[1], int(sys.argv[2]))))
