"""How many connections one address may have."""

from __future__ import annotations

import ipaddress
from collections import Counter
from typing import Any


class AddressCount:
    """Counts connections by address.

    Args:
        most: How many an address may have.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: Counter[str] = Counter()

    def is_full(self, address: str | None) -> bool:
        """Return true if an address has as many as it may have.

        Args:
            address: From `address_of`; None is never counted.
        """
        return address is not None and self._counts[address] >= self._most

    def add(self, address: str | None) -> None:
        """Count one more."""
        if address is not None:
            self._counts[address] += 1

    def remove(self, address: str | None) -> None:
        """Count one less; call it once for each `add`."""
        if address is None:
            return
        self._counts[address] -= 1
        if not self._counts[address]:
            del self._counts[address]


def address_of(peer: Any) -> str | None:
    """Return what a client cannot easily have many of: its IPv4 address, or the first 64 bits of its IPv6 address.

    Args:
        peer: What `getpeername` says. None is returned for clients on a unix socket.
    """
    if not isinstance(peer, tuple):
        return None
    try:
        address = ipaddress.ip_address(peer[0].partition("%")[0])
    except ValueError:  # no address of the internet
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
