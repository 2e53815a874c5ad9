"""The causes of failures: a missing ability of the target, or else the step at which cases failed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from conformance.core.verdicts import Verdict
from conformance.results.case_result import CaseResult
from conformance.results.general_steps import Step, slug
from conformance.results.steps import NO_LIMITS, abilities_of, including, step_of
from conformance.results.survey import ANY_ERROR, State, Survey

NO_SURVEY = Survey()
SURVEY = "survey/"
"""Begins the ids of the survey's cases; the name of the ability follows."""
MARKERS = ("ping", "time", "echo", "own_delivery")
"""Abilities that show that a message did not come; without all of them, its absence is only watched."""
MOST_REQUIREMENTS = 3
"""The largest number of requirements that a cause names."""

BASIC_REQUIREMENTS = {ANY_ERROR: ("ERR-001",)}
"""The requirements of abilities that no case of the survey has alone."""
SENTENCES = {
    "acknowledgement": "The server does not acknowledge connect messages",
    "ping": "The server does not answer pings",
    "time": "The server does not answer get_time",
    "echo": "The server does not answer requests to a handler",
    "no_connection_id": "The server does not answer requests without a connection_id",
    ANY_ERROR: "The server sends no error answers",
    "end": "The server does not end a connection after a fatal error",
    "delivery": "The server does not deliver what is published",
    "own_delivery": "The server does not deliver to the connection that publishes",
    "half_close": "The server does not answer a client that has ended its sending side",
    "pipelining": "The server does not answer several messages of one write",
    "limits": NO_LIMITS,
    "profiles": "The acknowledgement does not state the protocol or the profiles",
    "many_connections": "The server does not serve several connections at once",
    "survives": "The server stops serving after invalid messages",
}
"""What is wrong with a server without an ability; for other abilities the title in the survey says it."""


@dataclass(frozen=True)
class Cause:
    """Why cases failed.

    Attributes:
        id: a readable id; the same in every run in which the same goes wrong.
        sentence: what is wrong with the target.
        ability: the missing ability of the survey; empty if the cause is a failed step.
        requirements: the requirements that most of its cases are about.
        example: the case that is explained: the one with the shortest trace.
        results: the results that it explains, by case id.
        untested: the cases that say nothing, or less than usual, because of it.
    """

    id: str
    sentence: str
    ability: str
    requirements: tuple[str, ...]
    example: CaseResult
    results: tuple[CaseResult, ...]
    untested: tuple[str, ...] = ()

    @property
    def cases(self) -> list[str]:
        """The ids of the cases that it explains."""
        return [each.case for each in self.results]

    @property
    def unexpected(self) -> int:
        """The number of its cases that make the run fail."""
        return sum(not each.expected for each in self.results)

    @property
    def is_must(self) -> bool:
        """Whether one of its cases broke a MUST."""
        return any(each.verdict is Verdict.FAIL for each in self.results)

    def as_json(self) -> dict[str, Any]:
        """Return the entry of the results file."""
        return {
            "id": self.id,
            "sentence": self.sentence,
            "ability": self.ability,
            "requirements": list(self.requirements),
            "example": self.example.case,
            "cases": self.cases,
            "unexpected": self.unexpected,
            "untested": list(self.untested),
        }


def is_bad(result: CaseResult) -> bool:
    """Return true if a result has a cause: the target broke a MUST or a SHOULD."""
    return result.verdict in (Verdict.FAIL, Verdict.WARN)


def causes_of(results: Iterable[CaseResult], survey: Survey | None = None) -> list[Cause]:
    """Group bad results by their causes.

    Missing abilities come first, since other failures may follow from them; then what explains most. Causes that only
    violate a SHOULD come last.

    Args:
        results: the results of a run, good ones too.
        survey: what the server can do; None if that is not known.
    """
    known = survey or NO_SURVEY
    groups, idle = defaultdict[str, list[CaseResult]](list), defaultdict[str, list[str]](list)
    for result in sorted(results, key=lambda each: each.case):
        if is_bad(result):
            groups[cause_id(result, known)].append(result)
        elif ability := _what_was_missing(result, known):
            idle[id_of_ability(ability)].append(result.case)
    causes = [_cause(group, known, tuple(idle[name])) for name, group in groups.items()]
    return sorted(causes, key=lambda each: _rank(each, known))


def cause_id(result: CaseResult, survey: Survey) -> str:
    """Return the id of the cause of a bad result."""
    ability = missing_ability(result, survey)
    return id_of_ability(ability) if ability else step_of(result).id


def possible_ids(result: CaseResult) -> set[str]:
    """Return the ids that the cause of a bad result can have, whatever the survey says; also if its server went on."""
    tries = (result, replace(result, stopped=False))
    explanations = {each for one in tries for each in _explanations(one)}
    return {*(step_of(each).id for each in tries), *map(id_of_ability, explanations)}


def sentence_of(result: CaseResult, survey: Survey) -> str:
    """Return what is wrong with the target, as far as one bad result shows it."""
    ability = missing_ability(result, survey)
    return _sentence_of_ability(ability, survey) if ability else step_of(result).sentence


def missing_ability(result: CaseResult, survey: Survey) -> str:
    """Return the ability whose absence explains a bad result, or an empty string."""
    return next((each for each in _explanations(result) if survey.lacks(each)), "")


def id_of_ability(ability: str) -> str:
    """Return the id of the cause that an ability is missing."""
    name = slug(ability.replace("_", " ").replace(".", " "))
    return f"needs-{name.removeprefix('no-')}" if name.startswith("no-") else f"no-{name}"


def _explanations(result: CaseResult) -> tuple[str, ...]:
    """Return the abilities whose absence could explain a bad result, the most basic one first."""
    step = step_of(result)
    if _stands_for_itself(step):
        return ()
    return (*abilities_of(result), *including(_tried_ability(result.case)))


def _tried_ability(case: str) -> str:
    """Return the ability that a case of the survey tries; nothing for another case."""
    return case.removeprefix(SURVEY).replace("-", "_") if case.startswith(SURVEY) else ""


def _stands_for_itself(step: Step) -> bool:
    """Return true if something wrong came: this is a fault of its own, and explains what the survey found."""
    return step.is_general and not step.is_absence


def _what_was_missing(result: CaseResult, survey: Survey) -> str:
    if result.verdict is Verdict.UNSUPPORTED:
        return next((each for each in abilities_of(result) if survey.lacks(each)), "")
    return next((each for each in MARKERS if survey.lacks(each)), "") if result.watched else ""


def _cause(results: Sequence[CaseResult], survey: Survey, untested: tuple[str, ...]) -> Cause:
    example = min(results, key=lambda each: (each.verdict is Verdict.WARN, len(each.trace), len(each.case), each.case))
    return Cause(
        cause_id(example, survey),
        sentence_of(example, survey),
        missing_ability(example, survey),
        _requirements(results, missing_ability(example, survey)),
        example,
        tuple(results),
        untested,
    )


def _requirements(results: Sequence[CaseResult], ability: str) -> tuple[str, ...]:
    """Return the requirements of the ability's own case; without one, those of most cases."""
    own = next((each.requirements for each in results if ability and _tried_ability(each.case) == ability), None)
    return BASIC_REQUIREMENTS.get(ability) or tuple(own or common_requirements(results))


def common_requirements(results: Sequence[CaseResult]) -> tuple[str, ...]:
    """Return the requirements of at least half of the cases; if there are none, the most frequent one."""
    found = Counter(each for result in results for each in result.requirements)
    ranked = sorted(found, key=lambda each: (-found[each], each))
    common = [each for each in ranked if 2 * found[each] >= len(results)]
    return tuple((common or ranked)[: MOST_REQUIREMENTS if common else 1])


def _sentence_of_ability(ability: str, survey: Survey) -> str:
    found = survey.finding(ability)
    title = found.title if found else ability
    return SENTENCES.get(ability) or f"The server lacks an ability: it {title}"


def _rank(cause: Cause, survey: Survey) -> tuple[bool, bool, int, int, str]:
    """Order causes: those that break a MUST, missing abilities, those with many cases, and basic abilities first."""
    order = [each.ability for each in survey.findings if each.state is State.NO]
    basic = order.index(cause.ability) if cause.ability in order else len(order)
    return not cause.is_must, not cause.ability, -len(cause.results), basic, cause.id
