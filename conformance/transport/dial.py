"""Connecting to a server."""

from __future__ import annotations

import socket

from conformance.core.verdicts import TargetError
from conformance.transport.credentials import Credentials
from conformance.transport.tls import TlsSocket


def connect(address: tuple[str, int], patience: float, credentials: Credentials) -> socket.socket | TlsSocket:
    """Return a new connection, inside of TLS where that is wanted.

    Raises:
        TargetError: nobody accepts connections at ``address``, or the handshake of TLS failed.
    """
    try:
        connected = socket.create_connection(address, timeout=patience)
    except OSError as error:
        raise TargetError(f"cannot connect to {address[0]}:{address[1]}: {error}") from error
    if credentials.tls is None:
        return connected
    try:
        return TlsSocket(connected, credentials.tls)
    except OSError as error:
        connected.close()
        raise TargetError(f"the handshake of TLS with {address[0]}:{address[1]} failed: {error}") from error
