"""The survey of a server: what it can do at all, and how long an answer takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

ERROR = "error."
"""Abilities that begin so are to answer with the error of that code."""
SEVERAL = "many_connections"
"""The ability to serve several connections at once."""
ANY_ERROR = "errors"
"""The ability to answer with any error at all."""


class State(StrEnum):
    """Whether a server has an ability."""

    YES = "yes"
    SLOWLY = "slowly"
    """It has it, and took much longer than its other answers do."""
    NO = "no"
    UNKNOWN = "unknown"
    """The survey could not find out, for instance because the server has no handler that is needed."""


@dataclass(frozen=True)
class Finding:
    """What the survey found out about one ability.

    Attributes:
        ability: its name; permanent, since causes are named after it.
        title: what a server with the ability does, in a few words.
        case: the id of the case that tried it.
        state: whether the server has it.
        seconds: how long the case took.
        message: what went wrong; empty if nothing did.
    """

    ability: str
    title: str
    case: str
    state: State
    seconds: float
    message: str = ""


@dataclass(frozen=True)
class Survey:
    """What a server can do.

    Attributes:
        findings: one per ability, basic ones first.
        answer_seconds: how long a quick answer takes.
    """

    findings: tuple[Finding, ...] = ()
    answer_seconds: float = 0.0
    _by_ability: Mapping[str, Finding] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_ability", {each.ability: each for each in self.findings})

    def lacks(self, ability: str) -> bool:
        """Return true if the server was seen not to have an ability."""
        found = self._by_ability.get(ability)
        return found is not None and found.state is State.NO

    def excludes(self, ability: str) -> bool:
        """Return true if the server cannot have an ability: it lacks it, or has no error answers at all."""
        return self.lacks(ability) or (ability.startswith(ERROR) and self.lacks(ANY_ERROR))

    def without(self, cases: Collection[str]) -> Survey:
        """Return the survey without what these cases found, and without the conclusions from them."""
        kept = [each for each in self.findings if each.case not in cases]
        has_lost_error = any(each.ability.startswith(ERROR) for each in self.findings if each not in kept)
        kept = [each for each in kept if each.ability != ANY_ERROR or not has_lost_error]
        return replace(self, findings=tuple(kept))

    def has(self, ability: str) -> bool:
        """Return true if the server was seen to have an ability, quickly or slowly."""
        found = self._by_ability.get(ability)
        return found is not None and found.state in (State.YES, State.SLOWLY)

    def is_slow(self, ability: str) -> bool:
        """Return true if the server was seen to have an ability, but slowly."""
        found = self._by_ability.get(ability)
        return found is not None and found.state is State.SLOWLY

    @property
    def slowest_seconds(self) -> float:
        """How long a quick answer takes; or an acknowledgement, if the server is slow to give one."""
        found = self._by_ability.get("acknowledgement")
        return max(self.answer_seconds, found.seconds if found and found.state is State.SLOWLY else 0.0)

    def finding(self, ability: str) -> Finding | None:
        """Return what was found out about an ability, if the survey tried it."""
        return self._by_ability.get(ability)

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values, as the results file has them."""
        return {
            "answer_seconds": self.answer_seconds,
            "findings": [asdict(each) | {"state": str(each.state)} for each in self.findings],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return the survey that :meth:`as_json` wrote."""
        findings = (Finding(**{**each, "state": State(each["state"])}) for each in content["findings"])
        return cls(tuple(findings), content["answer_seconds"])
