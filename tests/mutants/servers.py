"""Mutants of the reference server: patches that are made in its process, by ``serve.py``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mutation import Mutant, all_mutants
from trial import CONTROL

from conformance.case import Role
from conformance.settings import Settings
from conformance.subject import TargetOptions
from conformance.target import Target

OPTIONS = (
    "--responder --profile batch --profile discovery --profile queue --state {state} "
    "--handshake-timeout 1 --max-connections 120 --shutdown-grace 1 --log-level error"
)


@dataclass(frozen=True)
class Knowledge:
    """What a run learns of a server at its start; of the mutants all this is what the control has."""

    acknowledgement: dict[str, Any]
    responder: frozenset[str]


class ServerLaboratory:
    """Makes servers."""

    role: Role = "server"
    sanity = (
        "system/ping",
        "publish/subscriber-gets-it-once-unchanged",
        "requests/echo-of-an-object",
        "requests/no-handler-for-an-object",
        "errors/fatal-error-then-end",
    )
    without: Mapping[str, str] = MappingProxyType({})

    def mutants(self) -> Mapping[str, Mutant]:
        """Return every mutant by name."""
        return all_mutants()

    def explore(self, time_scale: float) -> Knowledge:
        """Return what the server says of itself when it makes no mistake."""
        with Target(_options(CONTROL), Settings(time_scale=time_scale)) as target:
            return Knowledge(target.acknowledgement, target.responder)

    @contextmanager
    def made(self, name: str, known: Knowledge, settings: Settings) -> Iterator[Target]:
        """Start the server with a mutant."""
        target = Target(_options(name), settings)
        target.acknowledgement, target.responder = known.acknowledgement, known.responder
        try:
            target.start()
            yield target
        finally:
            target.stop()


def _options(name: str) -> TargetOptions:
    script = Path(__file__).with_name("serve.py")
    return TargetOptions(command=shlex.join([sys.executable, str(script), name]) + f" --port {{port}} {OPTIONS}")
