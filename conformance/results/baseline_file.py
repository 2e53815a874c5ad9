"""Writes the known failures of a target by their causes, with the reasons that people gave so far."""

from __future__ import annotations

import json
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from conformance.core.files import write_whole
from conformance.results.case_globs import globs_for
from conformance.results.case_result import CaseResult
from conformance.results.causes import NO_SURVEY, cause_id, common_requirements, is_bad
from conformance.results.known_failures import OPEN_REASON, Baseline, Known, is_open
from conformance.results.run import Run
from conformance.results.steps import step_of

WIDTH = 118
Groups = Mapping[Known, list[CaseResult]]


def write_baseline(path: Path, run: Run, old: Baseline, case_ids: Iterable[str]) -> int:
    """Write the failed outcomes as the new baseline, and keep the reasons of entries that are still valid.

    Args:
        path: the file.
        run: a run of all cases.
        old: the baseline so far.
        case_ids: the ids of all cases that exist, so that the globs match no other case.

    Returns:
        the number of cases whose reason a person must write.

    Raises:
        OSError: the file cannot be written; it is unchanged.
    """
    groups, existing = _groups(run, old), list(case_ids)
    entries = [_as_toml(known, results, existing) for known, results in _sorted(groups)]
    write_whole(path, "\n".join([f"seed = {run.seed}\n", *entries]))
    return sum(len(results) for known, results in groups.items() if is_open(known.reason))


def _groups(run: Run, old: Baseline) -> Groups:
    groups = defaultdict[Known, list[CaseResult]](list)
    for result in run.results:
        known = old.entries.get(result.case)
        if known and known.chance and known.foresees(result):
            groups[known].append(result)  # it may have passed by chance
        elif not result.verdict.is_good:
            groups[_expectation(result, known, run)].append(result)
    return groups


def _expectation(result: CaseResult, known: Known | None, run: Run) -> Known:
    """Return the entry that expects a failure: with the words of the old entry as long as they fit."""
    reason = known.reason if known and known.verdict == result.verdict else ""
    if not is_bad(result):  # the kit's own fault, which has no cause in the target
        is_same = known is not None and known.foresees(result)
        message = known.message if known and is_same else result.message.partition("\n")[0]
        return Known(result.verdict, message, reason, result.chance)
    cause = cause_id(result, run.survey or NO_SURVEY)
    is_same = known is not None and known.cause == cause and known.foresees(result)
    message = known.message if known and is_same else step_of(result).pin
    return Known(result.verdict, message, reason, result.chance, cause)


def _sorted(groups: Groups) -> list[tuple[Known, list[CaseResult]]]:
    """Return the groups in an order that keeps diffs of the file small."""
    return sorted(groups.items(), key=lambda item: (item[0].cause, min(each.case for each in item[1])))


def _as_toml(known: Known, results: list[CaseResult], existing: list[str]) -> str:
    chance = ["chance = true"] if known.chance else []
    first = [f"verdict = {json.dumps(str(known.verdict))}", *chance, f"message = {json.dumps(known.message)}"]
    reason = f"reason = {json.dumps(known.reason or OPEN_REASON)}"
    cases = sorted(each.case for each in results)
    if not known.cause:
        return "\n".join(["[[known]]", *first, reason, _array("cases", cases)])
    globs = globs_for(cases, existing)
    head = ["[[cause]]", f"id = {json.dumps(known.cause)}", *first]
    head += [_array("requirements", common_requirements(results)).rstrip(), reason, _array("cases", globs.cases)]
    return "\n".join(head) + (_array("except", globs.excepted) if globs.excepted else "")


def _array(name: str, values: Iterable[str]) -> str:
    """Return an array of strings as TOML: on one line, or else on lines that are full."""
    content = ", ".join(map(json.dumps, values))
    line = f"{name} = [{content}]"
    if len(line) <= WIDTH:
        return line + "\n"
    lines = textwrap.wrap(content, WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    return "\n".join([f"{name} = [", *(f"  {each}" for each in lines), "]", ""])
