"""The table of reports names cases and mutants that exist, and each report once."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from clients import NODE_MUTANTS
from mutation import all_mutants

from conformance.cases.catalogue import all_cases

TEXT = Path(__file__).with_name("README.md").read_text("utf-8")
ROW = re.compile(r"^\| \[(.+?)\]\((https://github\.com/\S+)\) \| (.+?) \| (?:`(.+?)`)? ?\| (.+?) \|$", re.MULTILINE)
REPORTS = ROW.findall(TEXT)
LEAST = 40


def test_table_is_read_whole() -> None:
    assert len(REPORTS) == TEXT.count("](https://github.com/") >= LEAST


def test_each_report_is_told_once_and_counted() -> None:
    assert [each for each, count in Counter(address for _, address, *_ in REPORTS).items() if count > 1] == []
    assert f"| all | {len(REPORTS)} |" in TEXT
    counted = re.findall(r"^\| \[([0-9]+)\. .+?\]\(.+?\) \| ([0-9]+) \|$", TEXT, re.MULTILINE)
    parts = re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]
    assert [(part.partition(".")[0], str(len(ROW.findall(part)))) for part in parts] == counted


@pytest.mark.parametrize(("name", "case", "mutant"), [(name, case, last) for name, _, _, case, last in REPORTS])
def test_case_and_mutant_exist(name: str, case: str, mutant: str) -> None:
    if case:
        assert case in all_cases(), name
        assert mutant.strip("`") in {**all_mutants(), **NODE_MUTANTS}, name
    else:
        assert not mutant.startswith("`"), f"{name} has neither a case nor a reason"
