"""How a verdict or a state looks in the HTML report: never by its colour alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from conformance.core.verdicts import Verdict


@dataclass(frozen=True)
class Mark:
    """The look of an outcome.

    Attributes:
        sign: a character that differs from those of other outcomes.
        name: what it means, in a word or two.
        style: the name of its colours in the style sheet.
    """

    sign: str
    name: str
    style: str


MARKS = {
    Verdict.PASS: Mark("✓", "passed", "good"),
    Verdict.FAIL: Mark("✗", "failed", "bad"),
    Verdict.WARN: Mark("!", "warning", "fair"),
    Verdict.SLOW: Mark("◷", "slow", "fair"),
    Verdict.FLAKY: Mark("≈", "flaky", "fair"),
    Verdict.UNSUPPORTED: Mark("○", "unsupported", "none"),
    Verdict.ERROR: Mark("⚠", "error of the kit", "bad"),
}
NOT_TESTED = Mark("·", "not tested", "none")
UNDECIDED = Mark("·", "not decided", "none")
BEST_FIRST = (
    Verdict.UNSUPPORTED,
    Verdict.PASS,
    Verdict.FLAKY,
    Verdict.SLOW,
    Verdict.WARN,
    Verdict.ERROR,
    Verdict.FAIL,
)
"""The order in which outcomes stand for others: a failure of the target tells more than an error of the kit."""


def worst(verdicts: Iterable[Verdict]) -> Mark:
    """Return the mark of the worst of some verdicts; without any, that of what was not tested."""
    found = max(verdicts, key=BEST_FIRST.index, default=None)
    return MARKS[found] if found else NOT_TESTED
