"""What the log says of a trouble that lasts: that it began and that it is over, not each of its effects."""

from __future__ import annotations

import logging
import time
from typing import Final

# Seconds between two beginnings in the log, so that a trouble that comes and goes does not fill it.
PERIOD: Final = 10.0

_log = logging.getLogger("reference_server")


class Notices:
    """Logs one kind of trouble.

    Args:
        over: What the log says when the trouble is over.
    """

    def __init__(self, over: str) -> None:
        self._over = over
        self._is_said = False
        self._next = 0.0

    def begin(self, trouble: str) -> None:
        """Log the trouble unless it was logged; call this for each of its effects."""
        now = time.monotonic()
        if self._is_said or now < self._next:
            return
        self._is_said, self._next = True, now + PERIOD
        _log.error("%s", trouble)

    def end(self) -> None:
        """Log that it is over, if it was logged."""
        if self._is_said:
            self._is_said = False
            _log.info("%s", self._over)
