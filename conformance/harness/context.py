"""The context of every case: settings, randomness, unique names, a trace."""

from __future__ import annotations

import random
import string
import time

from conformance.core.trace import Trace
from conformance.targets.base import Target
from conformance.transport.segmentation import Segmenter


class CaseContext:
    """The common part of the contexts for servers and for clients.

    Args:
        target: the server or client under test.
        seed: seed of :attr:`random`, so that cases with randomness can be repeated.
    """

    def __init__(self, target: Target, *, seed: int) -> None:
        self.settings = target.settings
        self.random = random.Random(seed)
        self.trace = Trace()
        self._target = target
        self._segmenter = Segmenter(target.settings.chop, seed)

    @property
    def time_scale(self) -> float:
        """The factor for every deadline."""
        return self.settings.time_scale

    def name(self, kind: str) -> str:
        """Return a unique name for a channel, an application or a connection."""
        return self._target.fresh(kind)

    def wait(self, seconds: float) -> None:
        """Wait a fixed time, for events that the kit cannot observe."""
        self._segmenter.settle()
        time.sleep(seconds)

    def close(self) -> None:
        """End everything that the case started."""
        self._segmenter.forget()


def letters(number: int) -> str:
    """Return the label of the connection of that number: A, B, ... Z, A1, ..."""
    round_number, letter = divmod(number, 26)
    return string.ascii_uppercase[letter] + (str(round_number) if round_number else "")
