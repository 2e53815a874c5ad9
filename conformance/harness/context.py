"""What every case is given, whatever it is about: settings, chance, names, a trace."""

from __future__ import annotations

import random
import string
import time

from conformance.core.trace import Trace
from conformance.targets.base import Target
from conformance.transport.segmentation import Segmenter


class CaseContext:
    """What a context of servers and one of clients have in common.

    Args:
        target: what is under test.
        seed: seeds :attr:`random`, so that a case with chance in it can be repeated.
    """

    def __init__(self, target: Target, *, seed: int) -> None:
        self.settings = target.settings
        self.random = random.Random(seed)
        self.trace = Trace()
        self._target = target
        self._segmenter = Segmenter(target.settings.chop, seed)

    @property
    def time_scale(self) -> float:
        """The factor on every deadline."""
        return self.settings.time_scale

    def name(self, kind: str) -> str:
        """Return a name for a channel, an application or a connection that nothing else uses."""
        return self._target.fresh(kind)

    def wait(self, seconds: float) -> None:
        """Let time pass, for what cannot be seen to have happened."""
        self._segmenter.settle()
        time.sleep(seconds)

    def close(self) -> None:
        """End what the case began."""
        self._segmenter.forget()


def letters(number: int) -> str:
    """Return the label of the connection of that number: A, B, ... Z, A1, ..."""
    round_number, letter = divmod(number, 26)
    return string.ascii_uppercase[letter] + (str(round_number) if round_number else "")
