"""The extractor: what it reads from the spec's mark-up, and what it finds wrong with it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.protocol.requirements import Requirement, section_link
from conformance.specification.checks import text_problems
from conformance.specification.markdown import Kind, SpecError, blocks
from conformance.specification.statements import Spec

WriteSpec = Callable[..., Path]

TITLE = "# Framing (FRM)\n\n"

CLEAN = """# Framing (FRM)

What must be said in lower case, or as `MUST` in a code span, explains; UTF-8 and SHA-256 are no ids.

```
**[FRM-900]** A server MUST NOT be found in a code block, FRM-901.
```

**[FRM-002]** A sender
MUST open every frame
with a `header. It`.

## Being read

**[FRM-001]** A server that is asked SHOULD NOT answer; see [FRM-002](#sending).

*Since: 1.1.* *Verified by: vector.*

| FRM-001 | a table may refer to an id |
|---|---|

**[FRM-007]** A client MAY do this.

*Excluded: nobody sees it. At all.*

*Deprecated: 1.2, use FRM-002.*
"""


def problems(folder: Path) -> list[tuple[int, str]]:
    return [(problem.line, problem.what) for problem in text_problems(Spec.read(folder))]


def sole_requirement(folder: Path) -> Requirement:
    spec = Spec.read(folder)
    assert text_problems(spec) == []
    (requirement,) = spec.requirements()
    return requirement


def test_clean_text_has_no_problem(write_spec: WriteSpec) -> None:
    assert problems(write_spec(CLEAN)) == []


def test_requirements_come_in_the_order_of_the_text(write_spec: WriteSpec) -> None:
    other = "# Encoding (ENC)\n\n**[ENC-001]** A receiver MUST read.\n"
    spec = Spec.read(write_spec(CLEAN, **{"02-encoding": other}))
    assert [requirement.id for requirement in spec.requirements()] == ["FRM-002", "FRM-001", "FRM-007", "ENC-001"]


def test_requirement_states_everything_about_itself(write_spec: WriteSpec) -> None:
    text = "A sender MUST open\n  every `frame`."
    found = sole_requirement(write_spec(f"{TITLE}## Sending *frames*, now\n\n**[FRM-002]** {text}\n"))
    sentence = "A sender MUST open every `frame`."
    assert found == Requirement(
        id="FRM-002",
        level="must",
        target="both",
        section="01-framing#sending-frames-now",
        text=sentence,
        sha256=hashlib.sha256(sentence.encode()).hexdigest(),
        since="1.0",
        status="active",
        verify="case",
        reason=None,
    )
    assert section_link(found) == "spec/01-framing.md#sending-frames-now"


@pytest.mark.parametrize(
    ("sentence", "level", "target"),
    [
        ("A server MUST go.", "must", "server"),
        ("A server MUST\nNOT go.", "must", "server"),
        ("A client SHOULD go.", "should", "client"),
        ("A client that is old SHOULD NOT go.", "should", "client"),
        ("A receiver MAY go.", "may", "both"),
    ],
)
def test_sentence_decides_level_and_target(write_spec: WriteSpec, sentence: str, level: str, target: str) -> None:
    found = sole_requirement(write_spec(f"{TITLE}**[FRM-001]** {sentence}\n"))
    assert (found.level, found.target) == (level, target)


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        ("*Since: 1.3.*", {"since": "1.3"}),
        ("*Verified by: schema.*", {"verify": "schema"}),
        ("*Excluded: memory cannot\nbe seen.*", {"verify": "excluded", "reason": "memory cannot be seen"}),
        ("*Deprecated: 1.1.*", {"status": "deprecated"}),
        ("*Withdrawn: 2.0, see ENC-001.*\n\n*Since: 1.1.*", {"status": "withdrawn", "since": "1.1"}),
    ],
)
def test_notes_decide_the_rest(write_spec: WriteSpec, notes: str, expected: dict[str, Any]) -> None:
    other = "# Encoding (ENC)\n\n**[ENC-001]** A receiver MUST read.\n"
    folder = write_spec(f"{TITLE}**[FRM-001]** A server MUST go.\n\n{notes}\n", **{"02-encoding": other})
    assert problems(folder) == []
    found = Spec.read(folder).requirements()[0]
    assert {name: getattr(found, name) for name in expected} == expected


GOOD = "**[FRM-001]** A server MUST go.\n"

DEFECTS = {
    # key words
    "key word in prose": (f"{GOOD}\nIt MUST\ngo.\n", [(5, "MUST outside a requirement")]),
    "key words in prose, of two lines": (
        f"{GOOD}\nIt\nSHALL\nNOT and NOT RECOMMENDED.\n",
        [(6, "SHALL NOT outside a requirement"), (7, "NOT RECOMMENDED outside a requirement")],
    ),
    "key word in a table": (f"{GOOD}\n| a |\n|---|\n| it MAY |\n", [(7, "MAY outside a requirement")]),
    "key word in a heading": (f"{GOOD}\n## What is REQUIRED\n", [(5, "REQUIRED outside a requirement")]),
    "key word in a list": (f"{GOOD}\n- OPTIONAL\n", [(5, "OPTIONAL outside a requirement")]),
    "key word behind a code block": (f"{GOOD}\n```\nMUST\n```\nSHOULD\n", [(8, "SHOULD outside a requirement")]),
    "no key word": ("**[FRM-001]** A server goes.\n", [(3, "FRM-001 has no key word")]),
    "key word only in a code span": ("**[FRM-001]** A server `MUST` go.\n", [(3, "FRM-001 has no key word")]),
    "two levels": (
        "**[FRM-001]** A server MUST go and SHOULD run.\n",
        [(3, "FRM-001 has several key words (MUST, SHOULD)")],
    ),
    "two duties": (
        "**[FRM-001]** A server MUST go and MUST run.\n",
        [(3, "FRM-001 has several key words (MUST, MUST)")],
    ),
    "unused synonym": ("**[FRM-001]** A server SHALL go.\n", [(3, "FRM-001 uses SHALL")]),
    # sentences
    "two sentences": ("**[FRM-001]** A server MUST go. It runs.\n", [(3, "FRM-001 has more than one sentence")]),
    "two sentences, the first in parentheses": (
        "**[FRM-001]** A server MUST go (or run.) `Then` it sits.\n",
        [(3, "FRM-001 has more than one sentence")],
    ),
    "note in the paragraph": (
        f"{GOOD}*Since: 1.1.*\n",
        [(3, "FRM-001 does not end with a full stop"), (3, "FRM-001 has more than one sentence")],
    ),
    "no full stop": ("**[FRM-001]** A server MUST go\n", [(3, "FRM-001 does not end with a full stop")]),
    "another subject": ("**[FRM-001]** Servers MUST go.\n", [(3, "FRM-001 does not name the role it binds")]),
    "nobody's subject": ("**[FRM-001]** A frame MUST go.\n", [(3, "FRM-001 does not name the role it binds")]),
    # ids
    "id twice": (f"{GOOD}\n{GOOD}", [(5, "FRM-001 is already the id of 01-framing.md:3")]),
    "foreign family": ("**[ENC-001]** A server MUST go.\n", [(3, "ENC-001 is in the chapter of FRM")]),
    "undefined id": (f"{GOOD}\nSee FRM-002.\n", [(5, "FRM-002 is not defined")]),
    "undefined id in a requirement": ("**[FRM-001]** A server MUST go (ERR-011).\n", [(3, "ERR-011 is not defined")]),
    "undefined id in a table": (f"{GOOD}\n| FRM-1 |\n", [(5, "FRM-1 is not defined")]),
    # marks
    "mark without brackets": (
        "**FRM-001** A server goes.\n",
        [(3, "**FRM-001** is not a mark"), (3, "FRM-001 is not defined")],
    ),
    "mark without bold": (f"{GOOD}\n[FRM-001] A server goes.\n", [(5, "[FRM-001] is not a mark")]),
    "mark in lower case": (f"{GOOD}\n**[frm-002]** A server goes.\n", [(5, "**[frm-002]** is not a mark")]),
    "mark with a short number": (
        f"{GOOD}\n[FRM-1] A server goes.\n",
        [(5, "FRM-1 is not defined"), (5, "[FRM-1] is not a mark")],
    ),
    "mark without a space": (f"{GOOD}\n**[FRM-001]**A server goes.\n", [(5, "**[FRM-001]** is not a mark")]),
    "mark inside a paragraph": (
        f"{GOOD}**[FRM-001]** A server goes.\n",
        [(3, "FRM-001 has more than one sentence"), (4, "**[FRM-001]** is not a mark")],
    ),
    "mark in a list": (f"{GOOD}\n- **[FRM-001]** A server goes.\n", [(5, "**[FRM-001]** is not a mark")]),
    # notes
    "unknown note": (f"{GOOD}\n*Sicne: 1.1.*\n", [(3, 'FRM-001 has an unknown note "Sicne"')]),
    "note without a version": (f"{GOOD}\n*Since: now.*\n", [(3, 'FRM-001 has a note "Since" with the value "now"')]),
    "unknown means": (
        f"{GOOD}\n*Verified by: case.*\n",
        [(3, 'FRM-001 has a note "Verified by" with the value "case"')],
    ),
    "note twice": (
        f"{GOOD}\n*Since: 1.1.*\n*Since: 1.1.*\n",
        [(3, "FRM-001 has notes that contradict each other (Since, Since)")],
    ),
    "contradicting notes": (
        f"{GOOD}\n*Excluded: why.*\n\n*Verified by: vector.*\n",
        [(3, "FRM-001 has notes that contradict each other (Excluded, Verified by)")],
    ),
    "note behind explanation": (
        f"{GOOD}\nWhy.\n\n*Since: 1.1.*\n",
        [(7, "a note that belongs to no requirement")],
    ),
    "unknown note behind explanation": (
        f"{GOOD}\nWhy.\n\n*Sicne: 1.1.*\n",
        [(7, "a note that belongs to no requirement")],
    ),
    "note without a colon": (f"{GOOD}\n*Withdrawn 1.1.*\n", [(5, "a note that belongs to no requirement")]),
    # structure
    "open code block": (f"{GOOD}\n```\nMUST\n``\n", [(5, "a code block without an end")]),
    "heading twice": (f"{GOOD}\n## Limits\n\n## Limits\n", [(7, "the chapter already has this heading")]),
}


@pytest.mark.parametrize(("text", "expected"), DEFECTS.values(), ids=DEFECTS)
def test_check_reports_defect(write_spec: WriteSpec, text: str, expected: list[tuple[int, str]]) -> None:
    assert problems(write_spec(TITLE + text)) == expected


def test_check_reports_chapter_without_family(write_spec: WriteSpec) -> None:
    assert problems(write_spec(f"# Framing\n\n{GOOD}")) == [(3, "FRM-001 is in a chapter without a family")]


def test_check_finds_an_id_used_in_two_chapters(write_spec: WriteSpec) -> None:
    folder = write_spec(TITLE + GOOD, **{"02-more": TITLE + GOOD})
    assert [str(problem) for problem in text_problems(Spec.read(folder))] == [
        f"{folder}/02-more.md:3: FRM-001 is already the id of 01-framing.md:3; choose a number that was never used"
    ]


def test_requirement_in_the_readme_is_a_problem(write_spec: WriteSpec) -> None:
    spec = write_spec(TITLE + GOOD, README="# A protocol\n\n**[FRM-001]** A server MUST go.\n")
    assert problems(spec) == [(3, "a requirement in the README, which nothing checks")]


def test_check_reads_references_in_the_readme_and_nothing_else_there(write_spec: WriteSpec) -> None:
    readme = "# A protocol\n\nThe key words MUST and MAY, and marks as in **[FRM-001]**.\n\nSee FRM-003.\n"
    assert problems(write_spec(TITLE + GOOD, README=readme)) == [(5, "FRM-003 is not defined")]


def test_check_leaves_other_files_alone(write_spec: WriteSpec) -> None:
    assert problems(write_spec(TITLE + GOOD, notes="It MUST be FRM-999.\n")) == []


def test_empty_chapter_has_no_problem(write_spec: WriteSpec) -> None:
    assert problems(write_spec(TITLE + GOOD, **{"02-empty": ""})) == []


@pytest.mark.parametrize("missing", ["README.md", "01-framing.md"])
def test_reading_an_incomplete_folder_fails(write_spec: WriteSpec, missing: str) -> None:
    folder = write_spec(TITLE + GOOD)
    (folder / missing).unlink()
    with pytest.raises(SpecError, match=r"^[^\n]*spec[^\n]*$"):
        Spec.read(folder)


def test_reading_a_chapter_that_is_not_utf8_fails(write_spec: WriteSpec) -> None:
    folder = write_spec(TITLE + GOOD)
    (folder / "01-framing.md").write_bytes(b"# Fr\xe4ming\n")
    with pytest.raises(SpecError, match=r"01-framing\.md: cannot be read"):
        Spec.read(folder)


def test_blocks_begin_where_the_kind_of_line_changes() -> None:
    text = "# A\ntext\nmore\n| t |\n~~~~ python\n~~~\n~~~~ no\n# no\n~~~~~\n```\n```\ntext\n## B\n## C"
    assert [(block.kind, block.line, len(block.lines)) for block in blocks(text)] == [
        (Kind.HEADING, 1, 1),
        (Kind.PARAGRAPH, 2, 2),
        (Kind.TABLE, 4, 1),
        (Kind.FENCE, 5, 5),
        (Kind.FENCE, 10, 2),
        (Kind.PARAGRAPH, 12, 1),
        (Kind.HEADING, 13, 1),
        (Kind.HEADING, 14, 1),
    ]
