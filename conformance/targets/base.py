"""The base of servers and clients under test: how to reach them, the settings of the run, and unique names."""

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
        settings: the settings of the run.
        nonce: makes the names of this run's connections and channels unique.
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
        """The factor for every deadline."""
        return self.settings.time_scale

    @property
    def patience(self) -> float:
        """Seconds to wait for any action of the target."""
        return self.BASE_PATIENCE_SECONDS * self.time_scale

    @property
    def profiles(self) -> tuple[str, ...]:
        """The profiles to test."""
        return self.options.profiles

    def fresh(self, kind: str) -> str:
        """Return a name that no other case, worker or run uses."""
        return f"{kind}-{self.nonce}-{next(self._names)}"
