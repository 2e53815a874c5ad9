"""Versions of the protocol, and the steps between them (spec, chapter 14)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

_FORM = re.compile(r"(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})(?:\.(0|[1-9][0-9]{0,2}))?")


class Step(IntEnum):
    """The version step that a change needs; NEVER if no version allows it."""

    NONE = 0
    PATCH = 1
    MINOR = 2
    MAJOR = 3
    NEVER = 4

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A version of the protocol; as a string, without a patch number of 0."""

    major: int
    minor: int
    patch: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``1.0`` or ``1.0.1``. Raises ValueError for anything else."""
        found = _FORM.fullmatch(text)
        if not found:
            raise ValueError(f"{text!r} is not a version: write MAJOR.MINOR or MAJOR.MINOR.PATCH, such as 1.1")
        return cls(*(int(number or 0) for number in found.groups()))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}" + (f".{self.patch}" if self.patch else "")

    def after(self, step: Step) -> Version:
        """Return the next version that is this step away."""
        if step is Step.PATCH:
            return Version(self.major, self.minor, self.patch + 1)
        if step is Step.MINOR:
            return Version(self.major, self.minor + 1)
        return Version(self.major + 1, 0)

    def step_to(self, other: Version) -> Step:
        """Return the step to a later version, or NONE for the same one. Raises ValueError for an earlier one."""
        if other < self:
            raise ValueError(f"{other} is earlier than {self}")
        if other.major != self.major:
            return Step.MAJOR
        if other.minor != self.minor:
            return Step.MINOR
        return Step.PATCH if other.patch != self.patch else Step.NONE
