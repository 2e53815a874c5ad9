"""Merges the runs of the shards of one target into one run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from conformance.core.shards import Part
from conformance.results.run import Run
from conformance.results.survey import Finding, State, Survey

STRONGEST_LAST = (State.UNKNOWN, State.YES, State.SLOWLY, State.NO)
"""If shards disagree about an ability, the failures of one are explained by what that one lacked."""


def merged(runs: Iterable[Run]) -> list[Run]:
    """Return runs, with one in place of the shards of a divided run.

    Shards belong together if role, name and seed, segmentation and version of the kit, and the number of all cases are
    the same. If each shard is there twice, there are two runs, and the earlier one has the earlier shards.

    Raises:
        ValueError: shards do not fit together, or some are there twice and others not.
    """
    whole, groups = list[Run](), defaultdict[tuple[object, ...], list[list[Run]]](list)
    for run in sorted(runs, key=lambda each: each.started):
        if run.part is None:
            whole.append(run)
        else:
            key = (run.role, run.target_name, run.seed, run.chop, run.kit, run.part.of, run.part.cases)
            _place(run, run.part, groups[key])
    for found in groups.values():
        _refuse_mixture(found)
    return [*whole, *(_merge(group) for found in groups.values() for group in found)]


def _place(run: Run, part: Part, groups: list[list[Run]]) -> None:
    """Add a run to the first group that has none of its shards."""
    for group in groups:
        if not any({*part.numbers} & {*_part(each).numbers} for each in group):
            group.append(run)
            return
    groups.append([run])


def _refuse_mixture(groups: Sequence[Sequence[Run]]) -> None:
    """Raise ValueError if there are several runs, and one lacks shards: nothing says whose shards the others are."""
    numbers = [number for group in groups for each in group for number in _part(each).numbers]
    (number, times), *_ = Counter(numbers).most_common(1)
    first = groups[0][0]
    if times > 1 and len(numbers) < len(groups) * _part(first).of:
        often = "twice" if times == 2 else f"{times} times"
        shard = f"shard {number}/{_part(first).of} of {first.target_name}"
        raise ValueError(f"{shard} is there {often}; give the files of one run")


def _part(run: Run) -> Part:
    assert run.part is not None, "it is no shard"  # noqa: S101 - the caller has looked
    return run.part


def _merge(runs: Sequence[Run]) -> Run:
    """Return the run of some shards that belong together."""
    first = runs[0]
    if len(runs) == 1:
        return first
    numbers = sorted(number for each in runs for number in _part(each).numbers)
    run = Run(first.role, first.seed, first.chop, first.target_name, kit=first.kit, started=first.started)
    run.part = Part(tuple(numbers), _part(first).of, _part(first).cases)
    run.results = [result for each in runs for result in each.results]
    run.selected = sum(each.selected for each in runs)
    run.took = round(sum(each.duration_s for each in runs), 3)
    run.profiles = tuple(dict.fromkeys(name for each in runs for name in each.profiles))
    run.protocol = _protocol(runs)
    run.survey = _survey([each.survey for each in runs if each.survey])
    run.unreachable = "; ".join(_told(runs, "unreachable"))
    run.cut_short = "; ".join(_told(runs, "cut_short"))
    run.kit_errors = [f"{_name(each)}: {text}" for each in runs for text in each.kit_errors]
    run.is_interrupted = any(each.is_interrupted for each in runs)
    run.is_unfinished = any(each.is_unfinished for each in runs)
    _check(run, run.part)
    return run


def _check(run: Run, part: Part) -> None:
    """Raise ValueError if the cases of shards are not those of one selection."""
    number, name = Counter(each.case for each in run.results), run.target_name
    if twice := next((case for case, times in number.items() if times > 1), ""):
        raise ValueError(f"the shards of {name} are not of one run: two of them have the case {twice}")
    if run.is_whole and not part.missing and run.selected != part.cases:
        raise ValueError(f"the shards of {name} are not of one run: they have {run.selected} of {part.cases} cases")


def _protocol(runs: Sequence[Run]) -> str:
    versions = sorted({each.protocol for each in runs if each.protocol})
    if len(versions) > 1:
        name = runs[0].target_name
        raise ValueError(f"the shards of {name} were judged by different protocols: {', '.join(versions)}")
    return "".join(versions)


def _name(run: Run) -> str:
    return f"shard {', '.join(map(str, _part(run).numbers))}/{_part(run).of}"


def _told(runs: Iterable[Run], field: str) -> Iterator[str]:
    """Yield what some shards have in a field, each with its shard."""
    return (f"{_name(each)}: {getattr(each, field)}" for each in runs if getattr(each, field))


def _survey(surveys: Sequence[Survey]) -> Survey | None:
    found: dict[str, Finding] = {}
    for each in (finding for survey in surveys for finding in survey.findings):
        known = found.setdefault(each.ability, each)
        if STRONGEST_LAST.index(each.state) > STRONGEST_LAST.index(known.state):
            found[each.ability] = each
    return Survey(tuple(found.values()), max(each.answer_seconds for each in surveys)) if surveys else None
