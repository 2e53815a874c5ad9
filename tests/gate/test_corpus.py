"""Realistic edits of the protocol, judged by people beforehand, and what the gate makes of them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from protocol_tree import Workshop

from conformance.gate.model.judgement import Judgement
from conformance.gate.model.version import Step

FILES = sorted((Path(__file__).parent / "corpus").glob("*.toml"))
EDITS: list[dict[str, Any]] = [edit for file in FILES for edit in tomllib.loads(file.read_text("utf-8"))["edit"]]
MOST_UNNECESSARY = 0.05


def judged(edit: dict[str, Any], folder: Path) -> Judgement:
    """Make the edit and judge it."""
    workshop = Workshop(folder)
    workshop.call_it(edit["version"], edit["changelog"])
    for each in edit.get("replace", []):
        workshop.replace(each["file"], each["old"], each["new"])
    for each in edit.get("add", []):
        workshop.add(each["file"], each["text"])
    for each in edit.get("remove", []):
        workshop.remove(each["file"])
    return workshop.judge()


def direction(judgement: Judgement) -> set[str]:
    """Return whom the differences break that need a major version or are allowed in none."""
    found = (*judgement.refused, *judgement.accepted)
    return {name for each in found if each.needs >= Step.MAJOR for name in each.directions}


@pytest.mark.parametrize("edit", EDITS, ids=[edit["id"] for edit in EDITS])
def test_breaking_edit_is_never_called_safe(edit: dict[str, Any], tmp_path: Path) -> None:
    judgement = judged(edit, tmp_path)
    rules = sorted({each.rule.id for each in judgement.refused})
    if not edit["accept"]:
        assert not judgement.is_accepted, f"accepted, and it is not: {edit['story']}"
    elif edit.get("unnecessarily_refused"):
        assert not judgement.is_accepted, "the gate has learnt to accept this; say so in the corpus"
    else:
        assert judgement.is_accepted, f"refused by {rules}: {[each.what for each in judgement.refused]}"
    if edit["breaks"]:
        assert set(edit["breaks"]) <= direction(judgement), f"{rules} do not name them all"
    for each in judgement.refused:
        assert each.witness or each.rule.id not in ("senders-broken", "receivers-broken")


def test_the_gate_refuses_little_that_it_need_not() -> None:
    acceptable = [edit for edit in EDITS if edit["accept"]]
    refused = [edit["id"] for edit in acceptable if edit.get("unnecessarily_refused")]
    assert len(refused) <= MOST_UNNECESSARY * len(acceptable), refused


def test_half_of_the_edits_break_somebody() -> None:
    assert len(EDITS) >= 60
    breaking = [edit for edit in EDITS if edit["needs"] in ("major", "never")]
    assert 0.4 <= len(breaking) / len(EDITS) <= 0.6
