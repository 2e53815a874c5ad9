"""The context of every case: settings, randomness, unique names, a trace."""

from __future__ import annotations

import random
import string
import time
from collections.abc import Callable

from conformance.core.trace import Trace
from conformance.core.verdicts import GraveViolation, Violation
from conformance.targets.base import Target
from conformance.transport.segmentation import Segmenter

SLOWEST_OCTETS_PER_SECOND = 2 * 1024 * 1024
"""At which a busy machine still receives, decodes, encodes and sends a long message."""
MORE_TIME = 10
"""The factor of the second attempt; few cases need it, so it may be generous."""


class CaseContext:
    """The common part of the contexts for servers and for clients.

    Args:
        target: the server or client under test.
        seed: seed of :attr:`random`, so that cases with randomness can be repeated.
    """

    def __init__(self, target: Target, *, seed: int) -> None:
        self.settings = target.settings
        self._random = random.Random(seed)
        self.first_attempt = ""
        """What was wrong with an attempt that succeeded with more time; see :meth:`with_more_time`."""
        self.has_drawn = False
        """Whether the case used :attr:`random`, so that its outcome may depend on the seed."""
        self.trace = Trace()
        self._target = target
        self._segmenter = Segmenter(target.settings.chop, seed)

    @property
    def random(self) -> random.Random:
        """The source of the case's random input."""
        self.has_drawn = True
        return self._random

    @property
    def time_scale(self) -> float:
        """The factor for every deadline."""
        return self.settings.time_scale

    @property
    def has_watched(self) -> bool:
        """True if only a time of silence showed that something did not come."""
        return False

    def name(self, kind: str) -> str:
        """Return a unique name for a channel, an application or a connection."""
        return self._target.fresh(kind)

    def seconds_for(self, octets: int) -> float:
        """Return how much longer than usual the other side may take for a message of that length."""
        return octets / SLOWEST_OCTETS_PER_SECOND * self.time_scale

    def wait(self, seconds: float) -> None:
        """Wait a fixed time, for events that the kit cannot observe."""
        self._segmenter.settle()
        time.sleep(seconds)

    def output(self) -> str:
        """Return the end of the target's own output; empty if the kit does not see it."""
        return ""

    def with_more_time(self, attempt: Callable[[float], None], seconds: float) -> None:
        """Make an attempt that gives the other side ``seconds`` for something that the kit cannot observe.

        If it fails, the machine may have been busy: make another one with ten times the time, whose failure counts. If
        that one succeeds, the case is *slow*.

        Args:
            attempt: is called with the seconds, on the scale of :attr:`time_scale`.
            seconds: enough on a machine that is not busy.
        """
        try:
            attempt(seconds * self.time_scale)
        except GraveViolation:
            raise  # which is wrong at any speed
        except Violation as violation:
            self.trace.event("*", f"{violation}; again, with more time")
            attempt(seconds * self.time_scale * MORE_TIME)
            self.first_attempt = str(violation)

    def close(self) -> None:
        """End everything that the case started."""
        self._segmenter.forget()


def letters(number: int) -> str:
    """Return the label of the connection of that number: A, B, ... Z, A1, ..."""
    round_number, letter = divmod(number, 26)
    return string.ascii_uppercase[letter] + (str(round_number) if round_number else "")
