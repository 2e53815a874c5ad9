"""Mistakes about what waits for a reader that is slow."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from mutation import around, mutant
from patches import session_of

from reference_server.broker import Broker
from reference_server.network.session import Session
from reference_server.protocol.connection import Connection
from reference_server.protocol.errors import ErrorCode
from reference_server.protocol.outbox import Outbox

SHORT = 1024
"""Octets of a frame that some mutants send first."""


def _put_first(outbox: Outbox, frames: Iterable[bytes]) -> None:
    """Put frames in front of what waits, but not into the middle of a frame."""
    begun = outbox._frames.popleft() if outbox._taken else None
    for frame in frames:
        outbox._held.hold(frame)
        outbox._frames.appendleft(frame)
        outbox.octets += len(frame)
    if begun is not None:
        outbox._frames.appendleft(begun)


def _read_on() -> None:
    """Go on reading from a client for which something waits, so that it can send something meanwhile."""

    @around(Session, "_balance_reading")
    def balance(original: Any, self: Session) -> None:
        original(self)
        if self._reading_paused and not self._connection.is_behind and not self._waits_for_turn:
            self._reading_paused = False
            self._transport.resume_reading()


@mutant("SUB-014/overtaken")
def overtaken() -> None:
    """New frames overtake those that wait for a slow reader."""

    @around(Outbox, "extend")
    def extend(original: Any, self: Outbox, frames: Iterable[bytes]) -> None:
        if self._frames:
            _put_first(self, list(frames))
        else:
            original(self, frames)


@mutant("SUB-014/same-turn")
def same_turn() -> None:
    """What is sent when a slow client has just read something overtakes the rest of what waits for it."""

    @around(Connection, "data_to_send")
    def data_to_send(original: Any, self: Connection, held: int, most: int = sys.maxsize) -> Any:
        data = b"".join(self._outbox)
        if data and self.unsent.octets and not self.unsent._taken and len(data) <= most:
            self._outbox.clear()
            return data
        return original(self, held, most)


@mutant("SUB-014/short-ones-first")
def short_ones_first() -> None:
    """Short frames overtake long ones that wait for a slow reader."""

    @around(Outbox, "extend")
    def extend(original: Any, self: Outbox, frames: Iterable[bytes]) -> None:
        frames = list(frames)
        if self._frames:
            _put_first(self, [frame for frame in frames if len(frame) < SHORT])
            frames = [frame for frame in frames if len(frame) >= SHORT]
        original(self, frames)


@mutant("SUB-016/pongs-first")
def pongs_first() -> None:
    """Pongs overtake what waits for a slow reader."""
    _read_on()

    @around(Outbox, "extend")
    def extend(original: Any, self: Outbox, frames: Iterable[bytes]) -> None:
        frames = list(frames)
        _put_first(self, [frame for frame in frames if b'"pong"' in frame])
        original(self, [frame for frame in frames if b'"pong"' not in frame])


@mutant("SUB-014/swapped")
def swapped() -> None:
    """Two writers race: now and then, two frames that wait for a slow reader change places."""
    count = 0

    @around(Outbox, "extend")
    def extend(original: Any, self: Outbox, frames: Iterable[bytes]) -> None:
        nonlocal count
        original(self, frames)
        count += 1
        if count % 50 == 0 and len(self._frames) > 2:
            last, before = self._frames.pop(), self._frames.pop()
            self._frames += (last, before)


@mutant("SUB-010/oldest-dropped")
def oldest_dropped() -> None:
    """A slow reader keeps the newest five hundred frames that wait for it."""

    @around(Outbox, "extend")
    def extend(original: Any, self: Outbox, frames: Iterable[bytes]) -> None:
        original(self, frames)
        begun = self._frames.popleft() if self._taken else None
        while len(self._frames) > 500:
            dropped = self._frames.popleft()
            self.octets -= len(dropped)
            self._held.let_go(dropped)
        if begun is not None:
            self._frames.appendleft(begun)


@mutant("SUB-010/newest-dropped")
def newest_dropped() -> None:
    """Behind five hundred frames that wait for a slow reader, further ones are dropped."""

    @around(Outbox, "extend")
    def extend(original: Any, self: Outbox, frames: Iterable[bytes]) -> None:
        original(self, list(frames)[: max(0, 500 - len(self._frames))])


@mutant("SUB-010/twice")
def sent_twice() -> None:
    """When a slow reader reads again, the first whole frame that waits is sent twice."""

    @around(Session, "resume_writing")
    def resume(original: Any, self: Session) -> None:
        outbox = self._connection.unsent
        if outbox._frames and not outbox._taken:
            _put_first(outbox, [outbox._frames[0]])
        original(self)


@mutant("SUB-010/purged")
def purged() -> None:
    """An unsubscribe drops what of the channel waits for a slow reader."""
    _read_on()

    @around(Broker, "unsubscribe")
    def unsubscribe(original: Any, self: Broker, connection: Connection, channel_id: str) -> None:
        original(self, connection, channel_id)
        outbox, name = connection.unsent, channel_id.encode()
        begun = outbox._frames.popleft() if outbox._taken else None
        kept = [frame for frame in outbox._frames if name not in frame]
        for frame in outbox._frames:
            if name in frame:
                outbox.octets -= len(frame)
                outbox._held.let_go(frame)
        outbox._frames.clear()
        outbox._frames.extend([*([begun] if begun is not None else ()), *kept])


@mutant("SUB-012/torn")
def torn() -> None:
    """When a slow reader reads again, the rest of a frame is sent from its beginning."""

    @around(Session, "resume_writing")
    def resume(original: Any, self: Session) -> None:
        outbox = self._connection.unsent
        outbox.octets += outbox._taken
        outbox._taken = 0
        original(self)


@mutant("ERR-006/shutdown")
def shutdown_overtakes() -> None:
    """The error `shutting_down` overtakes what waits for a slow reader, which is then sent behind it."""
    _error_overtakes(ErrorCode.SHUTTING_DOWN)


@mutant("ERR-006/replaced")
def replaced_overtakes() -> None:
    """The error `session_replaced` overtakes what waits for a slow reader, which is then sent behind it."""
    _error_overtakes(ErrorCode.SESSION_REPLACED)


@mutant("ERR-006/malformed")
def malformed_overtakes() -> None:
    """The error `malformed_frame` overtakes what waits for a slow reader, which is then sent behind it."""
    _read_on()
    _error_overtakes(ErrorCode.MALFORMED_FRAME)


def _error_overtakes(which: ErrorCode) -> None:
    @around(Connection, "fail")
    def fail(original: Any, self: Connection, code: ErrorCode, *arguments: Any) -> None:
        before = len(self._outbox)
        original(self, code, *arguments)
        if code is which and self.unsent._frames and len(self._outbox) > before:
            _put_first(self.unsent, [self._outbox.pop()])
            session_of(self).output_ready()
