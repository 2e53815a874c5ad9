"""A TLS socket that behaves like a plain socket: it never blocks, and each side can end separately.

``ssl.SSLSocket`` cannot end its sending side and continue to read, but many cases do this at the end of a connection.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Any

RECORD_BYTES = 16_384
READ_BYTES = 262_144


class TruncatedStreamError(ConnectionError):
    """The stream ended without the required ``close_notify`` (SEC-009)."""


class TlsSocket:
    """The client's side of TLS on a connected socket, with the methods of a socket.

    Args:
        raw: the connected socket, with a timeout for the handshake; the new socket owns it.
        context: the TLS context that checks the server's certificate.

    Raises:
        OSError: the handshake failed.
    """

    def __init__(self, raw: socket.socket, context: ssl.SSLContext) -> None:
        self._raw = raw
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing)
        self._unsent = b""
        self._pending = 0  # number of the caller's octets that are encrypted in _unsent
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
        """See :meth:`socket.socket.setblocking`."""
        self._raw.setblocking(flag)

    def setsockopt(self, *arguments: Any) -> None:
        """See :meth:`socket.socket.setsockopt`."""
        self._raw.setsockopt(*arguments)

    def send(self, data: bytes | memoryview) -> int:
        """Return how many octets of ``data`` the system accepted; after an error, call again with the same octets.

        Raises:
            BlockingIOError: the system accepts nothing now.
        """
        if not self._unsent:
            self._pending = self._tls.write(memoryview(data)[:RECORD_BYTES])
            self._unsent = self._outgoing.read()
        while self._unsent:
            self._unsent = self._unsent[self._raw.send(self._unsent) :]
        return self._pending

    def recv(self, _size: int) -> bytes:
        """Return all octets that can be decrypted, so that none of the arrived data stays in a buffer.

        Raises:
            BlockingIOError: no complete TLS record has arrived.
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
        """End the sending side: ``close_notify``, then the end of the TCP stream."""
        with contextlib.suppress(ssl.SSLError):  # the server's close_notify has not arrived yet
            self._tls.unwrap()
        self._raw.setblocking(True)
        self._raw.sendall(self._unsent + self._outgoing.read())
        self._raw.setblocking(False)
        self._raw.shutdown(socket.SHUT_WR)

    def cut_off(self) -> None:
        """End the TCP stream without ``close_notify``, as an attacker on the network could."""
        self._raw.shutdown(socket.SHUT_WR)

    def send_outside(self, data: bytes) -> None:
        """Send octets without encryption, which TLS forbids."""
        self._raw.sendall(data)

    def version(self) -> str | None:
        """Return the version of TLS."""
        return self._tls.version()

    def close(self) -> None:
        """See :meth:`socket.socket.close`."""
        self._raw.close()
