"""What an attack is, what is measured of it, and its limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

MEMORY_BUDGET: Final = 320.0
"""MiB above the start that no attack exceeds, whatever it is: the ``--max-memory`` of the attacked servers."""
KEPT: Final = 16.0
"""MiB above the start that an attack leaves behind."""
ARENAS_KEPT: Final = 40.0
"""The same for very many small objects: the allocators keep what they had, up to 33 MiB were seen, but need no more for
the next such attack."""
LOG_PER_SECOND: Final = 64 * 1024
"""Octets of log per second."""


@dataclass
class Finding:
    """What an attack measured; None where it does not apply.

    Attributes:
        peak: the most memory above the start, in MiB.
        kept: memory above the start after all attackers left, in MiB.
        pings: median, 99th percentile and maximum of another client's pings meanwhile, in milliseconds.
        log: octets of log per second.
        facts: anything else worth a look, by name.
        faults: what is wrong; an attack without faults did no harm.
    """

    peak: float | None = None
    kept: float | None = None
    pings: tuple[float, float, float] | None = None
    log: float | None = None
    facts: dict[str, float | str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def judge(self, peak: float, kept: float) -> None:
        """Add a fault for each bound that is exceeded; times are not judged, since machines differ."""
        for name, measured, bound, unit in (
            ("peak", self.peak, peak, "MiB"),
            ("kept", self.kept, kept, "MiB"),
            ("log", self.log, LOG_PER_SECOND, "octets/s"),
        ):
            if measured is not None and measured > bound:
                self.faults.append(f"{name} {measured:.0f} {unit}, at most {bound:.0f} wanted")


@dataclass(frozen=True)
class Attack:
    """One attack.

    Attributes:
        name: its name, without blanks.
        what: what the attackers do, in a sentence.
        run: carries it out.
        peak: the most memory above the start that it may need, in MiB.
        kept: the most memory above the start that it may leave, in MiB.
    """

    name: str
    what: str
    run: Callable[[], Finding]
    peak: float
    kept: float


ATTACKS: Final[dict[str, Attack]] = {}


def attack(what: str, *, peak: float = MEMORY_BUDGET, kept: float = KEPT) -> Callable[[Callable[[], Finding]], None]:
    """Return a decorator that registers a function as an attack of the function's name."""

    def register(run: Callable[[], Finding]) -> None:
        name = run.__name__.replace("_", "-")
        ATTACKS[name] = Attack(name, what, run, peak, kept)

    return register
