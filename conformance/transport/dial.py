"""Connecting to a server."""

from __future__ import annotations

import socket

from conformance.core.verdicts import TargetError
from conformance.transport.address import Address
from conformance.transport.credentials import Credentials
from conformance.transport.tls import TlsSocket


def connect(address: Address, patience: float, credentials: Credentials) -> socket.socket | TlsSocket:
    """Return a new connection, with TLS if the credentials have it.

    Raises:
        TargetError: no server accepts connections at ``address``, or the TLS handshake failed.
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
