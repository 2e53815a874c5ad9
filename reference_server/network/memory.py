"""What all connections of a server hold together, and who has to wait or to go when that is too much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from reference_server.protocol.limits import MIB, Limits
from reference_server.protocol.outbox import HeldFrames

# What the process takes before the first connection, with room for what Python does not give back at once.
BASE_BYTES: Final = 64 * MIB

# What a connection takes besides what is counted here: its objects, an unfinished short frame, handlers of short ones.
CONNECTION_BYTES: Final = 96 * 1024

# What TLS takes in addition: OpenSSL's records of 16 KiB in both directions, and a part of one that has arrived.
TLS_BYTES: Final = 64 * 1024

# What a transport holds of a connection whose client does not read, at most about.
TRANSPORT_BYTES: Final = 192 * 1024

# A frame is copied while it is cut out of the stream and decoded.
_COPIES: Final = 3


class Holder(Protocol):
    """A connection, as this module sees it.

    Attributes:
        address: Whose it is; None for nobody in particular.
    """

    address: str | None

    def memory_freed(self) -> None:
        """Go on with what had to wait."""

    def unsent(self) -> int:
        """Return how many octets wait for the client, without those in the transport."""

    def end_slow(self) -> None:
        """Let go of what waits for the client, and end."""


class Memory:
    """Keeps the server under `max_memory`.

    Three things are counted. Long frames that are arriving *claim* their length before they are read. Messages in
    handlers are counted with what their values take. What waits for clients that do not read is counted once for all
    of them. When that is too much, long frames wait in the buffers of the operating system, or undecoded, until
    others are done; and the clients for which most waits are ended. Short messages never wait.

    Args:
        limits: What the server allows.
        connection_bytes: What a connection takes besides what is counted here.
        freed: Called with about how many octets were freed, except those of short messages.

    Attributes:
        held: What waits for clients.
    """

    def __init__(
        self,
        limits: Limits,
        connection_bytes: int = CONNECTION_BYTES,
        freed: Callable[[int], object] = lambda _: None,
    ) -> None:
        self.held = HeldFrames()
        self._limits = limits
        self._connection_bytes = connection_bytes
        self._freed = freed
        self._connections = 0
        self._claims: dict[Holder, int] = {}
        self._claimed = 0
        self._claimed_by: Counter[str] = Counter()
        self._claimants: dict[Holder, int] = {}
        self._claimable = max(limits.max_memory // 16, 2 * limits.max_frame_bytes)
        self._in_handlers = 0
        self._undecoded: dict[Holder, int] = {}
        self._slow: dict[Holder, None] = {}

    def add_connection(self) -> None:
        """Count a connection."""
        self._connections += 1

    def forget(self, holder: Holder) -> None:
        """Count a connection no longer, nor anything of it but its handlers."""
        self._connections -= 1
        self._slow.pop(holder, None)
        self._undecoded.pop(holder, None)
        self.release(holder)
        self._freed(self._connection_bytes)

    # Frames that arrive

    def claim(self, holder: Holder, octets: int) -> bool:
        """Ask for the memory of a long frame; if the answer is false, read no more until `memory_freed` is called.

        The longest frame always gets it when no other one has any. No address gets more than half of what there is.
        """
        if holder in self._claims:
            return True
        if self._fits(holder, octets):
            self._grant(holder, octets)
            return True
        self._claimants[holder] = octets
        return False

    def release(self, holder: Holder) -> None:
        """Give back a claim, or ask no more."""
        self._claimants.pop(holder, None)
        octets = self._claims.pop(holder, 0)
        if octets:
            self._freed(octets)
            self._claimed -= octets
            if holder.address is not None:
                self._claimed_by[holder.address] -= octets
                if not self._claimed_by[holder.address]:
                    del self._claimed_by[holder.address]
            self._grant_next()

    def _fits(self, holder: Holder, octets: int) -> bool:
        if not self._claims:
            return True
        if self._claimed + octets > self._claimable:
            return False
        mine = self._claimed_by[holder.address] if holder.address is not None else 0
        return not mine or mine + octets <= self._claimable // 2

    def _grant(self, holder: Holder, octets: int) -> None:
        self._claims[holder] = octets
        self._claimed += octets
        if holder.address is not None:
            self._claimed_by[holder.address] += octets

    def _grant_next(self) -> None:
        granted = []
        for holder, octets in self._claimants.items():
            if self._fits(holder, octets):
                self._grant(holder, octets)
                granted.append(holder)
            elif self._claimed + octets > self._claimable:  # nor may shorter ones overtake it for ever
                break
        for holder in granted:
            del self._claimants[holder]
        for holder in granted:
            holder.memory_freed()

    # Messages in handlers

    def change_load(self, octets: int) -> None:
        """Count more octets in handlers, or less."""
        self._in_handlers += octets
        if octets < 0:
            self._freed(-octets)
            for holder, needed in list(self._undecoded.items()):
                if not self._has_room(needed):
                    break
                del self._undecoded[holder]
                holder.memory_freed()

    @property
    def is_short(self) -> bool:
        """Whether those with much in handlers have to wait."""
        return self._in_handlers > self._room(0) // 2

    @property
    def is_quiet(self) -> bool:
        """Whether next to nothing is in handlers."""
        return self._in_handlers < MIB

    def has_plenty(self, octets: int) -> bool:
        """Return whether nobody has to wait or to go for so many octets and the copies of a frame."""
        return not self._undecoded and self._in_handlers + self._waiting() + octets + octets // 8 <= self._room(0)

    def may_decode(self, holder: Holder, octets: int) -> bool:
        """Ask for the memory of a message that becomes so many octets; after false, wait for `memory_freed`."""
        needed = octets + _COPIES * self._claims.get(holder, 0)
        if (self._undecoded and holder not in self._undecoded) or not self._has_room(needed):
            self._undecoded[holder] = needed
            return False
        self._undecoded.pop(holder, None)
        self._end_slow_consumers(needed)
        return True

    def _has_room(self, octets: int) -> bool:
        # While nothing is in handlers, there is nothing to wait for.
        return not self._in_handlers or self._in_handlers + octets <= self._room(0)

    # What waits for clients

    def is_slow(self, holder: Holder) -> None:
        """Take note that more waits for a client."""
        self._slow[holder] = None
        if self._waiting() > self._room(self._in_handlers):
            self._end_slow_consumers(0)

    def is_quick(self, holder: Holder) -> None:
        """Take note that nothing waits for a client any more."""
        self._slow.pop(holder, None)

    def _waiting(self) -> int:
        return self.held.octets + TRANSPORT_BYTES * len(self._slow)

    def _end_slow_consumers(self, needed: int) -> None:
        """End those for which most waits until the others leave room for so many octets more."""
        room = self._room(self._in_handlers) - needed
        for holder in self._most_first():
            if self._waiting() <= room:
                return
            holder.end_slow()

    def _most_first(self) -> Iterator[Holder]:
        if self._waiting():
            yield from sorted(self._slow, key=lambda holder: holder.unsent(), reverse=True)

    def _room(self, used: int) -> int:
        fixed = BASE_BYTES + self._connection_bytes * self._connections + self._claimed
        return self._limits.max_memory - fixed - used
