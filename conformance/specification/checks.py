"""Checks of the spec's text.

Each check is a generator over the whole spec. A new check is one function and one line in a table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from conformance.specification.markdown import Block, Chapter, Kind, is_closed_fence
from conformance.specification.statements import (
    KEY_WORD,
    LEVELS,
    MARK,
    NOTES,
    TARGETS,
    Spec,
    Statement,
    is_note,
    note_pairs,
)

# The names of encodings and digests look like ids.
_ID = r"(?!UTF-|SHA-)[A-Za-z]{3}-\d+"
_REFERENCE = re.compile(r"\b(?!UTF-|SHA-)[A-Z]{3}-\d+\b")
_MARK_ATTEMPT = re.compile(rf"\*\*\s*\[?\s*{_ID}\s*\]?\s*\*\*|\[{_ID}\](?![(\[:])")
_NOTE_ATTEMPT = re.compile(rf"[*_]+({'|'.join(NOTES)})\b")
_SENTENCE_END = re.compile(r"[.!?][)\"'”]*\s")
_EXCLUSIVE_NOTES = (("Verified by", "Excluded"), ("Deprecated", "Withdrawn"))


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """A problem in a file of the spec, and how to fix it; as a string, one line."""

    path: Path
    line: int
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}; {self.remedy}"


def text_problems(spec: Spec) -> list[Problem]:
    """Find the problems of the text, in the order of files and lines."""
    return sorted({problem for check in _TEXT_CHECKS for problem in check(spec)})


def _at(chapter: Chapter, block: Block, offset: int, what: str, remedy: str) -> Problem:
    return Problem(chapter.path, block.line_at(offset), what, remedy)


def _of(statement: Statement, what: str, remedy: str) -> Problem:
    return _at(statement.chapter, statement.paragraph, 0, f"{statement.id} {what}", remedy)


def _sentence_problems(spec: Spec) -> Iterator[Problem]:
    for statement in spec.statements:
        prose = " ".join(MARK.sub("", statement.paragraph.prose, count=1).split())
        if _SENTENCE_END.search(prose):
            yield _of(statement, "has more than one sentence", "move explanations and notes to separate paragraphs")
        if not statement.text.endswith("."):
            yield _of(statement, "does not end with a full stop", "write one complete sentence")


def _key_word_problems(spec: Spec) -> Iterator[Problem]:
    for statement in spec.statements:
        words = statement.key_words
        if not words:
            yield _of(statement, "has no key word", f"use one of {', '.join(LEVELS)}, or remove the id")
        if len(words) > 1:
            yield _of(statement, f"has several key words ({', '.join(words)})", "make each duty its own requirement")
        for word in words:
            if word not in LEVELS:
                yield _of(statement, f"uses {word}", f"use one of {', '.join(LEVELS)}")


def _subject_problems(spec: Spec) -> Iterator[Problem]:
    for statement in spec.statements:
        if statement.subject not in TARGETS:
            yield _of(
                statement,
                "does not name the role it binds",
                f"begin it with {', '.join(f'A {role}' for role in TARGETS)}",
            )


def _family_problems(spec: Spec) -> Iterator[Problem]:
    for statement in spec.statements:
        family, own = statement.chapter.family, statement.id[:3]
        if family is None:
            yield _of(statement, "is in a chapter without a family", f"name the family in the title: # Title ({own})")
        elif family != own:
            yield _of(statement, f"is in the chapter of {family}", f"number it {family}-nnn")


def _duplicate_problems(spec: Spec) -> Iterator[Problem]:
    first: dict[str, Statement] = {}
    for statement in spec.statements:
        other = first.setdefault(statement.id, statement)
        if other is not statement:
            where = f"{other.chapter.path.name}:{other.paragraph.line}"
            yield _of(statement, f"is already the id of {where}", "choose a number that was never used")


def _note_problems(spec: Spec) -> Iterator[Problem]:
    for statement in spec.statements:
        pairs = [pair for block in statement.notes for pair in note_pairs(block)]
        labels = [label for label, _ in pairs]
        for label, value in pairs:
            form, example = NOTES.get(label, (None, ""))
            if form is None:
                yield _of(statement, f'has an unknown note "{label}"', f"use one of {', '.join(NOTES)}")
            elif not form.fullmatch(value):
                yield _of(
                    statement, f'has a note "{label}" with the value "{value}"', f"write it like *{label}: {example}.*"
                )
        if len(set(labels)) < len(labels) or any({*rivals} <= {*labels} for rivals in _EXCLUSIVE_NOTES):
            yield _of(statement, f"has notes that contradict each other ({', '.join(labels)})", "keep one")


def _stray_note_problems(spec: Spec) -> Iterator[Problem]:
    attached = {id(block) for statement in spec.statements for block in statement.notes}
    for chapter in spec.chapters:
        for block in _of_kind(chapter, Kind.PARAGRAPH):
            if id(block) not in attached and (_NOTE_ATTEMPT.match(block.text) or is_note(block)):
                what = "a note that belongs to no requirement"
                yield _at(chapter, block, 0, what, "put *Label: value.* directly after one")


def _mark_problems(spec: Spec) -> Iterator[Problem]:
    for chapter in spec.chapters:
        for block in _prose(chapter):
            opening = MARK.match(block.text) if block.kind is Kind.PARAGRAPH else None
            for attempt in _MARK_ATTEMPT.finditer(block.prose, opening.end() if opening else 0):
                what, remedy = f"{attempt[0]} is not a mark", "begin the paragraph with **[ABC-001]** and a space"
                yield _at(chapter, block, attempt.start(), what, remedy)


def _readme_problems(spec: Spec) -> Iterator[Problem]:
    for block in _of_kind(spec.readme, Kind.PARAGRAPH):
        if MARK.match(block.text):
            yield _at(
                spec.readme, block, 0, "a requirement in the README, which nothing checks", "move it to a chapter"
            )


def _stray_key_word_problems(spec: Spec) -> Iterator[Problem]:
    bound = {id(statement.paragraph) for statement in spec.statements}
    for chapter in spec.chapters:
        for block in _prose(chapter):
            for word in KEY_WORD.finditer(block.prose) if id(block) not in bound else ():
                what = f"{' '.join(word[0].split())} outside a requirement"
                yield _at(chapter, block, word.start(), what, "write it in lower case, or give the sentence an id")


def _reference_problems(spec: Spec) -> Iterator[Problem]:
    defined = {statement.id for statement in spec.statements}
    for chapter in (*spec.chapters, spec.readme):
        for block in _prose(chapter):
            for reference in _REFERENCE.finditer(block.text):
                if reference[0] not in defined:
                    what = f"{reference[0]} is not defined"
                    yield _at(chapter, block, reference.start(), what, "use the id of a requirement")


def _structure_problems(spec: Spec) -> Iterator[Problem]:
    for chapter in spec.chapters:
        for block in _of_kind(chapter, Kind.FENCE):
            if not is_closed_fence(block):
                yield _at(chapter, block, 0, "a code block without an end", "close it")
        anchors: set[str] = set()
        for block in _of_kind(chapter, Kind.HEADING):
            if block.anchor in anchors:
                yield _at(
                    chapter, block, 0, "the chapter already has this heading", "rename one; links need unique headings"
                )
            anchors.add(block.anchor)


def _prose(chapter: Chapter) -> Iterator[Block]:
    return (block for block in chapter.blocks if block.kind is not Kind.FENCE)


def _of_kind(chapter: Chapter, kind: Kind) -> Iterator[Block]:
    return (block for block in chapter.blocks if block.kind is kind)


_TEXT_CHECKS: tuple[Callable[[Spec], Iterator[Problem]], ...] = (
    _structure_problems,
    _mark_problems,
    _family_problems,
    _duplicate_problems,
    _sentence_problems,
    _subject_problems,
    _key_word_problems,
    _stray_key_word_problems,
    _note_problems,
    _stray_note_problems,
    _reference_problems,
    _readme_problems,
)
