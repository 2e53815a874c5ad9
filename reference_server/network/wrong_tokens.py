"""Slows down addresses from which somebody guesses the token, and logs them."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

PERIOD: Final = 60.0
"""The time in which wrong tokens are counted, in seconds."""
DELAY: Final = 0.5
"""How much later a connect message is read, in seconds: less than the shortest handshake timeout."""

# Attackers with very many addresses share one count.
MOST_ADDRESSES: Final = 10_000
_OTHERS: Final = "other addresses"

_log = logging.getLogger("reference_server")


class WrongTokens:
    """Counts connect messages with a wrong token or none, by address.

    The delay comes before the server looks at a token. Otherwise a client that is not answered at once would know that
    its token is wrong, and go on with the next one.

    Args:
        most: How many an address may send in a period without being slowed down.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._counts: Counter[str] = Counter()
        self._period_end = 0.0

    def add(self, address: str | None) -> None:
        """Count and log one.

        Args:
            address: From `addresses.address_of`; None, a client on a unix socket, is logged only.
        """
        if address is None:
            _log.warning("a client on the unix socket showed a wrong token or none")
            return
        self._forget_old()
        counted = self._counted(address)
        self._counts[counted] += 1
        slowed = f"; it is slowed down for up to {PERIOD:g} s" if self._counts[counted] == self._most + 1 else ""
        _log.warning("a client at %s showed a wrong token or none%s", address, slowed)

    def delay(self, address: str | None) -> float:
        """Return how much later to read the connect message of a client, in seconds."""
        if not self._counts or address is None:
            return 0.0
        self._forget_old()
        return DELAY if self._counts[self._counted(address)] > self._most else 0.0

    def _counted(self, address: str) -> str:
        return address if address in self._counts or len(self._counts) < MOST_ADDRESSES else _OTHERS

    def _forget_old(self) -> None:
        now = self._clock()
        if now >= self._period_end:
            self._counts.clear()
            self._period_end = now + PERIOD
