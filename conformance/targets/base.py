"""What is under test, a server or a client: how to reach it, how to run cases on it, names that nothing else uses."""

from __future__ import annotations

import itertools
import random

from conformance.core.settings import Settings
from conformance.targets.config import TargetConfig
from conformance.targets.process import ServerProcess


class Target:
    """A server or a client under test during a run.

    Args:
        options: how to reach it.
        settings: how cases are run on it.
        nonce: makes the names of this run's connections and channels differ from those of any other run.
    """

    BASE_PATIENCE_SECONDS = 3.0

    def __init__(self, options: TargetConfig, settings: Settings | None = None, *, nonce: str = "") -> None:
        self.options = options
        self.settings = settings or Settings()
        self.nonce = nonce or f"{random.getrandbits(32):08x}"
        self.process: ServerProcess | None = None
        self.responder: frozenset[str] = frozenset()
        self._names = itertools.count(1)

    @property
    def time_scale(self) -> float:
        """The factor on every deadline."""
        return self.settings.time_scale

    @property
    def patience(self) -> float:
        """Seconds to wait for anything that it has to do."""
        return self.BASE_PATIENCE_SECONDS * self.time_scale

    @property
    def profiles(self) -> tuple[str, ...]:
        """The profiles to test."""
        return self.options.profiles

    def fresh(self, kind: str) -> str:
        """Return a name that no other case, worker or run uses."""
        return f"{kind}-{self.nonce}-{next(self._names)}"
