"""Every rule: edits that it is about, at a version that is too small and at one that allows them, and others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from edits import Edit, Hit, Miss, new_schema
from evasions import EVASIONS
from jsonschema import Draft202012Validator
from protocol_tree import Workshop
from rule_hits import HITS
from rule_near_misses import MISSES

from conformance.gate.inputs.working_tree import Tree
from conformance.gate.model.findings import Finding
from conformance.gate.model.judgement import Judgement
from conformance.gate.model.version import Step, Version
from conformance.gate.rules import RULES
from conformance.gate.rules.comparison import Comparison

OF_THE_VERSION = {"version-back", "version-skipped", "id-kept", "changelog-missing", "release-edited"}
FIRST = Version(1, 0)
EVERY_ID = ", ".join(
    f"{family}-{number:03}" for family in ("SYS", "FRM", "LIM", "PRE", "SUB", "HRD") for number in range(1, 20)
)


def made(folder: Path, before: Any, edits: Any) -> Workshop:
    """Make a version and its edits."""
    workshop = Workshop(folder, vectors=("batch",))
    for edit in before:
        edit(workshop)
    if before:
        workshop.before = Tree.read(folder).release
    for edit in edits:
        edit(workshop)
    return workshop


def at(workshop: Workshop, version: Version) -> Judgement:
    """Judge the edits as that version."""
    title = workshop.root / "spec" / "README.md"
    lines = title.read_text("utf-8").splitlines(keepends=True)
    title.write_text("".join([f"{lines[0].rpartition(' ')[0]} {version}\n", *lines[1:]]), "utf-8")
    (workshop.root / "CHANGELOG.md").write_text(f"### Protocol {version}\n\nTouches {EVERY_ID}.\n", "utf-8")
    return workshop.judge()


def as_version(workshop: Workshop, tree: Tree, version: Version) -> Judgement:
    """Judge edits that were read, as that version."""
    release = replace(tree.release, version=version)
    return workshop.judge(tree=replace(tree, release=release, changes={version: f"Touches {EVERY_ID}."}))


def of_rule(found: list[Finding], rule: str) -> list[Finding]:
    return [each for each in found if each.rule.id == rule]


def version_just_below(step: Step) -> Version:
    """Return a version that is one step too small."""
    return {Step.PATCH: FIRST, Step.MINOR: Version(1, 0, 1), Step.MAJOR: Version(1, 1), Step.NEVER: Version(2, 0)}[step]


def name_of(each: Hit | Miss) -> str:
    return each.rule


@pytest.mark.parametrize("hit", [*HITS, *EVASIONS], ids=name_of)
def test_rule_finds_what_it_is_about_and_a_version_that_is_large_enough_allows_it(hit: Hit, tmp_path: Path) -> None:
    workshop, step = made(tmp_path, hit.before, hit.edits), RULES[hit.rule].step
    (first, *_), tree = workshop.before.vectors, Tree.read(tmp_path)
    small = as_version(workshop, tree, version_just_below(step))
    found = of_rule(small.refused, hit.rule)
    assert [each.pointer for each in found][:1] == [hit.pointer.format(first)]
    assert set(found[0].directions) == set(hit.breaks)
    assert not of_rule(small.accepted, hit.rule)
    for each in found:
        check_witness(each, Comparison(workshop.before, tree.release))
    if step < Step.NEVER:
        large = as_version(workshop, tree, FIRST.after(step))
        assert of_rule(large.accepted, hit.rule)
        assert not of_rule(large.refused, hit.rule)


@pytest.mark.parametrize("miss", MISSES, ids=name_of)
def test_rule_lets_its_neighbours_be(miss: Miss, tmp_path: Path) -> None:
    judgement = at(made(tmp_path, miss.before, miss.edits), Version(1, 1))
    assert not of_rule([*judgement.refused, *judgement.accepted], miss.rule)


def test_member_is_found_once_and_not_again_in_the_whole_message(tmp_path: Path) -> None:
    hit = next(hit for hit in HITS if hit.pointer == "members/connect:client.version")
    found = of_rule(at(made(tmp_path, hit.before, hit.edits), Version(1, 1)).refused, hit.rule)
    assert [each.pointer for each in found] == [hit.pointer]


def test_every_rule_has_both() -> None:
    assert {hit.rule for hit in [*HITS, *EVASIONS]} == set(RULES) - OF_THE_VERSION
    assert {miss.rule for miss in MISSES} == set(RULES) - OF_THE_VERSION


def check_witness(finding: Finding, comparison: Comparison) -> None:
    """See with another validator whether one version takes the witness and the other refuses it."""
    if finding.rule.id not in ("senders-broken", "receivers-broken"):
        assert finding.witness is None
        return
    assert finding.witness
    title = finding.what.partition(": ")[0]
    (old, new) = next(parts for parts in comparison.parts() if parts[1].title == title)
    message = finding.witness.message
    value = message if new.column == "schema" else message["payload"]
    schemas = {"1.0": comparison.old_views.receiver(old.reference), "1.1": comparison.new_views.receiver(new.reference)}
    takes = {version: Draft202012Validator(schema).is_valid(value) for version, schema in schemas.items()}
    assert takes == {finding.witness.sent_by: True, finding.witness.refused_by: False}


def edited(folder: Path, *edits: Edit) -> Workshop:
    return made(folder, [], edits)


def test_version_that_goes_back_is_refused(tmp_path: Path) -> None:
    workshop = edited(tmp_path)
    judgement = at(workshop, Version(0, 9))
    assert [each.rule.id for each in judgement.refused] == ["version-back"]
    assert at(workshop, FIRST).is_accepted


def test_change_without_a_word_in_the_changelog_is_refused(tmp_path: Path) -> None:
    workshop = edited(tmp_path, *next(hit for hit in HITS if hit.rule == "requirement-reworded").edits)
    assert at(workshop, Version(1, 0, 1)).is_accepted
    changelog = workshop.root / "CHANGELOG.md"
    for said in (
        "",
        "### Protocol 1.0.1\n",
        "### Protocol 1.0.1\n\nSYS-004 reads better.\n",
        "### Protocol 1.0\n\nSYS-003\n",
    ):
        changelog.write_text(said, "utf-8")
        assert [each.rule.id for each in workshop.judge().refused] == ["changelog-missing"], said


@pytest.mark.parametrize(
    ("released", "version", "is_next"),
    [
        ([], "1.0.1", True),
        ([], "1.1", True),
        ([], "2.0", True),
        ([], "1.2", False),
        ([], "1.1.1", False),
        ([], "3.0", False),
        (["1.1"], "1.2", True),
        (["1.1"], "1.0.1", True),
        (["1.1"], "1.1", True),
        (["1.1"], "1.3", False),
        (["1.1", "2.0"], "3.0", True),
    ],
)
def test_version_follows_the_latest_release(tmp_path: Path, released: list[str], version: str, is_next: bool) -> None:
    workshop = Workshop(tmp_path, vectors=("batch",))
    for each in released:
        workshop.add(f"spec/releases/{each}.json", "{}")
    found = at(workshop, Version.parse(version)).refused
    assert bool(of_rule(found, "version-skipped")) is not is_next


def test_new_major_number_is_in_every_identifier(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path, vectors=())
    workshop.renumber("2")
    assert not of_rule(at(workshop, Version(2, 0)).refused, "id-kept")
    workshop.replace("schemas/pong.schema.json", "/schemas/2/", "/schemas/1/")
    new_schema("hello")(workshop)
    (found,) = of_rule(at(workshop, Version(2, 0)).refused, "id-kept")
    assert found.pointer == "schemas/hello#/$id"
    assert found.what == "the $id of hello and of 1 more schemas does not have the major number 2"


@pytest.mark.parametrize(
    ("rule", "who"),
    [
        ("senders-broken", {"client"}),
        ("level-raised", {"client"}),
        ("level-lowered", {"client"}),
        ("duty-added", {"server"}),
        ("default-changed", {"client"}),
        ("limit-tightened", {"server"}),
        ("limit-loosened", {"client"}),
        ("event-added", {"client"}),
        ("error-code-added", {"client"}),
        ("header-changed", {"server", "client"}),
        ("table-reworded", set()),
    ],
)
def test_finding_says_which_role_breaks(tmp_path: Path, rule: str, who: set[str]) -> None:
    hit = next(hit for hit in HITS if hit.rule == rule)
    found = of_rule(at(made(tmp_path, hit.before, hit.edits), version_just_below(RULES[rule].step)).refused, rule)
    assert set(found[0].who) == who
