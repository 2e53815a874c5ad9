"""The settings of a run, except its target: which cases run, and how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, get_args

from conformance.core.options import option
from conformance.core.shards import Shard
from conformance.core.versions import version

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
    excluded: tuple[str, ...] = option(
        "--exclude", "Omit cases whose id matches; repeatable.", metavar="GLOB", is_repeatable=True
    )
    failed: Path | None = option(
        "--failed",
        "Select the cases whose outcome was not expected in this results file (--json).",
        parse=Path,
        metavar="RESULTS.json",
    )
    causes: tuple[str, ...] = option(
        "--cause",
        "Select the cases of this cause in the --failed file; repeatable.",
        metavar="ID",
        is_repeatable=True,
    )
    shard: Shard | None = option(
        "--shard",
        "Select one of several equal parts of the cases, such as 3/8. Each machine runs another one, with the same "
        "--seed; ipc-conformance report merges the results files.",
        parse=Shard.parse,
        metavar="NUMBER/OF",
        is_rerun=False,
    )
    budget: float | None = option(
        "--budget",
        "Stop after this many seconds. The cases that tell most run first.",
        parse=float,
        metavar="SECONDS",
        minimum=1,
        is_rerun=False,
    )

    @property
    def is_filtered(self) -> bool:
        """True if it omits some of the cases."""
        chosen = self.globs or self.profiles or self.level or self.excluded or self.failed or self.causes
        return bool(chosen or self.shard or self.budget)


@dataclass(frozen=True)
class Settings:
    """How cases are run.

    Attributes:
        seed: seed of the cases that use randomness.
        time_scale: factor for every deadline.
        soak_seconds: duration of the long-running cases, in seconds; 0 for their short forms.
        examples: number of examples for each property.
        chop: how the kit splits its writes.
        protocol: the version of the protocol to judge by; None for the one that the target states.
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
        "Multiply every deadline by this factor; it never shortens the time to start.",
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
    protocol: str | None = option(
        "--protocol",
        "Judge by this version of the protocol; by default by the one that the target states.",
        parse=version,
        metavar="MAJOR.MINOR",
    )
    traces: bool = option("--trace", "Print the wire trace of every case.", parse=bool, default=False, is_rerun=False)
