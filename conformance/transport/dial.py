"""Connecting to a server."""

from __future__ import annotations

import contextlib
import socket
import ssl

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


def speaks_tls(address: Address, patience: float) -> bool:
    """Return true if a server answers the start of a TLS handshake with TLS, whatever its certificate.

    Args:
        address: where it listens.
        patience: seconds to wait for each answer.
    """
    trusting_all = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting_all.check_hostname, trusting_all.verify_mode = False, ssl.CERT_NONE
    try:
        with contextlib.closing(address.connect(patience)) as connected:
            TlsSocket(connected, trusting_all)
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")
    except OSError:
        return False
    return True
