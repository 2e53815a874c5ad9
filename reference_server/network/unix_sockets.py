"""Listening on a unix socket, and the file that names it."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from pathlib import Path
from typing import Final

_MODE: Final = 0o600  # of the file: other users of the machine cannot connect
_REFUSED: Final = (errno.ECONNREFUSED, errno.ENOENT)  # no server listens there, or no longer


class UnixSocketError(OSError):
    """A unix socket cannot be listened on; the text says why, and what to do."""


class UnixEndpoint:
    """A unix socket to listen on.

    Args:
        path: The file that names the socket.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: tuple[int, int] | None = None  # device and inode of the file that `open` made

    @property
    def address(self) -> str:
        """The address, as the log states it."""
        return f"unix:{self.path}"

    def open(self) -> list[socket.socket]:
        """Return the listening socket. The file of a server that has ended is replaced.

        Raises:
            UnixSocketError: A server listens there, the path names something other than a socket or is too long, or
                the system has no unix sockets.
        """
        if not hasattr(socket, "AF_UNIX"):
            raise UnixSocketError("this system has no unix sockets; listen on a host and a port")
        self._remove_stale_file()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._bind(listener)
            self._file = _identity(self.path)
            self.path.chmod(_MODE)  # before anybody can connect
            listener.listen()  # so that another server sees that the socket is in use
            listener.setblocking(False)
        except BaseException:
            listener.close()
            self.remove()
            raise
        return [listener]

    def remove(self) -> None:
        """Remove the file, unless another server has put its own in that place."""
        with contextlib.suppress(OSError):
            if self._file and self._file == _identity(self.path):
                self.path.unlink()
        self._file = None

    def _bind(self, listener: socket.socket) -> None:
        try:
            listener.bind(str(self.path))
        except OSError as error:
            if error.errno is None:  # from Python itself, before it asks the system
                length = len(os.fsencode(self.path))
                raise UnixSocketError(
                    f"the path of unix socket {self.path} has {length} octets, too many for this system "
                    "(limits are 103 to 107); choose a shorter path"
                ) from None
            raise self._problem(error.strerror or str(error), "choose another path") from None

    def _remove_stale_file(self) -> None:
        try:
            mode = self.path.lstat().st_mode
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._problem(error.strerror or str(error), "choose another path") from None
        if not stat.S_ISSOCK(mode):
            raise self._problem("the path names something other than a socket", "remove it, or choose another path")
        if self._is_in_use():
            raise self._problem("a server listens there", "stop it, or choose another path")
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise self._problem(f"cannot remove the old socket: {error.strerror}", "choose another path") from None

    def _is_in_use(self) -> bool:
        """Return false only if no server listens there; a server with a full backlog counts."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            return probe.connect_ex(str(self.path)) not in _REFUSED

    def _problem(self, reason: str, advice: str) -> UnixSocketError:
        return UnixSocketError(f"cannot listen on unix socket {self.path}: {reason}; {advice}")


def _identity(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_dev, status.st_ino
