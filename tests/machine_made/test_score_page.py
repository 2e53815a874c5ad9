"""The page about machine-made mutants: what is counted, and what a survivor without a judgement looks like."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import score_page
from score_page import ELSEWHERE, EQUIVALENT, HOLE, NOT_JUDGED, OUTSIDE, Judgement, Result, judgement_of, merged, page

KILLED = Result("a.py", 3, "limit", "core/AddNot", "if full:", "if not full:", "limits/full")
SURVIVOR = Result("a.py", 5, "limit", "core/NumberReplacer", "return 1 | 2", "return 1 | 3", "")
EQUAL = Judgement("a.py", "limit", "return 1 | 2", "return 1 | 3", EQUIVALENT, "Both are odd.")


def _page(*judged: Judgement) -> str:
    return page([KILLED, SURVIVOR], judged, {"a.py": 7, "b.py": 2}, ["queue/long"])


def test_survivor_without_a_judgement_shows_and_counts() -> None:
    assert judgement_of(SURVIVOR, []) == NOT_JUDGED
    shown = _page()
    assert "### Not judged: 1" in shown
    assert "| `a.py` | 7 | 2 | 1 | 0 | 0 | 0 | 0 | 1 | 50 % |" in shown


def test_score_is_without_what_is_equivalent_or_outside_and_counts_other_cases() -> None:
    for word in (EQUIVALENT, OUTSIDE, ELSEWHERE):
        assert "**100 %**" in _page(replace(EQUAL, word=word))
    assert "**50 %**" in _page(replace(EQUAL, word=HOLE))


def test_row_of_a_survivor_has_its_edit_and_its_reason() -> None:
    assert "| `a.py` `limit` | `return 1 \\| 2` → `return 1 \\| 3` | Both are odd. |" in _page(EQUAL)


def test_module_without_mutants_has_no_score() -> None:
    assert "| `b.py` | 2 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | - |" in _page()


def test_new_results_replace_old_ones_and_changed_lines_go(tmp_path: Path) -> None:
    source = "async def limit():\n    return 1 | 2\n"
    (tmp_path / "a.py").write_text(source, "utf-8")
    now_killed = replace(SURVIVOR, line=9, killer="limits/full")
    assert merged([KILLED, SURVIVOR], [now_killed], tmp_path) == [now_killed]
    (tmp_path / "a.py").write_text(source.replace("limit", "limits"), "utf-8")
    assert merged([KILLED, SURVIVOR], [now_killed], tmp_path) == []


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    score_page.write_results([KILLED, SURVIVOR], {"a.py": 7}, file)
    score_page.write_results(score_page.read_results(file), None, file)
    assert score_page.read_results(file) == [KILLED, SURVIVOR]
    assert score_page.read_places(file) == {"a.py": 7}


def test_page_is_that_of_the_results_and_the_judgements() -> None:
    trial = __import__("machine_trial")
    results, judged = score_page.read_results(), score_page.read_judgements()
    shown = page(results, judged, score_page.read_places(), trial.omitted_cases())
    assert (trial.ROOT / "docs" / "mutation.md").read_text("utf-8") == shown
    assert not score_page.without_survivor(results, judged)
