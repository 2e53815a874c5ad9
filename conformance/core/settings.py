"""The settings of a run, except its target: which cases run, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self, get_args

from conformance.core.options import option

DEFAULT_EXAMPLES = 25
SOAK_SECONDS = 90.0
"""LIM-010 lets a peer be silent for this long; other long-running cases take as long."""

Mode = Literal["whole", "octets", "header", "random", "coalesce"]


@dataclass(frozen=True)
class ChopMode:
    """How writes are split: ``mode``, and for ``random`` its seed."""

    mode: Mode = "whole"
    seed: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what the option ``--chop`` takes.

        Raises:
            ValueError: it is not a mode.
        """
        mode, colon, seed = text.partition(":")
        has_seed = bool(colon) and seed.isascii() and seed.isdigit()
        if mode not in get_args(Mode) or (mode == "random") != has_seed or bool(colon) != has_seed:
            raise ValueError(f"{text!r} is not a mode; use whole, octets, header, coalesce or random:SEED (a number)")
        return cls(mode, int(seed or 0))  # type: ignore[arg-type] # a mode, as checked above

    def __str__(self) -> str:
        return f"{self.mode}:{self.seed}" if self.mode == "random" else self.mode


@dataclass(frozen=True)
class Selection:
    """Which cases run; an option that is not set selects all."""

    globs: tuple[str, ...] = option(
        "--case", "Select cases whose id matches; repeatable.", metavar="GLOB", is_repeatable=True
    )
    profiles: tuple[str, ...] = option(
        "--profile",
        "Select this profile's cases; core for cases without a profile; repeatable.",
        metavar="NAME",
        is_repeatable=True,
    )
    level: str | None = option("--level", "Select cases of this level.", choices=("must", "should"))

    @property
    def is_filtered(self) -> bool:
        """True if it omits some of the cases."""
        return bool(self.globs or self.profiles or self.level)


@dataclass(frozen=True)
class Settings:
    """How cases are run.

    Attributes:
        seed: seed of the cases that use randomness.
        time_scale: factor for every deadline.
        soak_seconds: duration of the long-running cases, in seconds; 0 for their short forms.
        examples: number of examples for each property.
        chop: how the kit splits its writes.
        traces: whether passing cases keep their wire trace, too.
    """

    seed: int = option(
        "--seed",
        "Seed for cases that use randomness; each run prints its seed at the end.",
        parse=int,
        metavar="N",
        default=0,
        is_drawn=True,
    )
    time_scale: float = option(
        "--time-scale",
        "Multiply every deadline by this factor.",
        parse=float,
        metavar="FACTOR",
        default=1.0,
        minimum=0.01,
        maximum=1000,
    )
    soak_seconds: float = option(
        "--soak",
        f"Let long-running cases take this many seconds; {SOAK_SECONDS:g} if no number is given.",
        parse=float,
        metavar="[SECONDS]",
        default=0.0,
        bare=SOAK_SECONDS,
        minimum=0,
    )
    examples: int = option(
        "--examples",
        "Number of examples for each property.",
        parse=int,
        metavar="N",
        default=DEFAULT_EXAMPLES,
        minimum=1,
    )
    chop: ChopMode = option(
        "--chop",
        "How to split what the kit writes: whole, octets, header, random:SEED, or coalesce (merge messages).",
        parse=ChopMode.parse,
        metavar="MODE",
        default=ChopMode(),
    )
    traces: bool = option("--trace", "Print the wire trace of every case.", parse=bool, default=False, is_rerun=False)
