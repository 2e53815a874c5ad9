"""A kit connection for load tests: it sends frames from a pool and only counts the answers."""

from __future__ import annotations

import socket
import time

from conformance.bench.frame_pool import FrameCounter, FramePool
from conformance.core.trace import Trace
from conformance.core.verdicts import TargetError, Violation
from conformance.peers.client import ClientPeer
from conformance.protocol import codec
from conformance.protocol.codec import Message
from conformance.protocol.responder import RESPONDER_APP
from conformance.transport.address import Address

ECHO = "conformance.echo"
TEXT = "text"
PATIENCE_SECONDS = 10.0
"""How long a server may be silent while answers are missing."""


class LoadConnection(ClientPeer):
    """One connection of the load generator.

    Exchanges and loads alternate: each begins after all answers have arrived.

    Args:
        name: unique in the run; also the ``connection_id``.
        address: where the server listens.

    Raises:
        TargetError: the server does not accept connections.
    """

    def __init__(self, name: str, address: Address) -> None:
        super().__init__(name, address, Trace(), PATIENCE_SECONDS)
        self.app_id, self.connection_id = RESPONDER_APP, name
        self._counter = FrameCounter()
        self._pool: FramePool
        self._unsent = 0  # octets

    def fileno(self) -> int:
        """Return the socket's file descriptor, for a selector."""
        return self._socket.fileno()

    # -- exchanges, checked in full --------------------------------------------------------------------------------

    def echo_message(self) -> Message:
        """Return a request to the echo handler, with the payload size of all loads."""
        return self.request_message(ECHO, {"text": TEXT})

    def check_echo(self) -> None:
        """Send one request to the echo handler and check its response in full.

        Raises:
            Violation: it is not the response, or has another payload.
        """
        request = self.echo_message()
        self.send(request)
        self.expect_payload(request, request["payload"], f"{ECHO} did not answer with the payload")

    def enqueue_message(self, queue: str) -> Message:
        """Return a request to enqueue a job that has the id of the request (QUE-004)."""
        message = self.message("request", "queue_manager")
        job = {"id": message["message_id"], "type": TEXT, "data": {"text": TEXT}}
        return message | {"payload": {"action": "enqueue", "queue": queue, "job": job}}

    def check_enqueue(self, queue: str) -> None:
        """Enqueue one job and check the response in full.

        Raises:
            Violation: the server did not enqueue it.
        """
        request = self.enqueue_message(queue)
        self.send(request)
        self.expect_payload(request, {"status": "ok", "job_id": request["message_id"]}, "a job was not enqueued")

    def check_raw_echo(self) -> None:
        """Send one frame and check that the same frame comes back.

        Raises:
            Violation: something else arrived, or nothing.
        """
        body = codec.encode(self.echo_message())
        self.send_body(body)
        if self._receive_body(time.monotonic() + self.patience) != body:
            raise Violation("a raw subject did not send the frame back")

    # -- loads -----------------------------------------------------------------------------------------------------

    def fill_from(self, message: Message) -> None:
        """Create the frames that :meth:`allow` sends."""
        self._pool = FramePool(message)

    def allow(self, frames: int) -> None:
        """Send this many more frames, as far as the socket accepts them now.

        A later call sends the rest. There is a call whenever something arrives, and something will: the socket accepts
        at least one frame, which is answered.

        Raises:
            TargetError: the connection broke.
        """
        self._unsent += frames * self._pool.frame_octets
        while self._unsent:
            try:
                sent = self._socket.send(self._pool.upcoming(self._unsent))
            except BlockingIOError:
                return
            except OSError as error:
                raise TargetError(f"the connection broke under load: {error}") from error
            self._pool.advance(sent)
            self._unsent -= sent

    def count_arrived(self, inbox: bytearray) -> int:
        """Read once and return the number of frames that ended.

        Args:
            inbox: the buffer; its size is the limit of one read.

        Raises:
            TargetError: the server ended the connection.
        """
        assert isinstance(self._socket, socket.socket)  # noqa: S101 - for the type checker; loads do not use TLS
        try:
            length = self._socket.recv_into(inbox)
        except OSError as error:
            raise TargetError(f"the connection broke under load: {error}") from error
        if not length:
            raise TargetError("the server ended a connection under load")
        return self._counter.count(inbox, length)
