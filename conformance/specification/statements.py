"""The requirements in the spec's text: finds them, and turns their paragraphs into list entries.

The spec's README defines the mark-up: a paragraph begins with its id in bold brackets; notes in italics follow in the
paragraphs after it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from conformance.core.versions import FIRST_VERSION
from conformance.protocol.requirements import Level, Requirement, Target
from conformance.specification.markdown import Block, Chapter, Kind, read_chapter, read_chapters

MARK = re.compile(r"\*\*\[([A-Z]{3}-\d{3})\]\*\*\s")
KEY_WORD = re.compile(r"\b(?:(?:MUST|SHALL|SHOULD)(?:\s+NOT)?|(?:NOT\s+)?RECOMMENDED|MAY|REQUIRED|OPTIONAL)\b")
_SUBJECT = re.compile(r"A (\w+)")

# The key words that this spec uses; the synonyms in BCP 14 would only make sentences harder to compare.
LEVELS: dict[str, Level] = {
    "MUST": "must",
    "MUST NOT": "must",
    "SHOULD": "should",
    "SHOULD NOT": "should",
    "MAY": "may",
}
TARGETS: dict[str, Target] = {"server": "server", "client": "client", "sender": "both", "receiver": "both"}

_VERSION = r"\d+\.\d+"
# Label of a note: the form of its value, and an example of it.
NOTES = {
    "Since": (re.compile(_VERSION), "1.1"),
    "Verified by": (re.compile("vector|schema"), "vector"),
    "Excluded": (re.compile(".+"), "it cannot be observed"),
    "Deprecated": (re.compile(rf"{_VERSION}(, .+)?"), "1.1, see FRM-001"),
    "Withdrawn": (re.compile(rf"{_VERSION}(, .+)?"), "1.1, see FRM-001"),
}
_NOTE = re.compile(r"\*([A-Z][A-Za-z ]*): ([^*]+?)\.?\*(?!\*)")


@dataclass(frozen=True, slots=True)
class Statement:
    """A paragraph that begins with an id, with the heading above it and the notes after it."""

    chapter: Chapter
    heading: Block
    paragraph: Block
    notes: list[Block] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The id at the beginning of the paragraph."""
        return self.paragraph.text[3:10]

    @property
    def text(self) -> str:
        """The sentence, on one line and without its id."""
        return MARK.sub("", self.paragraph.sentence, count=1)

    @property
    def subject(self) -> str:
        """The word after the "A" that begins the sentence; empty if it begins differently."""
        found = _SUBJECT.match(self.text)
        return found[1] if found else ""

    @property
    def key_words(self) -> list[str]:
        """The key words of BCP 14 in it, except in code spans."""
        return key_words(self.paragraph)

    def note_values(self) -> dict[str, str]:
        """Collect the notes by label, without their final full stop."""
        return {label: value for block in self.notes for label, value in note_pairs(block)}


def key_words(block: Block) -> list[str]:
    """Return the key words of BCP 14 in a block, except in code spans, in their order."""
    return [" ".join(found[0].split()) for found in KEY_WORD.finditer(block.prose)]


def is_note(block: Block) -> bool:
    """Return true if a paragraph consists of notes, known or unknown."""
    return block.kind is Kind.PARAGRAPH and not _NOTE.sub("", block.sentence).strip()


def note_pairs(block: Block) -> list[tuple[str, str]]:
    """Return the label and value of each note in a paragraph of notes."""
    return _NOTE.findall(block.sentence)


def statements(chapter: Chapter) -> Iterator[Statement]:
    """Find the paragraphs of a chapter that begin with an id."""
    heading = Block(Kind.HEADING, 1)
    statement: Statement | None = None
    for block in chapter.blocks:
        if statement and is_note(block):
            statement.notes.append(block)
            continue
        if statement:
            yield statement
            statement = None
        if block.kind is Kind.HEADING:
            heading = block
        elif block.kind is Kind.PARAGRAPH and MARK.match(block.text):
            statement = Statement(chapter, heading, block)
    if statement:
        yield statement


def requirement(statement: Statement) -> Requirement:
    """Return the list entry of a statement without problems (see ``text_problems``)."""
    text = statement.text
    return Requirement(
        id=statement.id,
        level=LEVELS[statement.key_words[0]],
        target=TARGETS[statement.subject],
        section=f"{statement.chapter.name}#{statement.heading.anchor}",
        text=text,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        **_noted(statement.note_values()),
    )


def _noted(notes: dict[str, str]) -> dict[str, Any]:
    """Return the members of an entry that come from notes."""
    status = "withdrawn" if "Withdrawn" in notes else "deprecated" if "Deprecated" in notes else "active"
    reason = notes.get("Excluded")
    return {
        "since": notes.get("Since", FIRST_VERSION),
        "status": status,
        "verify": "excluded" if reason else notes.get("Verified by", "case"),
        "reason": reason,
    }


@dataclass(frozen=True, slots=True)
class Spec:
    """The text of a spec folder. The README explains the mark-up, so it has no statements."""

    folder: Path
    readme: Chapter
    chapters: list[Chapter]
    statements: list[Statement]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the README and the chapters in a folder. Raises SpecError if one cannot be read."""
        chapters = read_chapters(folder)
        readme = read_chapter(folder / "README.md")
        return cls(folder, readme, chapters, [found for chapter in chapters for found in statements(chapter)])

    def requirements(self) -> list[Requirement]:
        """List the requirements in the spec's order; the text must have no problems (see ``text_problems``)."""
        return [requirement(statement) for statement in self.statements]
