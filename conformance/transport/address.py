"""Where a server listens: a TCP port or a unix socket."""

from __future__ import annotations

import errno
import socket
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

UNIX = "unix:"
"""What the text of a unix socket's address begins with; its path follows."""
LOOPBACK = "127.0.0.1"


class Address(ABC):
    """Where a server listens. As a text it is what ``--server`` takes.

    Attributes:
        transport: the name of the kind of address.
        placeholder: what stands for the address in the command that starts a server.
    """

    transport: ClassVar[str]
    placeholder: ClassVar[str]

    @property
    @abstractmethod
    def places(self) -> Mapping[str, str]:
        """What takes the place of the placeholders in the command that starts a server there."""

    @property
    @abstractmethod
    def client_options(self) -> Mapping[str, Any]:
        """The members of the driver command ``create`` that point a client there."""

    @abstractmethod
    def connect(self, seconds: float) -> socket.socket:
        """Return a new connection whose timeout is ``seconds``.

        Raises:
            OSError: nobody accepts connections there.
        """

    @abstractmethod
    def listen(self, backlog: int) -> socket.socket:
        """Return a listening socket.

        Raises:
            OSError: the address is taken, or there cannot be such a one.
        """

    @classmethod
    @abstractmethod
    def free(cls, folder: Path) -> Self:
        """Return an address of this kind where nobody listens; ``folder`` has room for a socket."""

    @classmethod
    @abstractmethod
    def listen_anywhere(cls, folder: Path, backlog: int) -> socket.socket:
        """Return a socket that listens at an address of this kind; ``folder`` has room for it."""


@dataclass(frozen=True)
class TcpAddress(Address):
    """A TCP port of a host."""

    transport = "tcp"
    placeholder = "{port}"

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def places(self) -> Mapping[str, str]:
        """As of any address."""
        return {"{host}": self.host, self.placeholder: str(self.port)}

    @property
    def client_options(self) -> Mapping[str, Any]:
        """As of any address."""
        return {"host": self.host, "port": self.port}

    def connect(self, seconds: float) -> socket.socket:
        """As of any address; small writes leave at once."""
        return at_once(socket.create_connection((self.host, self.port), timeout=seconds))

    def listen(self, backlog: int) -> socket.socket:
        """As of any address; port 0 is any free one."""
        return socket.create_server((self.host, self.port), backlog=backlog)

    @classmethod
    def free(cls, folder: Path) -> Self:  # noqa: ARG003 - a port needs no folder
        """Return a port of the loopback interface that nobody listens on right now."""
        with socket.create_server((LOOPBACK, 0)) as probe:
            return cls(LOOPBACK, probe.getsockname()[1])

    @classmethod
    def listen_anywhere(cls, folder: Path, backlog: int) -> socket.socket:  # noqa: ARG003 - a port needs no folder
        """Return a socket that listens at a port of the loopback interface, which the system chooses."""
        return cls(LOOPBACK, 0).listen(backlog)


@dataclass(frozen=True)
class UnixAddress(Address):
    """A unix socket."""

    transport = "unix"
    placeholder = "{socket}"

    path: Path

    def __str__(self) -> str:
        return f"{UNIX}{self.path}"

    @property
    def places(self) -> Mapping[str, str]:
        """As of any address."""
        return {self.placeholder: str(self.path)}

    @property
    def client_options(self) -> Mapping[str, Any]:
        """As of any address."""
        return {"path": str(self.path)}

    def connect(self, seconds: float) -> socket.socket:
        """As of any address."""
        connection = _unix_socket()
        try:
            connection.settimeout(seconds)
            connection.connect(str(self.path))
        except BaseException:
            connection.close()
            raise
        return connection

    def listen(self, backlog: int) -> socket.socket:
        """As of any address."""
        listener = _unix_socket()
        try:
            listener.bind(str(self.path))
            listener.listen(backlog)
        except BaseException:
            listener.close()
            raise
        return listener

    @classmethod
    def free(cls, folder: Path) -> Self:
        """Return the path of a socket that is not there yet."""
        return cls(folder / "socket")

    @classmethod
    def listen_anywhere(cls, folder: Path, backlog: int) -> socket.socket:
        """Return a socket that listens in the folder."""
        return cls.free(folder).listen(backlog)


TRANSPORTS: dict[str, type[Address]] = {each.transport: each for each in (TcpAddress, UnixAddress)}
"""The kinds of address by name."""


def transport_of(command: str) -> type[Address] | None:
    """Return the kind of address whose placeholder a command has, or None when it has none."""
    return next((each for each in TRANSPORTS.values() if each.placeholder in command), None)


def parse_address(text: str) -> Address:
    """Return the address of ``HOST:PORT`` (an IPv6 host in brackets) or ``unix:PATH``.

    Raises:
        ValueError: the text has another form.
    """
    if text.startswith(UNIX) and len(text) > len(UNIX):
        return UnixAddress(Path(text.removeprefix(UNIX)))
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is neither HOST:PORT, such as localhost:8888, nor unix:PATH")
    return TcpAddress(host.strip("[]"), int(port))


def address_of(listener: socket.socket) -> Address:
    """Return where a socket listens."""
    if listener.family in (socket.AF_INET, socket.AF_INET6):
        return TcpAddress(*listener.getsockname()[:2])
    return UnixAddress(Path(listener.getsockname()))


def at_once(connection: socket.socket) -> socket.socket:
    """Have a TCP connection send small writes at once, and return it; others do that anyway."""
    if connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _unix_socket() -> socket.socket:
    if not hasattr(socket, "AF_UNIX"):
        raise OSError(errno.EAFNOSUPPORT, "this system has no unix sockets")
    return socket.socket(socket.AF_UNIX)
