"""The address of a server: a TCP port or a unix socket."""

from __future__ import annotations

import errno
import socket
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

UNIX = "unix:"
"""The prefix of a unix socket's address; its path follows."""
LOOPBACK = "127.0.0.1"


class Address(ABC):
    """The address of a server; its text is a value of ``--server``.

    Attributes:
        transport: the name of the kind of address.
        placeholder: the placeholder for the address in the command that starts a server.
    """

    transport: ClassVar[str]
    placeholder: ClassVar[str]

    @property
    @abstractmethod
    def places(self) -> Mapping[str, str]:
        """The values of the placeholders in the command that starts a server at this address."""

    @property
    @abstractmethod
    def client_options(self) -> Mapping[str, Any]:
        """The members of the driver command ``create`` for a client that connects to this address."""

    @abstractmethod
    def connect(self, seconds: float) -> socket.socket:
        """Return a new connection whose timeout is ``seconds``.

        Raises:
            OSError: no server accepts connections there.
        """

    @abstractmethod
    def listen(self, backlog: int) -> socket.socket:
        """Return a listening socket.

        Raises:
            OSError: the address is in use or not possible.
        """

    @classmethod
    @abstractmethod
    def free(cls, folder: Path) -> Self:
        """Return a free address of this kind; a socket goes into ``folder``."""

    @classmethod
    @abstractmethod
    def listen_anywhere(cls, folder: Path, backlog: int) -> socket.socket:
        """Return a socket that listens at an address of this kind; a unix socket goes into ``folder``."""


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
        """See :attr:`Address.places`."""
        return {"{host}": self.host, self.placeholder: str(self.port)}

    @property
    def client_options(self) -> Mapping[str, Any]:
        """See :attr:`Address.client_options`."""
        return {"host": self.host, "port": self.port}

    def connect(self, seconds: float) -> socket.socket:
        """Connect as at any address; small writes are sent at once."""
        return at_once(socket.create_connection((self.host, self.port), timeout=seconds))

    def listen(self, backlog: int) -> socket.socket:
        """Listen as at any address; port 0 is any free port."""
        return socket.create_server((self.host, self.port), backlog=backlog)

    @classmethod
    def free(cls, folder: Path) -> Self:  # noqa: ARG003 - a port needs no folder
        """Return a free port of the loopback interface."""
        with socket.create_server((LOOPBACK, 0)) as probe:
            return cls(LOOPBACK, probe.getsockname()[1])

    @classmethod
    def listen_anywhere(cls, folder: Path, backlog: int) -> socket.socket:  # noqa: ARG003 - a port needs no folder
        """Return a socket that listens at a free port of the loopback interface."""
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
        """See :attr:`Address.places`."""
        return {self.placeholder: str(self.path)}

    @property
    def client_options(self) -> Mapping[str, Any]:
        """See :attr:`Address.client_options`."""
        return {"path": str(self.path)}

    def connect(self, seconds: float) -> socket.socket:
        """See :meth:`Address.connect`."""
        connection = _unix_socket()
        try:
            connection.settimeout(seconds)
            connection.connect(str(self.path))
        except BaseException:
            connection.close()
            raise
        return connection

    def listen(self, backlog: int) -> socket.socket:
        """See :meth:`Address.listen`."""
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
        """Return the path of a socket that does not exist yet."""
        return cls(folder / "socket")

    @classmethod
    def listen_anywhere(cls, folder: Path, backlog: int) -> socket.socket:
        """Return a socket that listens in the folder."""
        return cls.free(folder).listen(backlog)


TRANSPORTS: dict[str, type[Address]] = {each.transport: each for each in (TcpAddress, UnixAddress)}
"""The kinds of address by name."""


def transport_of(command: str) -> type[Address] | None:
    """Return the kind of address whose placeholder a command has, or None if it has none."""
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
    """Return the address at which a socket listens."""
    if listener.family in (socket.AF_INET, socket.AF_INET6):
        return TcpAddress(*listener.getsockname()[:2])
    return UnixAddress(Path(listener.getsockname()))


def at_once(connection: socket.socket) -> socket.socket:
    """Make a TCP connection send small writes at once, and return it; other kinds always do."""
    if connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _unix_socket() -> socket.socket:
    if not hasattr(socket, "AF_UNIX"):
        raise OSError(errno.EAFNOSUPPORT, "this system has no unix sockets")
    return socket.socket(socket.AF_UNIX)
