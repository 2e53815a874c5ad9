"""One connection, without its socket: octets in, events and octets out.

Feed `receive_data` and `receive_eof`, handle every event of `events` before taking the next one, and send what
`data_to_send` returns. The order of what goes out is then the order the specification wants (SUB-015, SUB-016).
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol

from reference_server.protocol.capabilities import SYSTEM, Capabilities
from reference_server.protocol.errors import ErrorCode, HttpRequestError, UnsendableError, WireError, error_payload
from reference_server.protocol.events import (
    ActionReceived,
    ConnectReceived,
    Event,
    ProfileRequestReceived,
    RequestReceived,
)
from reference_server.protocol.frames import HEADER, HTTP_HINT, FrameDecoder
from reference_server.protocol.limits import Limits
from reference_server.protocol.messages import MessageIds, ServerMessage, decode_message, encode_message
from reference_server.protocol.outbox import HeldFrames, Outbox
from reference_server.protocol.schemas import validator
from reference_server.protocol.states import State, Step, next_state
from reference_server.protocol.validation import read_connect, read_message
from reference_server.version import PROTOCOL

_MESSAGE_ID: Final = validator("common#/$defs/message_id")
_CHANNEL_ID: Final = validator("common#/$defs/channel_id")


class Watcher(Protocol):
    """The owner of a connection and its transport."""

    def output_ready(self) -> None:
        """Take note that `data_to_send` has something; called when it had nothing before."""

    def state_changed(self, before: State) -> None:
        """Take note that the connection left a state."""

    def may_decode(self, frame: bytes) -> bool:
        """Return whether there is memory for decoding a long frame."""


class _Nobody:
    """The watcher of a connection that was released."""

    def output_ready(self) -> None:
        pass

    def state_changed(self, before: State) -> None:
        pass

    def may_decode(self, _frame: bytes) -> bool:
        return True


_NOBODY: Final = _Nobody()

# To read a member of an enumeration takes longer than to read a global name.
_AWAITING_CONNECT: Final = State.AWAITING_CONNECT
_OPEN: Final = State.OPEN
_DRAINING: Final = State.DRAINING
_CLOSING: Final = State.CLOSING
_CLOSED: Final = State.CLOSED

# The owner is asked before a longer frame is decoded.
LONG_FRAME: Final = 64 * 1024

# The clock is looked at after so many frames, and after one that is longer than this.
_LOOK_FRAMES: Final = 8
_LOOK_OCTETS: Final = 2048


class Connection:
    """The server's side of one connection.

    Attributes:
        state: Where the connection stands.
        app_id: Its application, or `system` while it has none (ERR-004).
        connection_id: Its name inside the application, empty before the handshake.
        owed: How many requests are not answered yet.
        failure: The fatal error that ended the connection, if one did.
        unsent: What waits because `data_to_send` was asked for less.
        is_behind: Whether the last iteration over `events` ended before all whole frames were read.
        unfinished: The length of the frame that has begun to arrive, 0 before its header is complete; after `events`.
    """

    def __init__(
        self, limits: Limits, watcher: Watcher, capabilities: Capabilities, held: HeldFrames | None = None
    ) -> None:
        self.state = _AWAITING_CONNECT
        self.app_id = SYSTEM
        self.connection_id = ""
        self.owed = 0
        self.failure: ErrorCode | None = None
        self.is_behind = False
        self.unfinished = 0
        self._limits = limits
        self._capabilities = capabilities
        self._readers = capabilities.readers
        self._watcher = watcher
        self._frames = FrameDecoder(limits.max_frame_bytes)
        self._ids = MessageIds()
        self._outbox: list[bytes] = []  # since the last call of `data_to_send`
        self.unsent = Outbox(held or HeldFrames())
        self._undecoded: bytes | None = None
        self._peer_ended = False

    # What comes from the peer

    def receive_data(self, data: bytes) -> None:
        """Take octets from the peer; iterate over `events` next. What a closing connection receives is discarded."""
        if self.state is _OPEN or self.state is _AWAITING_CONNECT:
            self._frames.receive_data(data)

    def receive_eof(self) -> None:
        """Take the end of the peer's stream, after every event of what came before it was handled."""
        self._peer_ended = True
        if self.state is not _CLOSED:
            self._take(Step.PEER_ENDED)
        self._end_when_all_answered()

    def transport_lost(self) -> None:
        """Take note that nothing can be sent or received any more."""
        if self.state is not _CLOSED:
            self._take(Step.TRANSPORT_LOST)

    def release(self) -> None:
        """Forget the watcher and all octets; call it last, after `transport_lost`.

        The watcher and the connection refer to each other. Without this, only a garbage collection would free them.
        """
        self._watcher = _NOBODY
        self.discard_output()

    def discard_output(self) -> None:
        """Forget all octets that wait to be sent; call it when nothing more is sent."""
        self._outbox.clear()
        self.unsent.clear()

    @property
    def waits_for_memory(self) -> bool:
        """Whether the watcher refused to have a frame decoded; iterate over `events` again when it no longer does."""
        return self._undecoded is not None

    @property
    def ready(self) -> int:
        """How many octets wait for `events`, 0 if they are known to be only the beginning of a frame."""
        return self._frames.ready

    def linger_over(self) -> None:
        """Take note that a closing connection was given the time it gets (ERR-009)."""
        if self.state is _CLOSING:
            self._take(Step.LINGER_OVER)

    def drain_over(self) -> None:
        """Stop owing answers to a client that ended its sending side: their handlers took too long (LIM-011)."""
        if self.state is _DRAINING:
            self.owed = 0
            self._end_when_all_answered()

    def events(self, most: int = sys.maxsize, until: float = math.inf) -> Iterator[Event]:
        """Yield the events in the octets received so far.

        Every breach of a rule is answered on the way, and so is every request on the channel `system`. After a fatal
        error nothing is processed (ERR-007), before it everything (ERR-008).

        Args:
            most: How many frames are read, at most; if `is_behind` is true then, iterate again.
            until: A time of `time.perf_counter` after which no frame is read; looked at after some frames.
        """
        self.is_behind = False
        self.unfinished = 0
        read = 0
        look = min(most, _LOOK_FRAMES)  # after so many frames, at the clock
        while self.state is _OPEN or self.state is _AWAITING_CONNECT:
            if read == look:
                if read == most or time.perf_counter() > until:
                    self.is_behind = True
                    return
                look = min(most, read + _LOOK_FRAMES)
            read += 1
            try:
                frame = self._undecoded or self._frames.next_frame()
                if frame is None:
                    self.unfinished = self._frames.unfinished
                    return
                size = len(frame)
                look = read if size > _LOOK_OCTETS else look
                if size > LONG_FRAME and not self._may_decode(frame):
                    self.is_behind = True
                    return
                event = self._read(frame)
            except WireError as error:
                self._report(error)
                continue
            except HttpRequestError:
                self.deliver(HTTP_HINT)
                self._take(Step.HTTP_DETECTED)
                return
            if type(event) is ActionReceived:
                self._answer_action(event)
            elif event is not None:
                self.owed += isinstance(event, RequestReceived)
                yield event

    # What goes to the peer

    def accept(self, event: ConnectReceived) -> None:
        """Answer a connect message with the acknowledgement (HSK-004 to HSK-007)."""
        self.app_id = event.app_id
        self.connection_id = event.connection_id
        acknowledgement = {
            "status": "connected",
            "connection_id": event.connection_id,
            "protocol": PROTOCOL,
            "profiles": self._capabilities.announced_profiles,
            "limits": self._limits.announced(),
            **self._capabilities.acknowledged,
        }
        self._respond(acknowledgement, SYSTEM, reply_to=None)
        self._take(Step.CONNECT_ACCEPTED)

    def answer(self, request: RequestReceived, payload: object) -> None:
        """Answer a request; without effect when the connection has ended meanwhile (HSK-022).

        Raises:
            UnsendableError: The payload has no JSON form or is too long; `refuse` the request instead.
        """
        if self.state is _OPEN or self.state is _DRAINING:
            self._respond(payload, request.channel_id, request.message_id)
            self._settle()

    def refuse(self, request: RequestReceived, code: ErrorCode, detail: str) -> None:
        """Answer a request with an error that is not fatal; like `answer` otherwise."""
        if self.state is _OPEN or self.state is _DRAINING:
            self._queue_error(code, detail, {"message_id": request.message_id, "channel_id": request.channel_id})
            self._settle()

    def deliver(self, frame: bytes) -> None:
        """Send a whole frame, from this connection or from another one, after the frames that wait already."""
        if not self._outbox:
            self._watcher.output_ready()
        self._outbox.append(frame)

    def fail(self, code: ErrorCode, detail: str = "", about: Mapping[str, Any] | None = None) -> None:
        """End the connection with a fatal error; without effect when it is ending already (ERR-006)."""
        if self.state is _CLOSING or self.state is _CLOSED:
            return
        self.failure = code
        self._queue_error(code, detail or code.explanation, about or {})
        self._take(Step.FATAL_ERROR)

    def drop(self) -> None:
        """End the connection without a word, because a handler wants it."""
        if self.state is _OPEN or self.state is _DRAINING:
            self._take(Step.HANDLER_CLOSED)

    def data_to_send(self, held: int, most: int = sys.maxsize) -> bytes | memoryview:
        """Return the next octets to send, and forget them.

        Output that would exceed `max_outbound_bytes` is replaced by the fatal error `slow_consumer` (LIM-005).

        Args:
            held: How many octets returned earlier the transport still holds.
            most: How many octets to return, at most; `unsent` is the number of the others.
        """
        outbox, unsent = self._outbox, self.unsent
        if outbox:
            limit = self._limits.max_outbound_bytes
            if not unsent.octets:
                data = b"".join(outbox)
                if len(data) <= most and held + len(data) <= limit:
                    outbox.clear()
                    return data
            if not held:
                limit += HEADER.size  # which the operating system takes at once, so the longest frame fits
            if held + unsent.octets + sum(map(len, outbox)) > limit and self.state is not _CLOSING:
                outbox.clear()
                self.end_slow_consumer()
                return self.data_to_send(held, most)
            unsent.extend(outbox)
            outbox.clear()
        return unsent.take(most) if unsent.octets else b""

    def end_slow_consumer(self) -> None:
        """End the connection with the error `slow_consumer` in the place of the frames that wait (LIM-016)."""
        self.unsent.drop()
        self.fail(ErrorCode.SLOW_CONSUMER)

    # States

    def _take(self, step: Step) -> None:
        before = self.state
        self.state = next_state(before, step)
        if self.state is not _OPEN and self.state is not _AWAITING_CONNECT:
            self._discard_input()
        self._watcher.state_changed(before)
        if self.state is _CLOSING and self._peer_ended:
            self._take(Step.PEER_ENDED)

    def _discard_input(self) -> None:
        """Forget what was received and not read: it takes memory, and the connection reads no more."""
        self._frames = FrameDecoder(self._limits.max_frame_bytes)
        self._undecoded = None

    def _settle(self) -> None:
        self.owed -= 1
        if self.state is _DRAINING:
            self._end_when_all_answered()

    def _end_when_all_answered(self) -> None:
        if self.state is _DRAINING and not self.owed:
            self._take(Step.ANSWERS_DONE)

    # Inside

    def _read(self, frame: bytes) -> Event | None:
        message = decode_message(frame, self._limits.max_depth)
        if self.state is _AWAITING_CONNECT:
            return read_connect(message, self._capabilities)
        event = read_message(message, frame, self.app_id, self.connection_id, self._capabilities)
        if self._readers and type(event) is RequestReceived:
            for reader in self._readers:
                content = reader.read(message)
                if content is not None:
                    return ProfileRequestReceived(
                        event.channel_id,
                        event.message_id,
                        event.payload,
                        event.size,
                        content,
                        reader.at_a_time(content),
                        reader.answer,
                    )
        return event

    def _may_decode(self, frame: bytes) -> bool:
        if self._watcher.may_decode(frame):
            self._undecoded = None
            return True
        self._undecoded = frame
        return False

    def _answer_action(self, event: ActionReceived) -> None:
        try:
            self._respond(event.answer, SYSTEM, event.message_id)
        except UnsendableError as error:  # such as a list of very many services
            about = {"message_id": event.message_id, "channel_id": SYSTEM}
            self._queue_error(ErrorCode.HANDLER_FAILED, str(error), about)

    def _report(self, error: WireError) -> None:
        if error.code.fatal:
            self.fail(error.code, str(error), error.about)
        else:
            self._queue_error(error.code, str(error), error.about)

    def _queue_error(self, code: ErrorCode, detail: str, about: Mapping[str, Any]) -> None:
        reply_to, channel_id = about.get("message_id"), about.get("channel_id")
        if not _MESSAGE_ID.is_valid(reply_to):
            reply_to = None
        if reply_to is None or not _CHANNEL_ID.is_valid(channel_id):
            channel_id = SYSTEM
        self._respond(error_payload(code, detail), str(channel_id), reply_to)

    def _respond(self, payload: object, channel_id: str, reply_to: str | None) -> None:
        message_id = self._ids.next(unlike=reply_to)
        message = ServerMessage(message_id, self.app_id, channel_id, "response", payload, time.time(), reply_to)
        self.deliver(encode_message(message, self._limits.max_frame_bytes))
