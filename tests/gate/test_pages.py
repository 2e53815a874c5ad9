"""The explanation page of every rule."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import conformance.gate
from conformance.cli.gate import gate
from conformance.gate.model.findings import Rule
from conformance.gate.model.version import Step
from conformance.gate.rules import RULES

PAGES = Path(conformance.gate.__file__).with_name("pages")
HEADINGS = ["## Why", "## Example", "## What to do"]


def test_every_rule_has_a_page_and_every_page_a_rule() -> None:
    assert {path.stem for path in PAGES.iterdir()} == set(RULES)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_page_says_what_the_rule_does(rule: Rule) -> None:
    result = CliRunner().invoke(gate, ["--explain", rule.id])
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0] == f"# {rule.id}"
    needs = "no version" if rule.step is Step.NEVER else str(rule.step)
    assert f"| {' and '.join(rule.breaks) or 'nobody'} | {needs} |" in lines
    assert [line for line in lines if line.startswith("## ")] == HEADINGS
    assert rule.title.lower() in " ".join(lines[2].split()).lower() + " " + lines[3].lower()
    assert "```diff" in lines
    assert max(map(len, lines)) <= 130
