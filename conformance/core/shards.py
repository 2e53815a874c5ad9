"""Shards: the parts of a run that several machines divide among them. The id of a case alone chooses its shard."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

_SHARD = re.compile(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})")


@dataclass(frozen=True)
class Shard:
    """One of the shards of a run: ``number``, from 1, of ``of`` shards."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what the option ``--shard`` takes.

        Raises:
            ValueError: it is no shard.
        """
        found = _SHARD.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no shard; write NUMBER/OF, such as 3/8 for the third of eight")
        shard = cls(int(found[1]), int(found[2]))
        if shard.number > shard.of:
            raise ValueError(f"there is no shard {shard}; the last one is {shard.of}/{shard.of}")
        return shard

    def has(self, case: str) -> bool:
        """Return true if the case with this id belongs to this shard; it belongs to exactly one."""
        digest = hashlib.sha256(case.encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.of == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


@dataclass(frozen=True)
class Part:
    """The shards that a run has of a divided run.

    Attributes:
        numbers: the numbers of the shards, in order.
        of: the number of all shards.
        cases: the number of the cases of all shards.
    """

    numbers: tuple[int, ...]
    of: int
    cases: int

    @property
    def missing(self) -> list[int]:
        """The numbers of the other shards."""
        return sorted({*range(1, self.of + 1)} - {*self.numbers})

    @property
    def gap(self) -> str:
        """What it lacks, as a clause; empty if it has all shards."""
        if len(self.numbers) == 1 < self.of:
            return f"it is shard {self.numbers[0]} of {self.of} only"
        missing = self.missing
        if len(missing) == 1:
            return f"shard {missing[0]} of {self.of} is missing"
        return f"shards {_ranges(missing)} of {self.of} are missing" if missing else ""

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values, as the results file has them."""
        return {"numbers": list(self.numbers), "of": self.of, "cases": self.cases}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Return the part that :meth:`as_json` wrote."""
        return cls(tuple(content["numbers"]), content["of"], content["cases"])


def _ranges(numbers: Iterable[int]) -> str:
    """Return ascending numbers as text, such as ``1, 3-5``."""
    ranges = list[list[int]]()
    for number in numbers:
        if ranges and ranges[-1][-1] == number - 1:
            ranges[-1][1:] = [number]
        else:
            ranges.append([number])
    return ", ".join("-".join(map(str, each)) for each in ranges)
