"""``FrameworkServer`` of ipc-framework with a few handlers for the document's programs: ``deployed_server.py PORT``.

They are what a user of the package would write: the package answers no ping, and has no queues, batches or services.
"""

from __future__ import annotations

import signal
import sys
from typing import Any

from ipc_framework import (  # type: ignore[import-not-found]  # installed beside this file's program only
    FrameworkServer,
    Message,
    MessageType,
)

APPLICATIONS = [
    *("my_app", "seed-app", "express-api-server", "express-service", "robust-app", "perf-app", "data-processor"),
    *(f"api-pool-pool-{number}" for number in range(15)),
]
USER = {"id": 123, "name": "Ada Lovelace"}
ANSWERS: dict[str, dict[str, Any]] = {
    "api": {"get_users": {"users": [USER]}, "get_data": {"id": 123}},
    "user_service": {"get_user": USER, "get_all_users": [USER]},
    "data_service": {"process_item": {"status": "ok"}, "batch_process": {"status": "no batches"}},
}


def main() -> None:
    """Serve until SIGTERM."""
    server = FrameworkServer(port=int(sys.argv[1]))

    def answer(message: Message) -> None:
        connection = server.connection_manager.get_connection(message.payload["connection_id"])
        payload = ANSWERS[message.channel_id][message.payload["action"]]
        server.send_to_connection(connection, message.create_response(payload))

    for name in APPLICATIONS:
        application = server.create_application(name)
        for channel in ANSWERS:
            application.create_channel(channel).set_handler(MessageType.REQUEST, answer)
    server.start()
    signal.pause()


if __name__ == "__main__":
    main()
