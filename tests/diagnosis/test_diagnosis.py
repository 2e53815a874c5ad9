"""What the check of a diagnosis accepts: the missing ability first, and few other causes."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

SPEC = spec_from_file_location("diagnosis_run", Path(__file__).with_name("run.py"))
assert SPEC
assert SPEC.loader
run = module_from_spec(SPEC)
sys.modules[SPEC.name] = run  # dataclasses look there
SPEC.loader.exec_module(run)


def results(
    *causes: str, slow: str = "", errors: int = 0, answer: float = 0.001, stopped: str = "", **members: Any
) -> dict[str, Any]:
    """Return the parts of a results file that are read."""
    return {
        "causes": [{"id": each, "cases": ["a/b"]} for each in causes],
        "survey": {"findings": [{"ability": slow, "state": "slowly"}], "answer_seconds": answer},
        "summary": {"error": errors, "stopped_after": stopped},
        "interrupted": False,
        "unreachable": "",
        "kit_errors": [],
        "results": [{"verdict": "pass"}, {"verdict": "unsupported"}],
        "duration_s": 12.3,
    } | members


@pytest.mark.parametrize(
    ("name", "found", "wrong"),
    [
        ("ping", results("no-ping", "a", "b", "c"), ""),
        ("ping", results("no-ping", "a", "b", "c", "d"), "4 other causes: a, b, c, d"),
        ("ping", results("a", "no-ping"), "the first cause is a, not no-ping"),
        ("ping", results(), "the first cause is missing, not no-ping"),
        ("ping", results("no-ping", errors=1), "cases ended with an error of the kit"),
        ("quick-acknowledgement", results(slow="acknowledgement"), ""),
        ("quick-acknowledgement", results(slow="echo"), "the survey does not show acknowledgement as slow"),
        ("quick-answers", results(answer=0.303), ""),
        ("quick-answers", results(answer=0.02), "the survey measured answers of 0.02 s"),
        ("ping", results("no-ping", unreachable="gone"), "the run did not finish: gone"),
        ("ping", results("no-ping", kit_errors=["worker died"]), "the run did not finish: worker died"),
        ("ping", results("no-ping", interrupted=True), "the run did not finish: interrupted"),
        ("ping", results("no-ping", stopped="9 cases"), "the run did not finish: 9 cases"),
        ("ping", results("no-ping", survey=None), "there is no survey"),
    ],
)
def test_problems_of_a_diagnosis(name: str, found: dict[str, Any], wrong: str) -> None:
    assert run.problems(found, run.LACKS[name]) == ([wrong] if wrong else [])


def test_row_names_the_first_cause_and_the_others() -> None:
    row = run.row(results("no-ping", "a"), run.LACKS["ping"])
    assert row == "| answers no ping | 12 | 1 | `no-ping` | 1 | `a` (1) |"


def test_row_of_a_slow_server_says_what_the_survey_must_show() -> None:
    assert "| none; the survey measures answers of at least 0.25 s | - |" in run.row(
        results(), run.LACKS["quick-answers"]
    )
