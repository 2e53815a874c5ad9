"""How cases are run: what a person can choose about it, apart from the target and the selection."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Self, get_args

DEFAULT_EXAMPLES = 25
SOAK_SECONDS = 90.0
"""LIM-010 promises so much silence; other cases that watch time take as long."""

Mode = Literal["whole", "octets", "header", "random", "coalesce"]


@dataclass(frozen=True)
class ChopMode:
    """How writes are divided: ``mode``, and for ``random`` its seed."""

    mode: Mode = "whole"
    seed: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what the option ``--chop`` takes.

        Raises:
            ValueError: it is none of the modes.
        """
        mode, colon, seed = text.partition(":")
        has_seed = bool(colon) and seed.isascii() and seed.isdigit()
        if mode not in get_args(Mode) or (mode == "random") != has_seed or bool(colon) != has_seed:
            raise ValueError(f"{text!r} is not whole, octets, header, coalesce or random:SEED with a number")
        return cls(mode, int(seed or 0))  # type: ignore[arg-type] # one of the modes, as was just checked

    def __str__(self) -> str:
        return f"{self.mode}:{self.seed}" if self.mode == "random" else self.mode


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
