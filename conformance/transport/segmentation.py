"""Splits or merges the kit's writes, so that any case can run with other TCP segments (FRM-005, FRM-006).

A stream has no boundaries, so the segmentation must not change the verdict of a case.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable

from conformance.core.settings import ChopMode
from conformance.protocol import codec

MOST_CUTS = 256
"""Most cuts in one write; a frame of 16 MiB octet by octet would take minutes and show nothing more."""
MOST_CUTS_OF_A_CASE = 65_536
"""A case that writes a MiB in small pieces would otherwise make a million writes of one octet."""
MOST_RANDOM_CUTS = 12
PAUSES = 4
"""Number of pieces of a write that get time to arrive separately: a header, octet by octet."""
PAUSE_SECONDS = 0.0005


class Segmenter:
    """Splits the writes of one case.

    With ``coalesce``, a connection holds its data until the case does anything else, such as reading or using another
    connection. It then writes everything at once, together with frames that need no answer.

    Args:
        mode: how to split.
        seed: the seed of the case; the cuts of ``random`` depend on it too.
    """

    def __init__(self, mode: ChopMode | None = None, seed: int = 0) -> None:
        self._mode = mode or ChopMode()
        self._random = random.Random(f"{self._mode.seed} {seed}")
        self._flush: Callable[[], None] | None = None
        self._budget = MOST_CUTS_OF_A_CASE

    @property
    def merges(self) -> bool:
        """True if writes are held and merged."""
        return self._mode.mode == "coalesce"

    def pieces(self, data: bytes) -> list[bytes]:
        """Return the pieces of ``data`` to write, at least one."""
        cuts = sorted(set(self._cuts(data)))[: min(MOST_CUTS, self._budget)]
        self._budget -= len(cuts)
        edges = [0, *cuts, len(data)]
        return [data[start:end] for start, end in itertools.pairwise(edges)]

    def hold(self, flush: Callable[[], None]) -> None:
        """Record that a connection holds octets, which ``flush`` writes; write those of another connection now."""
        if self._flush != flush:
            self.settle()
            self._flush = flush

    def settle(self) -> None:
        """Write all held octets."""
        flush, self._flush = self._flush, None
        if flush:
            flush()

    def forget(self) -> None:
        """Discard all held octets: the case is over."""
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
    """Yield the middle and the end of each header, while ``data`` is a sequence of frames."""
    start = 0
    while start < len(data):
        yield from (cut for cut in (start + 2, start + codec.HEADER_BYTES) if cut < len(data))
        start += codec.HEADER_BYTES + codec.stated_length(data[start : start + codec.HEADER_BYTES])
