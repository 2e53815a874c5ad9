from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from bench_servers import REFERENCE, Answers, ScriptedServer

from conformance.bench import connection as connection_module
from conformance.bench import load
from conformance.targets.process import ServerProcess
from conformance.transport.address import Address


@pytest.fixture
def scripted() -> Iterator[Callable[[Answers], ScriptedServer]]:
    """Give a function that starts a server which answers as told."""
    servers = []

    def start(answers: Answers) -> ScriptedServer:
        servers.append(ScriptedServer(answers))
        threading.Thread(target=servers[-1].serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (load, connection_module):
        monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.3)


@pytest.fixture(scope="module")
def reference() -> Iterator[Address]:
    process = ServerProcess(REFERENCE)
    yield process.address
    process.stop()
