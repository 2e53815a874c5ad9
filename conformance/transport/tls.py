"""A socket with TLS that behaves as one without: it never blocks, and its sides end one by one.

``ssl.SSLSocket`` cannot end its sending side and read on, which many cases do at the end of a connection.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Any

RECORD_BYTES = 16_384
READ_BYTES = 262_144


class TruncatedStreamError(ConnectionError):
    """The stream ended without the ``close_notify`` that belongs there (SEC-009)."""


class TlsSocket:
    """The client's side of TLS on a connected socket; the methods are those of a socket.

    Args:
        raw: the connected socket, with a timeout for the handshake; the new one owns it.
        context: what the server's certificate is checked against.

    Raises:
        OSError: the handshake failed.
    """

    def __init__(self, raw: socket.socket, context: ssl.SSLContext) -> None:
        self._raw = raw
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing)
        self._unsent = b""
        self._pending = 0  # octets of the caller's that are encrypted in _unsent
        self._ended = False
        self._shake_hands()

    def _shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._raw.sendall(self._outgoing.read())
                data = self._raw.recv(READ_BYTES)
                if not data:
                    raise ConnectionAbortedError("the stream ended during the handshake of TLS") from None
                self._incoming.write(data)
            else:
                self._raw.sendall(self._outgoing.read())
                return

    def fileno(self) -> int:
        """Return the descriptor, for a selector."""
        return self._raw.fileno()

    def setblocking(self, flag: bool) -> None:
        """As of a socket."""
        self._raw.setblocking(flag)

    def setsockopt(self, *arguments: Any) -> None:
        """As of a socket."""
        self._raw.setsockopt(*arguments)

    def send(self, data: bytes | memoryview) -> int:
        """Return how much of ``data`` the system has taken; when it takes nothing, call again with the same octets.

        Raises:
            BlockingIOError: the system takes nothing now.
        """
        if not self._unsent:
            self._pending = self._tls.write(memoryview(data)[:RECORD_BYTES])
            self._unsent = self._outgoing.read()
        while self._unsent:
            self._unsent = self._unsent[self._raw.send(self._unsent) :]
        return self._pending

    def recv(self, _size: int) -> bytes:
        """Return all that can be decrypted of what has arrived, so that nothing arrived stays unseen.

        Raises:
            BlockingIOError: nothing whole has arrived.
            TruncatedStreamError: the stream ended without ``close_notify``.
        """
        if self._ended:
            return b""
        data = self._raw.recv(READ_BYTES)
        if not data:
            raise TruncatedStreamError("the stream ended without close_notify")
        self._incoming.write(data)
        plain = bytearray()
        with contextlib.suppress(ssl.SSLWantReadError):
            while not self._ended:
                try:
                    piece = self._tls.read(RECORD_BYTES)
                except ssl.SSLZeroReturnError:
                    piece = b""
                plain += piece
                self._ended = not piece
        if not plain and not self._ended:
            raise BlockingIOError
        return bytes(plain)

    def shutdown(self, _how: int) -> None:
        """End the sending side: ``close_notify``, then the end of the stream of TCP."""
        with contextlib.suppress(ssl.SSLError):  # the server's close_notify has yet to come
            self._tls.unwrap()
        self._raw.setblocking(True)
        self._raw.sendall(self._unsent + self._outgoing.read())
        self._raw.setblocking(False)
        self._raw.shutdown(socket.SHUT_WR)

    def cut_off(self) -> None:
        """End the stream of TCP without a word, as somebody on the way could."""
        self._raw.shutdown(socket.SHUT_WR)

    def send_outside(self, data: bytes) -> None:
        """Send octets that are not encrypted, as nobody should."""
        self._raw.sendall(data)

    def version(self) -> str | None:
        """Return the version of TLS."""
        return self._tls.version()

    def close(self) -> None:
        """As of a socket."""
        self._raw.close()
