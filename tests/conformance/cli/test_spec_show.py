"""``ipc-conformance spec show``: a requirement with its section and its cases."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from conformance.cli.main import main
from conformance.protocol.requirements import load


def shown(*ids: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["spec", "show", *ids], terminal_width=100)
    return done.exit_code, done.output


def test_requirement_has_its_facts_its_section_and_its_cases() -> None:
    status, text = shown("sub-003")
    assert status == 0
    assert text.startswith("SUB-003  MUST, binds server, since 1.0, active  (spec/07-publish-subscribe.md#subscribing)")
    assert "## Subscribing" in text
    assert f"**[SUB-003]** {load()['SUB-003'].text.split(' whose')[0]}" in text
    assert "\n  publish/subscribe-for-another-connection\n" in text


def test_requirement_that_no_case_checks_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conformance.cli.spec.all_cases", dict)
    assert "\ncases\n  none: schemas or vectors check it\n" in shown("SUB-003")[1]


def test_every_requirement_can_be_shown() -> None:
    status, text = shown(*load())
    assert status == 0
    heads = re.findall(r"^([A-Z]{3}-\d{3})  (?:MUST|SHOULD|MAY), binds ", text, re.MULTILINE)
    assert heads == list(load())


@pytest.mark.parametrize(("name", "near"), [("SUB-999", "SUB-009"), ("ping", "ipc-conformance list")])
def test_unknown_requirement_is_wrong_usage(name: str, near: str) -> None:
    status, text = shown("SUB-003", name)
    assert status == 2
    assert f"there is no requirement '{name.upper()}'" in text
    assert near in text
    assert "##" not in text
