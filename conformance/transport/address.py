"""The address of a server: a TCP port or a unix socket."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import socket
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

UNIX = "unix:"
"""The prefix of a unix socket's address; its path follows."""
LOOPBACK = "127.0.0.1"
SERVER_PORTS = range(20000, 32768)
"""The ports of servers that the kit starts; below those of outgoing connections, which begin at 32768 or above."""
PORT_ATTEMPTS = 100
SHARES = 64
"""Into how many parts these ports are divided for processes."""
_given: deque[int] = deque(maxlen=50)
"""The ports that this process gave last."""
_RANDOM = random.SystemRandom()  # of its own: `random.seed` must not give several runs the same ports


class Address(ABC):
    """The address of a server; its text is a value of ``--server``.

    Attributes:
        transport: the name of the kind of address.
        placeholder: the placeholder for the address in the command that starts a server.
        form: what the text of such an address looks like.
    """

    transport: ClassVar[str]
    placeholder: ClassVar[str]
    form: ClassVar[str]

    @classmethod
    @abstractmethod
    def parse(cls, text: str) -> Self | None:
        """Return the address that a text states, or None if it does not have the form of this kind."""

    @classmethod
    @abstractmethod
    def of(cls, listener: socket.socket) -> Self | None:
        """Return where a socket listens, or None if that is an address of another kind."""

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
    form = "HOST:PORT, such as localhost:8888"

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read ``HOST:PORT``."""
        host, _, port = text.rpartition(":")
        is_port = port.isascii() and port.isdigit() and 0 < int(port) < 65536
        return cls(host.strip("[]"), int(port)) if host and is_port and not text.startswith(UNIX) else None

    @classmethod
    def of(cls, listener: socket.socket) -> Self | None:
        """Return host and port of a socket."""
        return cls(*listener.getsockname()[:2]) if _is_tcp(listener) else None

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
        """Return a free port of the loopback interface, of those that systems give to no outgoing connection.

        A port that the system chooses may become the local port of a connection before the server listens on it. Until
        a server listens, its port looks free to others, so processes mostly take different ports, and none again soon.

        Raises:
            OSError: no port is free.
        """
        own = SERVER_PORTS[os.getpid() % SHARES :: SHARES]
        ports = (*_RANDOM.sample(own, k=len(own)), *_RANDOM.sample(SERVER_PORTS, k=PORT_ATTEMPTS))
        for port in ports:
            with contextlib.suppress(OSError), socket.create_server((LOOPBACK, port)):
                if port not in _given:
                    _given.append(port)
                    return cls(LOOPBACK, port)
        raise OSError(errno.EADDRINUSE, f"{len(ports)} ports from {SERVER_PORTS[0]} to {SERVER_PORTS[-1]} are taken")

    @classmethod
    def listen_anywhere(cls, folder: Path, backlog: int) -> socket.socket:  # noqa: ARG003 - a port needs no folder
        """Return a socket that listens at a free port of the loopback interface."""
        return cls(LOOPBACK, 0).listen(backlog)


@dataclass(frozen=True)
class UnixAddress(Address):
    """A unix socket."""

    transport = "unix"
    placeholder = "{socket}"
    form = "unix:PATH"

    path: Path

    def __str__(self) -> str:
        return f"{UNIX}{self.path}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read ``unix:PATH``."""
        path = text.removeprefix(UNIX)
        return cls(Path(path)) if path and path != text else None

    @classmethod
    def of(cls, listener: socket.socket) -> Self | None:
        """Return the path of a socket."""
        return None if _is_tcp(listener) else cls(Path(listener.getsockname()))

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
    """Return the address that a text states, such as ``HOST:PORT`` (an IPv6 host in brackets) or ``unix:PATH``.

    Raises:
        ValueError: the text has another form.
    """
    for kind in TRANSPORTS.values():
        found = kind.parse(text)
        if found:
            return found
    raise ValueError(f"{text!r} is neither {' nor '.join(kind.form for kind in TRANSPORTS.values())}")


def address_of(listener: socket.socket) -> Address:
    """Return where a socket listens."""
    return next(found for kind in TRANSPORTS.values() if (found := kind.of(listener)))


def at_once(connection: socket.socket) -> socket.socket:
    """Make a TCP connection send small writes at once, and return it; other kinds always do."""
    if _is_tcp(connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _is_tcp(connection: socket.socket) -> bool:
    return connection.family in (socket.AF_INET, socket.AF_INET6)


def _unix_socket() -> socket.socket:
    if not hasattr(socket, "AF_UNIX"):
        raise OSError(errno.EAFNOSUPPORT, "this system has no unix sockets")
    return socket.socket(socket.AF_UNIX)
