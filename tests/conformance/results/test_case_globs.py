"""Globs for some of the cases: exact, short, and stable."""

from __future__ import annotations

import random

import pytest

from conformance.cases.catalogue import all_cases
from conformance.results.case_globs import CaseGlobs, globs_for

IDS = ("a/b-c", "a/b-d", "a/b-d-e", "a/b-f", "a/x", "b/b-c", "b/y", "a/b")
TABLE = {
    (): CaseGlobs(),
    ("a/x",): CaseGlobs(("a/x",)),
    ("a/b-c", "a/b-d", "a/b-d-e", "a/b-f"): CaseGlobs(("a/b-*",)),
    ("a/b-c", "a/b-d-e", "a/b-d"): CaseGlobs(("a/b-*",), ("a/b-f",)),
    ("a/b-c", "a/x"): CaseGlobs(("a/b-c", "a/x")),
    ("b/b-c", "b/y"): CaseGlobs(("b/*",)),
    tuple(sorted(IDS)): CaseGlobs(("a/*", "b/*")),
}


@pytest.mark.parametrize("wanted", TABLE)
def test_globs_are_the_shortest_list(wanted: tuple[str, ...]) -> None:
    found = globs_for(wanted, IDS)
    assert found == TABLE[wanted]
    assert sorted(found.matching(IDS)) == sorted(wanted)


@pytest.mark.parametrize("seed", range(10))
def test_globs_match_exactly_the_wanted_cases(seed: int) -> None:
    ids, chance = sorted(all_cases()), random.Random(seed)
    chapters = chance.sample(ids, 30)
    wanted = [each for each in ids if each.startswith(tuple(chapters)) or chance.random() < 0.1 * seed]
    found = globs_for(wanted, ids)
    assert found.matching(ids) == wanted
    assert not found.stale(ids)
    assert found == globs_for(wanted[::-1], ids[::-1])


def test_one_case_more_or_less_changes_few_globs() -> None:
    ids = sorted(all_cases())
    wanted = [each for each in ids if each.startswith("golden/")]
    before, after = globs_for(wanted, ids), globs_for(wanted[1:], ids)
    assert before == CaseGlobs(("golden/*",))
    assert after == CaseGlobs(("golden/*",), (wanted[0],))


def test_stale_glob_is_named() -> None:
    for globs in (CaseGlobs(("a/*", "c/*")), CaseGlobs(("a/*",), ("a/b-g*", "c/*")), CaseGlobs(("c/*", "?/z"))):
        assert globs.stale(IDS) == next(each for each in (*globs.cases, *globs.excepted) if each != "a/*")
    assert CaseGlobs(("?/b", "*-d", "a/[x]")).matching(IDS) == ["a/b-d", "a/x", "a/b"]
