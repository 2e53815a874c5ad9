"""How cases are run: what a person can choose about it, apart from the target and the selection."""

from __future__ import annotations

from dataclasses import dataclass, field

from conformance.transport.segmentation import ChopMode

DEFAULT_EXAMPLES = 25
SOAK_SECONDS = 90.0
"""LIM-010 promises so much silence; other cases that watch time take as long."""


@dataclass(frozen=True)
class Settings:
    """How cases are run.

    Attributes:
        seed: seeds the cases that use chance.
        time_scale: factor on every deadline.
        soak_seconds: how long the cases that watch time take; 0 for their short forms.
        examples: how many examples each property is tried with.
        chop: how the kit's writes are divided.
        traces: keep the wire trace of a case that passes, too.
    """

    seed: int = 0
    time_scale: float = 1.0
    soak_seconds: float = 0.0
    examples: int = DEFAULT_EXAMPLES
    chop: ChopMode = field(default_factory=ChopMode)
    traces: bool = False

    def as_options(self) -> list[str]:
        """Return the options of ``ipc-conformance run`` that say the same, traces aside."""
        usual = Settings()
        options = ["--seed", str(self.seed)]
        options += ["--time-scale", f"{self.time_scale:g}"] if self.time_scale != usual.time_scale else []
        options += ["--soak", f"{self.soak_seconds:g}"] if self.soak_seconds else []
        options += ["--examples", str(self.examples)] if self.examples != usual.examples else []
        options += ["--chop", str(self.chop)] if self.chop != usual.chop else []
        return options
