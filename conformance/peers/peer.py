"""The kit's raw peer: a connection to a server, whose every frame it checks."""

from __future__ import annotations

import socket

from conformance.core.trace import Trace
from conformance.core.verdicts import BrokenFrame, TargetError
from conformance.peers.base import Stream
from conformance.protocol import codec
from conformance.protocol.codec import Message
from conformance.transport.credentials import OPEN, Access
from conformance.transport.segmentation import Chopper
from conformance.transport.tls import TlsSocket


def connect(address: tuple[str, int], patience: float, access: Access) -> socket.socket | TlsSocket:
    """Return a new connection, inside of TLS where that is wanted.

    Raises:
        TargetError: nobody accepts connections at ``address``, or the handshake of TLS failed.
    """
    try:
        connected = socket.create_connection(address, timeout=patience)
    except OSError as error:
        raise TargetError(f"cannot connect to {address[0]}:{address[1]}: {error}") from error
    if access.tls is None:
        return connected
    try:
        return TlsSocket(connected, access.tls)
    except OSError as error:
        connected.close()
        raise TargetError(f"the handshake of TLS with {address[0]}:{address[1]} failed: {error}") from error


class Peer(Stream):
    """One connection of the kit to the target.

    Args:
        label: the letter that names the peer in the trace.
        address: host and port of the target.
        trace: where everything is noted.
        patience: seconds to wait for anything the server has to do.
        chopper: divides the writes of the case; None leaves them as they are.
        access: what it takes to be let in.

    Raises:
        TargetError: nobody accepts connections at ``address``, or the handshake of TLS failed.
    """

    OTHER = "the server"
    SCHEMA = "server-message"

    def __init__(  # noqa: PLR0917 - what every connection needs
        self,
        label: str,
        address: tuple[str, int],
        trace: Trace,
        patience: float,
        chopper: Chopper | None = None,
        access: Access = OPEN,
    ) -> None:
        super().__init__(label, connect(address, patience, access), trace, patience, chopper)
        self.access = access
        self._has_answered = False
        self._response_ids: set[str] = set()

    @property
    def has_answered(self) -> bool:
        """Whether a frame with a JSON object has come, so that this may well be a server of the protocol."""
        return self._has_answered

    def _check(self, body: bytes) -> Message:
        message = super()._check(body)
        if message["message_type"] == "response":
            self._check_freshness(message)
        return message

    def _note_message(self) -> None:
        self._has_answered = True

    def _check_freshness(self, response: Message) -> None:
        identity = response["message_id"]
        if identity in self._response_ids or identity == response.get("reply_to"):
            raise BrokenFrame(
                "the server used a message_id a second time (REQ-004)",
                expected="a fresh message_id",
                received=codec.shorten(response),
            )
        self._response_ids.add(identity)
