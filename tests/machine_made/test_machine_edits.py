"""The pure parts of machine-made mutants: which edits count, which are drawn, and how they are shown."""

from __future__ import annotations

import json

import pytest
from machine_edits import Edit, Place, difference, edits_of_dump, is_effective, shuffled

SOURCE = "def limit(size: int | None = 3) -> int | None:\n    return size + 1\n"


def _edit(line: int, operator: str) -> Edit:
    return Edit(Place("a.py", "ReplaceBinaryOperator", line, 4, "limit"), operator, "{}", line)


EDITS = [_edit(line, f"core/ReplaceBinaryOperator_Add_{name}") for line in range(40) for name in ("Sub", "Mul", "Div")]


@pytest.mark.parametrize(
    ("old", "new", "is_one"),
    [
        ("size + 1", "size - 1", True),
        ("= 3", "= 4", True),
        ("size: int | None", "size: int & None", False),
        ("-> int | None", "-> int ^ None", False),
        ("size + 1", "size + (1)", False),
        ("size + 1", "size + + ", False),
    ],
)
def test_edit_counts_if_it_changes_more_than_annotations_and_can_be_parsed(old: str, new: str, is_one: bool) -> None:
    assert is_effective(SOURCE, SOURCE.replace(old, new)) is is_one


def test_edit_of_a_variables_annotation_does_not_count() -> None:
    assert not is_effective("size: int | None = 3\n", "size: int & None = 3\n")
    assert is_effective("size: int | None = 3\n", "size: int | None = 4\n")


def test_sample_depends_on_the_seed_only() -> None:
    assert shuffled(EDITS, 1) == shuffled(reversed(EDITS), 1)
    assert shuffled(EDITS, 1) != shuffled(EDITS, 2)


def test_sample_has_each_place_once_with_all_its_alternatives() -> None:
    drawn = shuffled(EDITS, 1)
    assert len(drawn) == 40
    assert all(len({edit.place for edit in edits}) == 1 and len(edits) == 3 for edits in drawn)


def test_new_place_moves_no_others() -> None:
    without = [edits[0] for edits in shuffled([each for each in EDITS if each.place.line != 7], 1)]
    assert [edits[0] for edits in shuffled(EDITS, 1) if edits[0].place.line != 7] == without


def test_dump_of_cosmic_ray_is_read() -> None:
    found = {
        "module_path": "reference_server/protocol/frames.py",
        "operator_name": "core/ReplaceBinaryOperator_Add_Sub",
        "operator_args": {},
        "occurrence": 2,
        "start_pos": [12, 4],
        "definition_name": None,
    }
    (edit,) = edits_of_dump([json.dumps([{"mutations": [found]}, None])])
    assert edit.place == Place("protocol/frames.py", "ReplaceBinaryOperator", 12, 4, "")
    assert (edit.operator, edit.occurrence) == ("core/ReplaceBinaryOperator_Add_Sub", 2)


def test_difference_is_shown_on_one_line() -> None:
    old = "if (\n    a\n    and b\n):\n    pass\n"
    assert difference(old, old.replace("and b", "or b")) == ("and b", "or b")
    assert difference(SOURCE, SOURCE.replace("+ 1", "- 1")) == ("return size + 1", "return size - 1")
