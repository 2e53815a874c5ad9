"""What is under test, a server or a client: how to reach it, how to run cases on it, names that nothing else uses."""

from __future__ import annotations

import itertools
import random
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from conformance.case import Role
from conformance.files import read_toml
from conformance.process import ServerProcess
from conformance.settings import Settings


@dataclass(frozen=True)
class TargetOptions:
    """How to reach a target; exactly one of ``server``, ``command`` and ``client`` is set.

    Attributes:
        server: ``HOST:PORT`` of a running server.
        command: a command line with ``{port}`` that starts one.
        client: the command line of a driver, when a client is under test.
        name: what reports call it.
        folder: working directory of the command.
        environment: variables added for the command.
        start_seconds: time until the command accepts connections.
        profiles: profiles to test although the server does not announce them.
    """

    server: str | None = None
    command: str | None = None
    client: str | None = None
    name: str = ""
    folder: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    start_seconds: float = 15.0
    profiles: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if sum(map(bool, (self.server, self.command, self.client))) != 1:
            raise ValueError("a target is either a server's address, a server's command or a client's driver")
        if self.server:
            parse_address(self.server)
        if self.command and "{port}" not in self.command:
            raise ValueError("the server command has no {port}; write it where the port number belongs")

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a target file (TOML; schema ``tools/target``).

        Raises:
            ValueError: the file cannot be read or is not a target file; the text says why.
        """
        content = read_toml(path, "tools/target", "target file")
        is_client = content.get("role") == "client"
        return cls(
            server=content.get("server"),
            command=None if is_client else content.get("command"),
            client=content["command"] if is_client else None,
            name=content.get("name", ""),
            folder=path.parent / content.get("folder", "."),
            environment=content.get("environment", {}),
            start_seconds=content.get("start_seconds", 15.0),
            profiles=tuple(content.get("profiles", ())),
        )

    @property
    def role(self) -> Role:
        """What is under test."""
        return "client" if self.client else "server"

    @property
    def title(self) -> str:
        """What reports call what is under test."""
        return self.name or self.client or self.server or self.command or ""

    @property
    def reproduce(self) -> str:
        """The options of ``ipc-conformance run`` that reach this target."""
        if self.server:
            return f"--server {self.server}"
        option = "--client-cmd" if self.client else "--server-cmd"
        return f"{option} {shlex.quote(self.client or self.command or '')}"


class Subject:
    """A server or a client under test during a run.

    Args:
        options: how to reach it.
        settings: how cases are run on it.
        nonce: makes the names of this run's connections and channels differ from those of any other run.
    """

    BASE_PATIENCE_SECONDS = 3.0

    def __init__(self, options: TargetOptions, settings: Settings | None = None, *, nonce: str = "") -> None:
        self.options = options
        self.settings = settings or Settings()
        self.nonce = nonce or f"{random.getrandbits(32):08x}"
        self.process: ServerProcess | None = None
        self.responder: frozenset[str] = frozenset()
        self._names = itertools.count(1)

    @property
    def time_scale(self) -> float:
        """The factor on every deadline."""
        return self.settings.time_scale

    @property
    def patience(self) -> float:
        """Seconds to wait for anything that it has to do."""
        return self.BASE_PATIENCE_SECONDS * self.time_scale

    @property
    def profiles(self) -> tuple[str, ...]:
        """The profiles to test."""
        return self.options.profiles

    def fresh(self, kind: str) -> str:
        """Return a name that no other case, worker or run uses."""
        return f"{kind}-{self.nonce}-{next(self._names)}"


def parse_address(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT`` (an IPv6 host in brackets).

    Raises:
        ValueError: the text has another form.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is not HOST:PORT, such as localhost:8888")
    return host.strip("[]"), int(port)
