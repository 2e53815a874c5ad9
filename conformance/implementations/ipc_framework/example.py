"""Run an example program that ipc-framework ships, on a chosen port: ``example.py NAME PORT [ARGUMENT...]``.

NAME is ``server``, ``chat``, ``file``, ``monitor`` or ``demo``; the programs themselves know port 8888 only. The demo
is a server and its clients in one process. Here its clients connect to the given port, and its own server is left out.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any
from unittest.mock import MagicMock

from ipc_framework import (  # type: ignore[import-not-found]  # installed beside this file's program only
    FrameworkClient,
    FrameworkServer,
)

MODULES = {
    "server": "ipc_framework.examples.basic_server",
    "chat": "ipc_framework.examples.chat_client",
    "file": "ipc_framework.examples.file_client",
    "monitor": "ipc_framework.examples.monitoring_client",
    "demo": "ipc_framework.demo",
}


def main() -> None:
    """Run the example."""
    name, port, *arguments = sys.argv[1:]

    def client(app_id: str, host: str = "localhost", port: int = 0) -> Any:  # noqa: ARG001
        return FrameworkClient(app_id, host, chosen)

    def server(host: str = "localhost", port: int = 0) -> Any:  # noqa: ARG001
        return FrameworkServer(host, chosen)

    chosen = int(port)
    module: Any = importlib.import_module(MODULES[name])
    module.FrameworkClient = client
    module.FrameworkServer = MagicMock() if name == "demo" else server
    sys.argv = [name, *arguments]
    module.main()


if __name__ == "__main__":
    main()
