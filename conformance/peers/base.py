"""One connection of the kit, opened by either side: sends and receives octets and messages, and traces all of them.

Every operation has a deadline. If the other side ended the connection, a stream raises only when the case asks for data
that can no longer arrive.
"""

from __future__ import annotations

import selectors
import socket
import struct
import time

from conformance.core.trace import CONNECTED, ENDS_SENDING, RESETS, Trace
from conformance.core.verdicts import Late, Violation
from conformance.peers.frame_checks import FrameChecks
from conformance.protocol import codec
from conformance.protocol.codec import Message
from conformance.transport.segmentation import PAUSE_SECONDS, PAUSES, Segmenter
from conformance.transport.tls import TlsSocket

READ_BYTES = 262_144
QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
"""The option of Linux that acknowledges received octets at once; elsewhere there is none."""
Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)
"""For one connection at a time, a selector that needs a descriptor of its own, as epoll does, only costs time."""


class Ended(Violation):
    """The other side ended the connection while the case waited for something else."""


class FramedConnection:
    """A connection to the target.

    Args:
        label: the letter of the connection in the trace.
        connected: the socket, which the stream closes.
        trace: records everything.
        checks: checks every frame of the other side.
        patience: seconds to wait for any action of the other side.
        segmenter: splits the writes of the case; None leaves them unchanged.
    """

    VERB = "answer"
    """What the other side must do, for the failure message."""

    def __init__(  # noqa: PLR0917 - what every connection needs
        self,
        label: str,
        connected: socket.socket | TlsSocket,
        trace: Trace,
        checks: FrameChecks,
        patience: float,
        segmenter: Segmenter | None = None,
    ) -> None:
        self.label = label
        self.patience = patience
        self.checks = checks
        self._trace = trace
        self._segmenter = segmenter or Segmenter()
        self._segmenter.settle()
        self._held = bytearray()
        self._buffer = bytearray()
        self._ended: str | None = None
        self._unwritable = False
        self._socket = connected
        self._socket.setblocking(False)
        self._selector = Selector()
        self._awaited = selectors.EVENT_READ
        self._selector.register(self._socket, self._awaited)
        self._acknowledges_at_once = True
        trace.event(label, CONNECTED)

    # -- sending ---------------------------------------------------------------------------------------------------

    def send_octets(self, data: bytes) -> None:
        """Write octets, and read at the same time so that neither side can block the other.

        If the other side ended the connection, the remaining octets are dropped; the trace shows this.

        Raises:
            Violation: the other side neither read nor ended the connection for ``patience`` seconds.
        """
        if self._segmenter.merges:
            self._segmenter.hold(self._flush)
            self._held += data
        else:
            self._write(data)

    def _flush(self) -> None:
        held = bytes(self._held)
        self._held.clear()
        self._write(self._accompanied(held))

    def _accompanied(self, held: bytes) -> bytes:
        """Return held octets, with the frames that join them in one segment."""
        return held

    def _write(self, data: bytes) -> None:
        self._trace.octets(self.label, "sent", data)
        pieces = self._segmenter.pieces(data)
        if len(pieces) > 1:
            self._trace.event(self.label, f"sent in {len(pieces)} pieces")
        for number, piece in enumerate(pieces):
            if 0 < number <= PAUSES:
                time.sleep(PAUSE_SECONDS)
            self._write_piece(piece)

    def _write_piece(self, piece: bytes) -> None:
        rest = memoryview(piece)
        deadline = time.monotonic() + self.patience
        while rest and not self._unwritable:
            ready = self._wait(selectors.EVENT_READ | selectors.EVENT_WRITE, deadline)
            if not ready:
                raise Late(f"{self.checks.side} stopped reading", expected="what is sent is read")
            if ready & selectors.EVENT_READ and self._ended is None:
                self._read_once()
            if ready & selectors.EVENT_WRITE:
                rest = rest[self._write_once(rest) :]
                deadline = time.monotonic() + self.patience

    def send_without_reading(self, data: bytes, stall_seconds: float) -> int:
        """Write octets without reading, until all are accepted or none was accepted for ``stall_seconds``.

        Returns:
            how many octets the other side, or the systems between, have accepted.
        """
        self._segmenter.settle()
        self._trace.event(self.label, f"sends up to {len(data)} octets without reading")
        taken = 0
        while taken < len(data) and not self._unwritable:
            if not self._wait(selectors.EVENT_WRITE, time.monotonic() + stall_seconds):
                break
            taken += self._write_once(memoryview(data)[taken:])
        self._trace.event(self.label, f"{taken} octets were taken")
        return taken

    def send_body(self, body: bytes) -> None:
        """Send ``body`` as one frame, valid or not."""
        self.send_octets(codec.frame(body))

    def send(self, *messages: Message) -> None:
        """Send messages, each as one frame, all in one write."""
        self.send_octets(b"".join(codec.frame(codec.encode(message)) for message in messages))

    def end_sending(self) -> None:
        """End the sending side of the connection (FIN) and keep reading."""
        self._segmenter.settle()
        self._trace.event(self.label, ENDS_SENDING)
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            self._note_end(f"reset ({error})")

    def reset(self) -> None:
        """Drop the connection with a reset (RST)."""
        self._segmenter.settle()
        self._trace.event(self.label, RESETS)
        self.discard()

    def discard(self) -> None:
        """Drop the connection without a trace entry, after a case; safe to call again.

        This sends a reset, not an end of stream, so that a server does not wait for handlers of unwanted answers.
        """
        if self._socket.fileno() < 0:
            return
        self._segmenter.settle()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def close(self) -> None:
        """Close the socket; safe to call again."""
        self._segmenter.settle()
        self._socket.close()

    # -- receiving -------------------------------------------------------------------------------------------------

    def receive(self, wanted: str = "a frame") -> Message:
        """Return the next message, checked against the rules for every frame of the other side.

        Args:
            wanted: what the case waits for, for the failure message.

        Raises:
            Ended: the stream ended instead.
            Violation: nothing arrived in time, or the frame breaks a rule of FRM, ENC, ENV or LIM.
        """
        try:
            return self._check(self._receive_body(time.monotonic() + self.patience))
        except Violation as violation:
            violation.expected = violation.expected or wanted
            violation.awaited = violation.awaited or wanted.partition(" to ")[0]
            raise

    def receive_until_end(self) -> list[Message]:
        """Return every message up to the end of the stream.

        Raises:
            Violation: the other side did not end the stream in time.
        """
        messages = []
        while True:
            try:
                messages.append(self.receive())
            except Ended:
                return messages

    def expect_end(self) -> None:
        """Wait for the other side to close the connection, orderly or not.

        Raises:
            Violation: it sent a frame, or did not close in time.
        """
        rest = self.receive_until_end()
        if rest:
            raise Violation(
                f"{self.checks.side} sent something on a connection that it had to close",
                expected="the end of the stream",
                received=codec.shorten(rest[0]),
            )

    def receive_octets_until_end(self, limit: int = 65_536) -> bytes:
        """Return the remaining octets of the stream, up to its end or ``limit`` octets.

        Raises:
            Violation: the other side did not end the stream in time.
        """
        deadline = time.monotonic() + self.patience
        while self._ended is None and len(self._buffer) < limit:
            if not self._wait(selectors.EVENT_READ, deadline):
                raise Late(f"{self.checks.side} did not close the connection", expected="the end of the stream")
            self._read_once()
        data = bytes(self._buffer)
        self._buffer.clear()
        self._trace.octets(self.label, "received", data)
        return data

    def has_arrived(self, seconds: float = 0.0) -> bool:
        """Return true if there is anything to receive, or comes within ``seconds``."""
        if self._ended is None and not self._buffer and self._wait(selectors.EVENT_READ, time.monotonic() + seconds):
            self._read_once()
        return bool(self._buffer)

    def read_ahead(self) -> None:
        """Read what has arrived, without waiting, so that the other side can send more; a case receives it later."""
        while self._socket.fileno() >= 0 and self._ended is None and self._wait(selectors.EVENT_READ, 0.0):
            self._read_once()

    @property
    def is_over(self) -> bool:
        """True if the end of the stream has arrived."""
        return self._ended is not None

    @property
    def was_reset(self) -> bool:
        """True if the other side, or its system, refused octets or reset the connection."""
        return self._unwritable

    # -- inside ----------------------------------------------------------------------------------------------------

    def _receive_body(self, deadline: float) -> bytes:
        self._need(codec.HEADER_BYTES, deadline)
        length = self.checks.length(bytes(self._buffer[:64]))
        self._need(codec.HEADER_BYTES + length, deadline)
        whole = bytes(self._buffer[: codec.HEADER_BYTES + length])
        del self._buffer[: len(whole)]
        self._trace.octets(self.label, "received", whole)
        return whole[codec.HEADER_BYTES :]

    def _check(self, body: bytes) -> Message:
        message = self.checks.message(body)
        self._note_message()
        for problem in self.checks.problems(message):
            raise problem
        return message

    def _note_message(self) -> None:
        """Handle the arrival of a body with a JSON object."""

    def _need(self, octets: int, deadline: float) -> None:
        while len(self._buffer) < octets:
            if self._ended is not None:
                raise Ended(f"{self.checks.side} ended the connection ({self._ended})")
            self._acknowledge_at_once()
            if not self._wait(selectors.EVENT_READ, deadline):
                self._trace.event(self.label, f"nothing came for {self.patience:g} s")
                raise Late(f"{self.checks.side} did not {self.VERB} in time", received="nothing")
            self._read_once()

    def delay_acknowledgements(self) -> None:
        """Let TCP delay its acknowledgements, as most programs do.

        By default they go out at once. Else a side that writes header and body separately, without TCP_NODELAY, takes
        40 ms for each frame; one case is enough to show that.
        """
        self._acknowledge_at_once(0)
        self._acknowledges_at_once = False

    def _acknowledge_at_once(self, value: int = 1) -> None:
        """Have what arrives acknowledged at once, until the system forgets it."""
        if self._acknowledges_at_once and QUICKACK is not None:
            try:
                self._socket.setsockopt(socket.IPPROTO_TCP, QUICKACK, value)
            except OSError:  # a unix socket
                self._acknowledges_at_once = False

    def _wait(self, events: int, deadline: float) -> int:
        self._segmenter.settle()
        if self._ended is not None:
            events &= ~selectors.EVENT_READ
        if self._socket.fileno() < 0:
            raise ValueError("the case waits for a connection that it closed")  # whose descriptor another may have now
        if events != self._awaited:
            self._selector.modify(self._socket, events)
            self._awaited = events
        ready = self._selector.select(max(0.0, deadline - time.monotonic()))
        return ready[0][1] if ready else 0

    def _read_once(self) -> None:
        try:
            data = self._socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._note_end(f"reset ({error.strerror or error})")
            return
        if data:
            self._buffer += data
        else:
            self._note_end("end of stream")

    def _write_once(self, data: memoryview) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            self._note_end(f"reset while sending ({error.strerror or error})", write=True)
            return 0

    def _note_end(self, how: str, *, write: bool = False) -> None:
        self._trace.event(self.label, how)
        if write:
            self._drain()
        if self._ended is None:
            self._ended = how
        self._unwritable = self._unwritable or how != "end of stream"

    def _drain(self) -> None:
        """Read the octets that arrived before the other side stopped accepting ours; they may have an error answer."""
        try:
            while data := self._socket.recv(READ_BYTES):
                self._buffer += data
        except OSError:
            pass
