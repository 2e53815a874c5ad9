"""Mutants of the reference server: ``serve.py`` applies their patches in its process."""

from __future__ import annotations

import atexit
import functools
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from forked import ForkedTarget
from mutation import CONTROL, Mutant, all_mutants
from server_secrets import write_secrets

from conformance.core.roles import Role
from conformance.core.settings import Settings
from conformance.targets.config import TargetConfig

OPTIONS = (
    "--responder --profile batch --profile discovery --profile queue --state {state} "
    "--handshake-timeout 1 --max-connections 120 --shutdown-grace 1 --log-level error"
)


SECURITY = "SEC"
"""The prefix of the names of mutants whose servers require a token and TLS."""
INSIDE_TLS = "-tls"
"""The ending of the names of such mutants that break another requirement."""


@dataclass(frozen=True)
class Knowledge:
    """The properties that a run finds out about a server at its start; all mutants have those of the control."""

    acknowledgement: dict[str, Any]
    responder: frozenset[str]


class ServerLaboratory:
    """Creates servers."""

    name = "server"
    role: Role = "server"
    sanity = (
        "system/ping",
        "publish/subscriber-gets-it-once-unchanged",
        "requests/echo-of-an-object",
        "requests/no-handler-for-an-object",
        "errors/fatal-error-then-end",
    )
    without: Mapping[str, str] = MappingProxyType({})

    def mutants(self) -> Mapping[str, Mutant]:
        """Return every mutant by name."""
        return all_mutants()

    def explore(self, time_scale: float) -> Knowledge:
        """Return the properties of the control server."""
        with ForkedTarget(_options(CONTROL), Settings(time_scale=time_scale)) as target:
            return Knowledge(target.acknowledgement, target.responder)

    @contextmanager
    def made(self, name: str, known: Knowledge, settings: Settings) -> Iterator[ForkedTarget]:
        """Start the server with a mutant."""
        target = ForkedTarget(_options(name), settings)
        target.acknowledgement, target.responder = known.acknowledgement, known.responder
        if _is_secured(name):
            profiles = [*known.acknowledgement["profiles"], "security"]
            target.acknowledgement = known.acknowledgement | {"profiles": profiles}
        try:
            target.start()
            yield target
        finally:
            target.stop()


def _is_secured(name: str) -> bool:
    return name.startswith(SECURITY) or name.endswith(INSIDE_TLS)


def _options(name: str) -> TargetConfig:
    script = Path(__file__).with_name("serve.py")
    command = shlex.join([sys.executable, str(script), name]) + f" --port {{port}} {OPTIONS}"
    if not _is_secured(name):
        return TargetConfig(command=command)
    folder = _secrets()
    files = {"--tls-cert": "server.pem", "--tls-key": "server.key", "--token-file": "token"}
    demands = shlex.join(part for option, file in files.items() for part in (option, str(folder / file)))
    demands += " --max-wrong-tokens 1000000"
    return TargetConfig(command=f"{command} {demands}", token_file=folder / "token", tls_ca=folder / "client.pem")


@functools.cache
def _secrets() -> Path:
    """Return a folder with a token, a certificate and its key; it exists as long as this process."""
    place = tempfile.TemporaryDirectory(prefix="ipc-mutants-")
    atexit.register(place.cleanup)
    folder = Path(place.name)
    write_secrets(folder)
    return folder
