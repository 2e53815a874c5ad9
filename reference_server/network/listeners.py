"""Listening on every address of a host name, all on one port."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import ExitStack
from typing import Final

_NO_SUCH_ADDRESS: Final = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
_ATTEMPTS: Final = 20  # at finding one free port for all addresses of a host


class TcpEndpoint:
    """A host name and a port to listen on.

    Attributes:
        port: The port; once it is open the real one, where 0 was asked for.
    """

    def __init__(self, host: str, port: int) -> None:
        self.port = port
        self._host = host
        self._wanted_port = port

    @property
    def address(self) -> str:
        """The address, as the log states it."""
        return f"{self._host}:{self.port}"

    def open(self) -> list[socket.socket]:
        """Return the listening sockets.

        Raises:
            OSError: The host is unknown, or its port cannot be listened on.
        """
        listeners = open_listeners(self._host, self._wanted_port)
        self.port = listeners[0].getsockname()[1]
        return listeners

    def remove(self) -> None:
        """Do nothing: closed TCP sockets leave nothing to remove."""


def open_listeners(host: str, port: int) -> list[socket.socket]:
    """Return a listening socket for every address of the host, all on one port.

    An address family that this machine does not have is left out as long as another one remains: `localhost` gives
    127.0.0.1 and ::1 where both exist.

    Args:
        host: A name or an address.
        port: 0 for any free port.

    Raises:
        OSError: The host is unknown, or its port cannot be listened on.
    """
    addresses = _addresses(host)
    for _ in range(_ATTEMPTS - 1):
        try:
            return _listen_all(addresses, port)
        except OSError:
            if port:
                raise
    return _listen_all(addresses, port)


def _addresses(host: str) -> list[tuple[int, str]]:
    if host == "localhost":  # whatever the resolver makes of it
        return [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((int(family), str(address[0])) for family, _, _, _, address in found))


def _listen_all(addresses: list[tuple[int, str]], port: int) -> list[socket.socket]:
    listeners: list[socket.socket] = []
    missing: OSError | None = None
    with ExitStack() as undo:
        for family, address in addresses:
            try:
                listener = _listen(family, address, port)
            except OSError as error:
                if error.errno not in _NO_SUCH_ADDRESS:
                    raise
                missing = error
                continue
            undo.callback(listener.close)
            listeners.append(listener)
            port = listener.getsockname()[1]
        if missing and not listeners:
            raise missing
        undo.pop_all()
    return listeners


def _listen(family: int, address: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere the option would allow two servers on one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address, port))
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener
