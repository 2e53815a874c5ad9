"""How a target is reached: from options or from a target file."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from conformance.core.roles import Role
from conformance.protocol.files import read_toml
from conformance.transport.credentials import Credentials


@dataclass(frozen=True)
class TargetConfig:
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
        token_file: a file with the token that the server demands (SEC-002).
        tls_ca: a file with certificates to trust; the server then has to speak TLS.
    """

    server: str | None = None
    command: str | None = None
    client: str | None = None
    name: str = ""
    folder: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    start_seconds: float = 15.0
    profiles: tuple[str, ...] = ()
    token_file: Path | None = None
    tls_ca: Path | None = None

    def __post_init__(self) -> None:
        if sum(map(bool, (self.server, self.command, self.client))) != 1:
            raise ValueError("a target is either a server's address, a server's command or a client's driver")
        if self.server:
            parse_address(self.server)
        if self.client and (self.token_file or self.tls_ca):
            raise ValueError("a token and certificates to trust are for servers under test")
        Credentials.from_files(self.token_file, self.tls_ca)
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
            token_file=_beside(path, content.get("token_file")),
            tls_ca=_beside(path, content.get("tls_ca")),
        )

    def with_access(self, token_file: Path | None, tls_ca: Path | None) -> Self:
        """Return the same options with a token or certificates that are given apart from them.

        Raises:
            ValueError: a file cannot be used; the text says why.
        """
        return replace(self, token_file=token_file or self.token_file, tls_ca=tls_ca or self.tls_ca)

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
        option = "--client-cmd" if self.client else "--server-cmd" if self.command else "--server"
        given: dict[str, object] = {option: self.client or self.command or self.server}
        given |= {"--token-file": self.token_file, "--tls-ca": self.tls_ca}
        return " ".join(f"{name} {shlex.quote(str(value))}" for name, value in given.items() if value)


def _beside(path: Path, name: str | None) -> Path | None:
    return path.parent / name if name else None


def parse_address(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT`` (an IPv6 host in brackets).

    Raises:
        ValueError: the text has another form.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is not HOST:PORT, such as localhost:8888")
    return host.strip("[]"), int(port)
