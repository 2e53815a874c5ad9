"""Realistic edits of the protocol, judged by people beforehand, and what the gate makes of them."""

from __future__ import annotations

import tomllib
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import pytest
from protocol_tree import Workshop, original

from conformance.gate.inputs.contradictions import contradictions
from conformance.gate.inputs.working_tree import Place, Tree
from conformance.gate.model.findings import Finding
from conformance.gate.model.judgement import Judgement
from conformance.gate.model.release import ReleaseError
from conformance.gate.model.version import Step
from conformance.gate.output.items import items

FILES = sorted((Path(__file__).parent / "corpus").glob("*.toml"))
EDITS: list[dict[str, Any]] = [edit for file in FILES for edit in tomllib.loads(file.read_text("utf-8"))["edit"]]
TOO_SMALL = [(edit, version) for edit in EDITS for version in edit.get("too_small", [])]
MOST_UNNECESSARY = 0.03
OF_EVERY_MAJOR = ("id-moved", "vector-deleted")
"""Rules about what every new major version does."""
ABOUT_THE_UNCHANGED = ("id-kept", "target-changed")
"""What a line elsewhere changes: an identifier that had to change, the target of all requirements of a chapter."""
OBJECT_LINES, SENTENCE_LINES = 60, 4
"""How many lines a changed object, and a changed sentence with its notes, has at most behind its first one."""


def at_version(edit: dict[str, Any], version: str) -> dict[str, Any]:
    """Return the edit under a version, which its texts may name."""
    short = ".".join(version.split(".")[:2])
    changes = [{**each, "new": each["new"].replace("@VERSION@", short)} for each in edit.get("replace", [])]
    return {**edit, "version": version, "replace": changes}


def made(edit: dict[str, Any], folder: Path) -> Workshop:
    """Make the edit, and what every major version does besides."""
    edit = at_version(edit, edit["version"])
    workshop = Workshop(folder)
    if edit["version"] != "1.0":
        workshop.call_it(edit["version"], edit["changelog"])
    for each in edit.get("replace", []):
        workshop.replace(each["file"], each["old"], each["new"])
    for each in edit.get("add", []):
        workshop.add(each["file"], each["text"])
    for each in edit.get("remove", []):
        workshop.remove(each["file"])
    if edit["needs"] != "none" and not edit["version"].startswith("1.") and not edit.get("keeps_identifiers"):
        workshop.renumber(edit["version"].partition(".")[0])
    if not edit["version"].startswith("1.") and not edit.get("unreadable"):
        workshop.drop_contradicted_vectors()
    return workshop


def breaking(judgement: Judgement) -> list[Finding]:
    """Return the differences that need a major version or are allowed in none."""
    found = (each for each in (*judgement.refused, *judgement.accepted) if each.rule.id not in OF_EVERY_MAJOR)
    return [each for each in found if each.needs >= Step.MAJOR]


@pytest.mark.parametrize("edit", EDITS, ids=[edit["id"] for edit in EDITS])
def test_breaking_edit_is_never_called_safe(edit: dict[str, Any], tmp_path: Path) -> None:
    workshop = made(edit, tmp_path)
    if edit.get("unreadable"):
        assert edit["unreadable"] in unreadable(workshop)
        return
    tree = Tree.read(tmp_path)
    judgement = workshop.judge(tree=tree)
    rules = sorted({each.rule.id for each in judgement.refused})
    if not edit["accept"]:
        assert not judgement.is_accepted, f"accepted, and it is not: {edit['story']}"
    elif edit.get("unnecessarily_refused"):
        assert not judgement.is_accepted, "the gate has learnt to accept this; say so in the corpus"
    else:
        assert judgement.is_accepted, f"refused by {rules}: {[each.what for each in judgement.refused]}"
        assert not contradictions(tree)
    if edit["breaks"]:
        directions = {name for each in breaking(judgement) for name in each.directions}
        assert set(edit["breaks"]) <= directions, f"{rules} do not name them all"
    if "who" in edit:
        assert set(edit["who"]) <= {role for each in breaking(judgement) for role in each.who}
    for each in judgement.refused:
        assert each.witness or each.rule.id not in ("senders-broken", "receivers-broken")
        assert each.who or not each.directions, f"{each.rule.id} does not say whom it breaks"
    assert not misplaced(judgement, tree)


def misplaced(judgement: Judgement, tree: Tree) -> list[str]:
    """Return the refused findings that are shown far from every changed line."""
    shown = [each for each in items(judgement, tree) if each.verdict == "refused"]
    return [
        f"{each.finding.rule.id} at {each.place}"
        for each in shown
        if each.finding.rule.id not in ABOUT_THE_UNCHANGED and not is_near(each.place, tree.root)
    ]


def is_near(place: Place, root: Path) -> bool:
    """Return true if a line of the sentence or of the object that begins at a place was changed."""
    file = root / place.file
    new = file.read_text("utf-8").splitlines() if file.is_file() else []
    changed = changed_lines(original(place.file).splitlines(), new)
    most = OBJECT_LINES if file.suffix == ".json" else SENTENCE_LINES
    return any(place.line <= line <= place.line + most for line in changed)


def changed_lines(old: list[str], new: list[str]) -> set[int]:
    """Return the numbers of lines that are new, and of those around deleted ones."""
    found = set[int]()
    for tag, _, _, first, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        found |= set() if tag == "equal" else set(range(first + 1, end + 1)) or {first, first + 1}
    return found


@pytest.mark.parametrize(("edit", "version"), TOO_SMALL, ids=[f"{edit['id']}-{version}" for edit, version in TOO_SMALL])
def test_too_small_number_is_refused(edit: dict[str, Any], version: str, tmp_path: Path) -> None:
    workshop = made(at_version(edit, version), tmp_path)
    try:
        tree = Tree.read(tmp_path)
    except ReleaseError:
        return
    assert contradictions(tree) or not workshop.judge(tree=tree).is_accepted


def unreadable(workshop: Workshop) -> str:
    """Return why the tree cannot be judged, all reasons together."""
    try:
        return "\n".join(contradictions(Tree.read(workshop.root)))
    except ReleaseError as error:
        return str(error)


def test_the_gate_refuses_little_that_it_need_not() -> None:
    acceptable = [edit for edit in EDITS if edit["accept"]]
    refused = [edit["id"] for edit in acceptable if edit.get("unnecessarily_refused")]
    assert len(refused) <= MOST_UNNECESSARY * len(acceptable), refused


def test_half_of_the_edits_break_somebody() -> None:
    assert len(EDITS) >= 60
    judged = [edit for edit in EDITS if not edit.get("unreadable")]
    breaks = [edit for edit in judged if edit["needs"] in ("major", "never")]
    assert 0.4 <= len(breaks) / len(judged) <= 0.6
