"""Cut or merge what the kit writes, so that any case can be replayed with other segments (FRM-005, FRM-006).

A stream has no boundaries, so a case has to end the same way however its writes are divided.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable

from conformance.core.settings import ChopMode
from conformance.protocol import codec

MOST_CUTS = 256
"""In one write; a frame of 16 MiB octet by octet would take minutes and show nothing more."""
MOST_CUTS_OF_A_CASE = 65_536
"""A case that writes a MiB in small pieces would otherwise make a million writes of one octet."""
MOST_RANDOM_CUTS = 12
PAUSES = 4
"""So many pieces of a write are given time to arrive alone: a header octet by octet."""
PAUSE_SECONDS = 0.0005


class Segmenter:
    """Divides the writes of one case.

    With ``coalesce`` a connection holds what it is to write until the case does anything else, such as reading or
    using another connection, and then writes all of it at once, in the company of frames that nobody answers.

    Args:
        mode: how to divide.
        seed: of the case; the cuts of ``random`` depend on it too.
    """

    def __init__(self, mode: ChopMode | None = None, seed: int = 0) -> None:
        self._mode = mode or ChopMode()
        self._random = random.Random(f"{self._mode.seed} {seed}")
        self._flush: Callable[[], None] | None = None
        self._budget = MOST_CUTS_OF_A_CASE

    @property
    def merges(self) -> bool:
        """Whether writes are held and merged."""
        return self._mode.mode == "coalesce"

    def pieces(self, data: bytes) -> list[bytes]:
        """Return the pieces in which ``data`` is to be written; always at least one."""
        cuts = sorted(set(self._cuts(data)))[: min(MOST_CUTS, self._budget)]
        self._budget -= len(cuts)
        edges = [0, *cuts, len(data)]
        return [data[start:end] for start, end in itertools.pairwise(edges)]

    def hold(self, flush: Callable[[], None]) -> None:
        """Note that a connection holds octets, which ``flush`` writes; another one's are written now."""
        if self._flush != flush:
            self.settle()
            self._flush = flush

    def settle(self) -> None:
        """Have written whatever is held."""
        flush, self._flush = self._flush, None
        if flush:
            flush()

    def forget(self) -> None:
        """Let what is held go unwritten: the case is over."""
        self._flush = None

    def _cuts(self, data: bytes) -> Iterable[int]:
        if self._mode.mode == "octets":
            return range(1, min(len(data), MOST_CUTS + 1))
        if self._mode.mode == "header":
            return _header_cuts(data)
        if self._mode.mode == "random" and len(data) > 1:
            number = self._random.randrange(MOST_RANDOM_CUTS)
            return [self._random.randrange(1, len(data)) for _ in range(number)]
        return ()


def _header_cuts(data: bytes) -> Iterable[int]:
    """Yield the middle and the end of each header, as far as ``data`` is a sequence of frames."""
    start = 0
    while start < len(data):
        yield from (cut for cut in (start + 2, start + codec.HEADER_BYTES) if cut < len(data))
        start += codec.HEADER_BYTES + codec.stated_length(data[start : start + codec.HEADER_BYTES])
