"""The handlers of the example server of ``ipc-framework`` (``ipc-server``), for this server: chat, files, monitoring.

``python -m reference_server --handlers reference_server.examples.deployed`` serves the example clients of that package
(``ipc-chat``, ``ipc-file``, ``ipc-monitor``) as they are. What changes for a handler of that package is told in
``docs/moving-from-ipc-framework.md``.
"""

from __future__ import annotations

import time
from typing import Any, Final

from reference_server.handlers import Request
from reference_server.server import ReferenceServer

CHAT, FILES, MONITORING = "chat_app", "file_share", "monitoring"
ROOMS: Final = ("general", "tech_talk", "random")
ALERT_FROM: Final = 80
"""The ``cpu_usage`` above which subscribers of ``alerts`` are told, in per cent."""
_LINK_SECONDS: Final = 3600


def register(server: ReferenceServer) -> None:
    """Register the handlers of the three applications."""
    for room in ROOMS:
        _register_room(server, room)
    _register_files(server)
    _register_monitoring(server)


def _register_room(server: ReferenceServer, room: str) -> None:
    @server.handler(room, app=CHAT)
    async def say(request: Request) -> dict[str, Any]:
        told = {"username": "Anonymous", "text": ""} | _members(request)
        message = {"type": "chat_message", "username": told["username"], "text": told["text"]}
        server.notify(CHAT, room, message | {"timestamp": time.time()})
        return {"status": "sent"}

    @server.handler(room, "notification", app=CHAT)
    async def join(request: Request) -> None:
        username = _members(request).get("username", "Anonymous")
        server.notify(CHAT, room, {"type": "user_joined", "username": username, "timestamp": time.time()})


def _register_files(server: ReferenceServer) -> None:
    @server.handler("upload", app=FILES)
    async def upload(request: Request) -> dict[str, Any]:
        filename = _members(request).get("filename", "unknown")
        server.notify(
            FILES,
            "status",
            {"type": "upload_progress", "filename": filename, "progress": 100, "status": "completed"},
        )
        return {"status": "completed"}

    @server.handler("download", app=FILES)
    async def download(request: Request) -> dict[str, Any]:
        filename = _members(request).get("filename", "unknown")
        url = f"http://example.com/files/{filename}"
        return {"filename": filename, "download_url": url, "expires_at": time.time() + _LINK_SECONDS}


def _register_monitoring(server: ReferenceServer) -> None:
    @server.handler("metrics", "notification", app=MONITORING)
    async def report(request: Request) -> None:
        metric, value = (_members(request).get(name) for name in ("metric", "value"))
        if metric == "cpu_usage" and isinstance(value, int | float) and value > ALERT_FROM:
            alert = {"type": "high_cpu_alert", "metric": metric, "value": value, "threshold": ALERT_FROM}
            server.notify(MONITORING, "alerts", alert | {"severity": "warning"})


def _members(request: Request) -> dict[str, Any]:
    """Return the payload, or no members if it is no object."""
    return request.payload if isinstance(request.payload, dict) else {}
