"""What the HTML report shows of its runs, as the template needs it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from conformance.core.verdicts import Verdict
from conformance.protocol.requirements import Requirement, load, section_link
from conformance.reports.causes import abilities_by_state
from conformance.reports.html.marks import MARKS, UNDECIDED, Mark, worst
from conformance.reports.summary import closing_lines, verdict_of
from conformance.results.case_result import CaseResult
from conformance.results.causes import Cause
from conformance.results.comparison import Comparison, compare
from conformance.results.run import Run
from conformance.results.survey import Survey

LONGEST_NAME = 48
"""Characters of a target's name in the head of a table."""


@dataclass(frozen=True)
class Tally:
    """Some cases of one run: how many had which outcome, and the worst of them.

    Attributes:
        mark: the mark of the worst outcome.
        text: the numbers, such as "3 of 12", or that of all cases if they have one outcome.
        title: the numbers in words.
    """

    mark: Mark
    text: str
    title: str


@dataclass(frozen=True)
class Column:
    """One run in the tables of the report; its texts are those of the run, so that they are still to be made printable.

    Attributes:
        number: its position, from 0.
        run: the run.
        name: the target's name, with the time of the run if another run has the same name.
        verdict: the verdict in words.
        notes: why it has no verdict, if it did not finish: a line each.
        mark: the mark of the verdict.
        causes: why cases failed, the most important cause first.
    """

    number: int
    run: Run
    name: str
    verdict: str
    notes: Sequence[str]
    mark: Mark
    causes: Sequence[Cause]

    @property
    def short(self) -> str:
        """The name; that of the target is cut in its middle if it is long."""
        target, half = self.run.target_name, LONGEST_NAME // 2
        shown = target if len(target) <= LONGEST_NAME else f"{target[:half]}…{target[-half:]}"
        return shown + self.name.removeprefix(target)

    @property
    def counts(self) -> list[tuple[Mark, int]]:
        """The outcomes that cases had, with their numbers."""
        return [(MARKS[Verdict(each)], number) for each, number in self.run.counts().items() if number]

    @property
    def survey(self) -> list[tuple[str, str]]:
        """The states that abilities are in, with these abilities."""
        return [*abilities_by_state(self.run.survey or Survey())]


@dataclass(frozen=True)
class Row:
    """A row of a table with a tally for each run: a chapter, or a requirement."""

    name: str
    tallies: Sequence[Tally]
    requirement: Requirement | None = None
    anchor: str = ""

    @property
    def state(self) -> str:
        """The styles of its tallies, for filters."""
        return " ".join(sorted({each.mark.style for each in self.tallies}))


@dataclass(frozen=True)
class Group:
    """The runs of servers, or those of clients, with what their cases are about."""

    columns: Sequence[Column]
    chapters: Sequence[Row]
    requirements: Sequence[Row]


@dataclass(frozen=True)
class Cases:
    """Some cases of a comparison.

    Attributes:
        title: what became of them.
        ids: their ids.
        column: the run that tells most about them.
        style: the name of the colours of their number.
        is_news: whether they are not as they were before.
    """

    title: str
    ids: Sequence[str]
    column: Column
    style: str
    is_news: bool = True


@dataclass(frozen=True)
class Change:
    """Two runs of one target, the earlier one first."""

    earlier: Column
    later: Column
    cases: Comparison

    @property
    def title(self) -> str:
        """Which runs they are."""
        return f"{self.earlier.name} → {self.later.run.started:%Y-%m-%d %H:%M:%S}"

    @property
    def groups(self) -> list[Cases]:
        """What became of the cases; what matters most comes first."""
        found, earlier, later = self.cases, self.earlier, self.later
        return [
            Cases("fail now, and did not fail before", found.new, later, "bad"),
            Cases("fail now, and had no verdict before", found.first_seen, later, "bad"),
            Cases("fail in another way", found.changed, later, "fair"),
            Cases("were fixed", found.fixed, later, "good"),
            Cases("failed before, and are slow or flaky now", found.late, later, "fair"),
            Cases("failed before, and have no verdict now", found.undecided, earlier, "none"),
            Cases("fail as before", found.unchanged, later, "none", is_news=False),
        ]


def columns_of(runs: Iterable[Run]) -> list[Column]:
    """Return the columns of some runs: servers first; runs of one target together, in the order of time."""
    ordered = sorted(runs, key=lambda each: (each.role != "server", each.target_name, each.started))
    names = [each.target_name for each in ordered]
    return [_column(number, run, is_alone=names.count(run.target_name) == 1) for number, run in enumerate(ordered)]


def _column(number: int, run: Run, *, is_alone: bool) -> Column:
    when = "" if is_alone else f", {run.started:%Y-%m-%d %H:%M:%S}"
    verdict, _, more = (run.unreachable or verdict_of(run)).partition("\n")
    notes = [] if run.is_whole else [*closing_lines(run)[:-1], *more.splitlines()]
    return Column(number, run, f"{run.target_name}{when}", verdict, notes, _mark_of(run), run.causes())


def _mark_of(run: Run) -> Mark:
    """Return the mark of the verdict of a run."""
    if run.is_interrupted:
        return UNDECIDED
    if run.is_conformant:
        return MARKS[Verdict.PASS]
    if run.has_failed:
        return MARKS[Verdict.FAIL]
    return UNDECIDED if run.gap else MARKS[Verdict.WARN]


def groups_of(columns: Sequence[Column]) -> list[Group]:
    """Return the groups of some columns, those of servers first."""
    groups = [[*each] for _, each in groupby(columns, lambda column: column.run.role)]
    return [Group(each, _chapters_of(each), _requirements_of(each)) for each in groups]


def _chapters_of(columns: Sequence[Column]) -> list[Row]:
    """Return a row for each chapter of cases."""
    found = [_grouped(each.run, lambda result: [result.case.partition("/")[0]]) for each in columns]
    names = sorted({name for each in found for name in each})
    return [Row(name, [tally(each.get(name, ())) for each in found]) for name in names]


def _requirements_of(columns: Sequence[Column]) -> list[Row]:
    """Return a row for each requirement that a case of these runs is about, in the order of the specification."""
    found = [_grouped(each.run, lambda result: result.requirements) for each in columns]
    known = load()
    named = {name for each in found for name in each}
    ordered = [*(each for each in known if each in named), *sorted(named - known.keys())]
    role = columns[0].run.role
    return [
        Row(name, [tally(each.get(name, ())) for each in found], known.get(name), f"{role}-{name}") for name in ordered
    ]


def changes_of(columns: Sequence[Column]) -> list[Change]:
    """Return what changed between the last two runs of each target that has several."""
    groups = [[*each] for _, each in groupby(columns, lambda column: (column.run.role, column.run.target_name))]
    pairs = [each[-2:] for each in groups if len(each) > 1]
    return [Change(earlier, later, compare(earlier.run, later.run)) for earlier, later in pairs]


def tally(results: Collection[CaseResult]) -> Tally:
    """Return the numbers of some results."""
    counts = {verdict: sum(each.verdict is verdict for each in results) for verdict in Verdict}
    mark = worst(each.verdict for each in results)
    title = ", ".join(f"{number} {MARKS[verdict].name}" for verdict, number in counts.items() if number)
    most = next((number for verdict, number in counts.items() if number and MARKS[verdict] is mark), 0)
    text = "" if not results else f"{most}" if most == len(results) else f"{most} of {len(results)}"
    return Tally(mark, text, title or mark.name)


def _grouped(run: Run, names: Callable[[CaseResult], Iterable[str]]) -> Mapping[str, list[CaseResult]]:
    found = defaultdict[str, list[CaseResult]](list)
    for result in run.results:
        for name in names(result):
            found[name].append(result)
    return found


def plain(markdown: str) -> str:
    """Return a sentence of the specification without emphasis, and with links as their texts; code keeps its marks."""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown).replace("*", "")


def link_to(requirement: Requirement | None, spec_url: str) -> str:
    """Return the link to a requirement on the site of the specification; empty if there is none.

    Args:
        requirement: the requirement; None if the installed specification does not have it.
        spec_url: where the site is that ``nox -s docs`` builds.
    """
    if not (requirement and spec_url):
        return ""
    page = section_link(requirement).partition("#")[0]
    return f"{spec_url.rstrip('/')}/{re.sub(r'[.]md$', '.html', page)}#{requirement.id}"
