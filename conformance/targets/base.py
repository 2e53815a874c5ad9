"""The base of servers and clients under test: how to reach them, the settings of the run, and unique names."""

from __future__ import annotations

import itertools
import random
import re

from conformance.core.settings import Settings
from conformance.core.versions import FIRST_VERSION, VERSION
from conformance.specification.drafts import chosen_version
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
    def protocol(self) -> str:
        """The version to judge by: that of the settings, else that of a draft, else the one that the target states."""
        stated = self.stated_protocol
        chosen = self.settings.protocol or chosen_version()
        return chosen or (stated if VERSION.fullmatch(stated) else FIRST_VERSION)

    @property
    def stated_protocol(self) -> str:
        """The version that the target says that it speaks; empty if it says nothing."""
        return ""

    @property
    def profiles(self) -> tuple[str, ...]:
        """The profiles to test."""
        return self.options.profiles

    def fresh(self, kind: str) -> str:
        """Return a name that no other case, worker or run uses."""
        return f"{kind}-{self.nonce}-{next(self._names)}"

    def without_names(self, text: str) -> str:
        """Return a text with the kind in place of each name that :meth:`fresh` made, which is another in each run."""
        return re.sub(rf"-{re.escape(self.nonce)}(?:-\d+)?", "", text)
