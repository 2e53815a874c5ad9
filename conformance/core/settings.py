"""What a person chooses about a run, apart from the target: which cases, and how they are run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self, get_args

from conformance.core.options import option

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
class Selection:
    """Which cases are run; what is not set leaves none out."""

    globs: tuple[str, ...] = option(
        "--case", "Only cases whose id matches; repeatable.", metavar="GLOB", is_repeatable=True
    )
    profiles: tuple[str, ...] = option(
        "--profile", "Only this profile's cases; core for the rest; repeatable.", metavar="NAME", is_repeatable=True
    )
    level: str | None = option("--level", "Only cases of this level.", choices=("must", "should"))

    @property
    def is_filtered(self) -> bool:
        """Whether some of the cases are left out."""
        return bool(self.globs or self.profiles or self.level)


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

    seed: int = option(
        "--seed",
        "Seed of the cases that use chance; each run prints its own at the end.",
        parse=int,
        metavar="N",
        default=0,
        is_drawn=True,
    )
    time_scale: float = option(
        "--time-scale",
        "Factor on every deadline.",
        parse=float,
        metavar="FACTOR",
        default=1.0,
        minimum=0.01,
        maximum=1000,
    )
    soak_seconds: float = option(
        "--soak",
        f"Let cases that watch time take so long; {SOAK_SECONDS:g} seconds if not said.",
        parse=float,
        metavar="[SECONDS]",
        default=0.0,
        bare=SOAK_SECONDS,
        minimum=0,
    )
    examples: int = option(
        "--examples",
        "How many examples each property is tried with.",
        parse=int,
        metavar="N",
        default=DEFAULT_EXAMPLES,
        minimum=1,
    )
    chop: ChopMode = option(
        "--chop",
        "Divide what the kit writes: whole, octets, header, random:SEED, or coalesce, which merges.",
        parse=ChopMode.parse,
        metavar="MODE",
        default=ChopMode(),
    )
    traces: bool = option("--trace", "Print the wire trace of every case.", parse=bool, default=False, is_rerun=False)
