"""How to reach a target: read from options or from a target file."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from conformance.core.options import Option, as_arguments, from_options, option, options_of
from conformance.core.roles import Role
from conformance.protocol.files import read_toml
from conformance.transport.address import TRANSPORTS, parse_address, transport_of
from conformance.transport.credentials import Credentials

TARGET_FILE = Option(
    name="--target", help="Read the target from this file (TOML).", parse=Path, metavar="FILE", is_rerun=False
)
START_SECONDS = 15.0
"""How long a server may take until it accepts connections, and a driver until it answers, by default."""


@dataclass(frozen=True)
class TargetConfig:
    """How to reach a target; exactly one of ``server``, ``command`` and ``client`` is set.

    Attributes:
        server: ``HOST:PORT`` of a running server.
        command: a command line with ``{port}`` that starts one.
        client: the command line of a driver, when a client is under test.
        transport: how a client under test reaches the kit, ``tcp`` or ``unix``; None for TCP.
        token_file: a file with the token that the server requires (SEC-002).
        tls_ca: a file with certificates to trust; the server must then use TLS.
        name: its name in reports.
        folder: working directory of the command.
        environment: variables added for the command.
        start_seconds: how long the command may take until it accepts connections, or the driver until it answers; None
            for the usual time.
        profiles: profiles to test even if the server does not announce them.
        file: the target file that these values come from, if any.
        overridden: names of the fields that options set in place of the file.
    """

    server: str | None = option(
        "--server", "Test the server at this address; unix:PATH for a unix socket.", metavar="HOST:PORT"
    )
    command: str | None = option(
        "--server-cmd",
        "Start this server for the run. {port} becomes a free port, or {socket} the path of a unix socket; {state} the "
        "path of a file for data that must survive a restart.",
        metavar="CMD",
    )
    client: str | None = option("--client-cmd", "Test a client through the driver that this starts.", metavar="CMD")
    transport: str | None = option(
        "--transport", "How a client under test connects to the kit; TCP by default.", choices=tuple(TRANSPORTS)
    )
    token_file: Path | None = option(
        "--token-file", "Send the token in this file, which has one line.", parse=Path, metavar="FILE"
    )
    tls_ca: Path | None = option(
        "--tls-ca", "Connect with TLS and trust the certificates in this PEM file.", parse=Path, metavar="FILE"
    )
    start_seconds: float | None = option(
        "--start-timeout",
        f"Time for the started server to accept connections, or the driver to answer; {START_SECONDS:g} by default.",
        parse=float,
        metavar="SECONDS",
        minimum=0.1,
        maximum=3600,
    )
    name: str = ""
    folder: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    profiles: tuple[str, ...] = ()
    file: Path | None = None
    overridden: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if sum(map(bool, (self.server, self.command, self.client))) != 1:
            raise ValueError("a target is one of: a server's address, a server's command, a client driver's command")
        if self.server:
            parse_address(self.server)
        if self.client and (self.token_file or self.tls_ca):
            raise ValueError("a token and trusted certificates are for servers under test; omit them for a client")
        if self.transport and not self.client:
            raise ValueError("a transport is for clients under test; a server's follows from its address or command")
        Credentials.from_files(self.token_file, self.tls_ca)
        if self.command and not transport_of(self.command):
            raise ValueError("the server command has no {port}; write it where the port number belongs")

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a target file (TOML; schema ``tools/target``).

        Raises:
            ValueError: the file cannot be read or is not a target file; the message says why.
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
            start_seconds=content.get("start_seconds"),
            profiles=tuple(content.get("profiles", ())),
            transport=content.get("transport"),
            token_file=_beside(path, content.get("token_file")),
            tls_ca=_beside(path, content.get("tls_ca")),
            file=path,
        )

    @classmethod
    def chosen(cls, values: Mapping[str, Any], file: Path | None = None) -> Self:
        """Return the target of a target file or, without a file, of the options.

        Other options, such as a token, may be added to a target file.

        Args:
            values: values of the options by field; None for options that were not given.
            file: the target file.

        Raises:
            ValueError: they name no target or two targets, or a file cannot be used.
        """
        if file is None:
            made: Self = from_options(cls, values)
            return made
        means = ("server", "command", "client")
        if any(values.get(name) for name in means):
            raise ValueError("a target file already names the target; omit the other target options")
        given = {name: values[name] for name in options_of(cls) if values.get(name) is not None}
        return replace(cls.from_file(file), **given, overridden=tuple(given))

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values that :meth:`from_json` reads."""
        return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return the configuration that :meth:`as_json` wrote."""
        paths = {name: content[name] and Path(content[name]) for name in ("folder", "token_file", "tls_ca", "file")}
        names = {name: tuple(content[name]) for name in ("profiles", "overridden")}
        return cls(**{**content, **paths, **names})

    @property
    def role(self) -> Role:
        """The role of the target."""
        return "client" if self.client else "server"

    @property
    def title(self) -> str:
        """Its name in reports."""
        return self.name or self.client or self.server or self.command or ""

    @property
    def reproduce(self) -> str:
        """The options of ``ipc-conformance run`` that reach this target, quoted for a shell."""
        options = as_arguments(replace(self, command=self._whole(self.command), client=self._whole(self.client)))
        if self.file:
            stated = options_of(type(self))
            kept = {stated[name].name for name in self.overridden}
            options = [(TARGET_FILE.name, str(self.file)), *(pair for pair in options if pair[0] in kept)]
        return " ".join(f"{name} {shlex.quote(value or '')}" for name, value in options)

    def _whole(self, command: str | None) -> str | None:
        """Return a command with the folder and the environment that no option can set."""
        if self.file or not command or not (self.folder or self.environment):
            return command
        change = f"cd {shlex.quote(str(self.folder))} && " if self.folder else ""
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        inner = shlex.join(["env", *variables, *shlex.split(command)] if variables else shlex.split(command))
        return shlex.join(["sh", "-c", f"{change}exec {inner}"])


def _beside(path: Path, name: str | None) -> Path | None:
    return path.parent / name if name else None
