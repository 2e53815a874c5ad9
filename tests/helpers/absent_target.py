"""A server that is not there, for cases that do not connect."""

from __future__ import annotations

from typing import Any

from conformance.core.settings import Settings
from conformance.targets.config import TargetConfig
from conformance.targets.server import ServerTarget


class AbsentTarget(ServerTarget):
    """A target whose end nobody looks for."""

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__(TargetConfig(server="127.0.0.1:1"), settings)

    def recover(self, **_: Any) -> None:
        """Find nothing to replace."""
