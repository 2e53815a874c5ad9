"""Connecting to a server."""

from __future__ import annotations

import socket

from conformance.core.verdicts import TargetError
from conformance.transport.address import Address
from conformance.transport.credentials import Credentials
from conformance.transport.tls import TlsSocket


def connect(address: Address, patience: float, credentials: Credentials) -> socket.socket | TlsSocket:
    """Return a new connection, inside of TLS where that is wanted.

    Raises:
        TargetError: nobody accepts connections at ``address``, or the handshake of TLS failed.
    """
    try:
        connected = address.connect(patience)
    except OSError as error:
        raise TargetError(f"cannot connect to {address}: {error}") from error
    if credentials.tls is None:
        return connected
    try:
        return TlsSocket(connected, credentials.tls)
    except OSError as error:
        connected.close()
        raise TargetError(f"the handshake of TLS with {address} failed: {error}") from error
