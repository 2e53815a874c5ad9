"""Which connections a server has, and which of them it serves."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from reference_server.network.addresses import AddressCount
from reference_server.protocol.errors import ErrorCode
from reference_server.protocol.limits import Limits

# Connections over the limit of connections that are closing and whose clients may still read why (ERR-009). Each holds
# a descriptor.
CLOSING: Final = 64

_TOO_MANY_OF_ADDRESS: Final = "this address has too many connections"
_TOO_MANY_HANDSHAKES: Final = "too many connections of this address have not completed their handshake"


class Served(Protocol):
    """A connection, as the server sees it.

    Attributes:
        address: Whose it is; None for nobody in particular.
    """

    address: str | None

    def finish(self) -> None:
        """Send `shutting_down` as soon as no handler runs for this connection (LIM-013, LIM-014)."""

    def fail(self, code: ErrorCode) -> None:
        """End the connection with a fatal error."""

    def leave(self) -> None:
        """Close the connection at once; the handlers of its notifications go on (NTF-002)."""

    def abort(self) -> None:
        """End the connection and its handlers at once."""


class Places:
    """The connections of one server.

    Args:
        limits: What the server allows.

    Attributes:
        sessions: Every connection with a transport.
        serving: Those that count for the limits of connections: not the ones that are closing.
        empty: Set while there are no sessions.
        stopping: Whether the server is shutting down.
    """

    def __init__(self, limits: Limits) -> None:
        self.sessions: set[Served] = set()
        self.serving: set[Served] = set()
        self.empty = asyncio.Event()
        self.empty.set()
        self.stopping = False
        self._limits = limits
        self._in_handshake: set[Served] = set()
        self._closing: dict[Served, None] = {}  # the one that began to first
        self._of_address = AddressCount(limits.of_address)
        self._handshakes = AddressCount(limits.max_address_handshakes)

    def add(self, session: Served) -> None:
        """Take note of a connection that has begun; `remove` it at its end."""
        self.sessions.add(session)
        self.empty.clear()

    def remove(self, session: Served) -> None:
        """Take note that a connection has no transport any more."""
        self.sessions.discard(session)
        self._closing.pop(session, None)
        if not self.sessions:
            self.empty.set()

    def refusal(self, address: str | None) -> tuple[ErrorCode, str] | None:
        """Return why one more connection of an address is not served, None if it is; the text may be empty."""
        if self.stopping:
            return ErrorCode.SHUTTING_DOWN, ""
        if len(self.serving) >= self._limits.max_connections:
            return ErrorCode.TOO_MANY_CONNECTIONS, ""
        if self._of_address.is_full(address):
            return ErrorCode.TOO_MANY_CONNECTIONS, _TOO_MANY_OF_ADDRESS
        if self._handshakes.is_full(address):
            return ErrorCode.TOO_MANY_CONNECTIONS, _TOO_MANY_HANDSHAKES
        return None

    def serve(self, session: Served) -> None:
        """Count a connection for the limits, first as one without a complete handshake."""
        self.serving.add(session)
        self._in_handshake.add(session)
        self._of_address.add(session.address)
        self._handshakes.add(session.address)

    def handshake_ended(self, session: Served) -> None:
        """Take note that a handshake was completed, or never will be."""
        if session in self._in_handshake:
            self._in_handshake.remove(session)
            self._handshakes.remove(session.address)

    def serve_no_more(self, session: Served) -> None:
        """Take note that a connection is closing; its client may still read why."""
        if session in self.serving:
            self.serving.remove(session)
            self._of_address.remove(session.address)
        self._closing[session] = None

    def make_room(self) -> None:
        """Close the connection that has been closing for longest if all together hold too many descriptors."""
        if len(self.sessions) > self._limits.max_connections + CLOSING:
            next(iter(self._closing)).leave()
