"""Frames that wait until a client reads. Opens nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

# Shorter frames are counted for every connection that waits for them, which costs no entry in a table.
_SHARED_FROM: Final = 1024

# What a frame takes besides its octets, about: the head of a `bytes` object, and the place in a queue.
_FRAME_BYTES: Final = 48


class HeldFrames:
    """Counts what the outboxes of one server hold together; a frame that several of them hold counts once.

    Attributes:
        octets: What the frames take, about.
    """

    def __init__(self) -> None:
        self.octets = 0
        self._holders: dict[int, int] = {}

    def hold(self, frame: bytes) -> None:
        """Count a frame; call `let_go` once for each call."""
        size = len(frame)
        if size >= _SHARED_FROM:
            holders = self._holders.get(id(frame), 0)
            self._holders[id(frame)] = holders + 1
            if holders:
                return
        self.octets += size + _FRAME_BYTES

    def let_go(self, frame: bytes) -> None:
        """Count a frame no longer, before the last reference to it is dropped."""
        size = len(frame)
        if size >= _SHARED_FROM:
            holders = self._holders.pop(id(frame)) - 1
            if holders:
                self._holders[id(frame)] = holders
                return
        self.octets -= size + _FRAME_BYTES


class Outbox:
    """The frames that one connection cannot send yet, in their order.

    Attributes:
        octets: How many octets they have that were not taken.
    """

    def __init__(self, held: HeldFrames) -> None:
        self.octets = 0
        self._held = held
        self._frames: deque[bytes] = deque()
        self._taken = 0  # octets of the first frame

    def extend(self, frames: Iterable[bytes]) -> None:
        """Add frames at the end."""
        for frame in frames:
            self._held.hold(frame)
            self._frames.append(frame)
            self.octets += len(frame)

    def take(self, most: int) -> bytes | memoryview:
        """Take the next octets, at most this many: a part of a frame, or whole frames."""
        frames = self._frames
        if not frames or not most:
            return b""
        first = frames[0]
        rest = len(first) - self._taken
        if self._taken or rest > most:
            part = memoryview(first)[self._taken : self._taken + most]
            self.octets -= len(part)
            self._taken += len(part)
            if self._taken == len(first):
                self._taken = 0
                self._held.let_go(frames.popleft())
            return part
        whole = []
        while frames and (most := most - len(frames[0])) >= 0:
            self._held.let_go(frames[0])
            whole.append(frames.popleft())
        data = b"".join(whole)
        self.octets -= len(data)
        return data

    def drop(self) -> None:
        """Forget every frame, except one that was begun: what follows it would be no frame otherwise."""
        begun = self._frames.popleft() if self._taken else None
        while self._frames:
            self._held.let_go(self._frames.pop())
        self.octets = 0
        if begun is not None:
            self._frames.append(begun)
            self.octets = len(begun) - self._taken

    def clear(self) -> None:
        """Forget everything."""
        self._taken = 0
        self.drop()
