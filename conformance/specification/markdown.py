"""The spec's Markdown as blocks: headings, paragraphs, tables and fenced code, each with its first line.

The parser reads only the Markdown that the chapters use: a block ends at an empty line or at a line of another kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from pathlib import Path

from conformance.protocol.files import read_text

_CHAPTERS = "[0-9][0-9]-*.md"
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
_FAMILY = re.compile(r"\(([A-Z]{3})\)$")
_NOT_IN_ANCHOR = re.compile(r"[^\w\- ]")


class SpecError(Exception):
    """A spec folder or a file in it cannot be read; the message names it on one line."""


class Kind(Enum):
    """The kind of a block."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    TABLE = "table"
    FENCE = "fence"


@dataclass(slots=True)
class Block:
    """Consecutive lines of one kind; ``line`` is the number of the first, counted from 1."""

    kind: Kind
    line: int
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The lines, unchanged."""
        return "\n".join(self.lines)

    @property
    def sentence(self) -> str:
        """The lines joined to one, with single spaces."""
        return " ".join(self.text.split())

    @property
    def prose(self) -> str:
        """The lines with spaces in place of code spans; offsets are the same as in ``text``."""
        return _without_code_spans(self.text)

    @property
    def anchor(self) -> str:
        """The fragment that a Markdown renderer gives to this heading."""
        title = self.text.lstrip("#").strip().lower()
        return _NOT_IN_ANCHOR.sub("", title).replace(" ", "-")

    def line_at(self, offset: int) -> int:
        """Return the line of the character at an offset of ``text``."""
        return self.line + self.text.count("\n", 0, offset)


@lru_cache(maxsize=4096)  # more than a spec has blocks; every check asks again
def _without_code_spans(text: str) -> str:
    return _CODE_SPAN.sub(lambda span: re.sub(r"[^\n]", " ", span[0]), text) if "`" in text else text


@dataclass(frozen=True, slots=True)
class Chapter:
    """A file of the spec."""

    path: Path
    blocks: list[Block]

    @property
    def name(self) -> str:
        """The file's name without its suffix, as in a requirement's section."""
        return self.path.stem

    @property
    def is_readme(self) -> bool:
        """True for the README, which may have comments and tables of other tools."""
        return self.name == "README"

    @property
    def family(self) -> str | None:
        """The family of ids, from the parentheses in the chapter's title, if any."""
        title = next((block for block in self.blocks if block.kind is Kind.HEADING), None)
        found = title and _FAMILY.search(title.text)
        return found[1] if found else None


def read_chapters(folder: Path) -> list[Chapter]:
    """Read the chapters of the spec in a folder, in their order.

    Raises SpecError if there is none or one cannot be read.
    """
    paths = chapter_files(folder)
    if not paths:
        raise SpecError(f"{folder}: no chapter of the spec ({_CHAPTERS}) in this folder")
    return [read_chapter(path) for path in paths]


def chapter_files(folder: Path) -> list[Path]:
    """Return the chapter files in a folder, in their order."""
    return sorted(folder.glob(_CHAPTERS))


def read_chapter(path: Path) -> Chapter:
    """Read one Markdown file. Raises SpecError if it cannot be read, or has a comment across paragraphs."""
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        raise SpecError(f"{path}: cannot be read ({error})") from error
    if text.startswith("\ufeff"):
        raise SpecError(f"{path}:1: begins with a byte order mark; save it without")
    chapter = Chapter(path, list(_blocks_of(text)))
    for block in chapter.blocks:
        if block.kind is not Kind.FENCE and block.prose.count("<!--") != block.prose.count("-->"):
            raise SpecError(
                f"{path}:{block.line}: a comment must end in its paragraph; the kit would still read its content"
            )
    return chapter


@lru_cache(maxsize=64)  # most chapters of two trees are equal; nothing changes a block once it is whole
def _blocks_of(text: str) -> tuple[Block, ...]:
    return tuple(blocks(text))


def blocks(markdown: str) -> Iterator[Block]:
    """Split a text into its blocks. A fence that is never closed extends to the end of the text."""
    block: Block | None = None
    for number, line in enumerate(markdown.splitlines(), start=1):
        if block and _is_open_fence(block):
            block.lines.append(line)
            continue
        kind = _kind(line)
        if block and _ends(block, kind):
            yield block
            block = None
        if kind:
            block = block or Block(kind, number)
            block.lines.append(line)
    if block:
        yield block


def is_closed_fence(block: Block) -> bool:
    """Return true if a fence ends with a closing line: only marks, at least as many as opened it."""
    opening, last = _FENCE.match(block.lines[0]), block.lines[-1].strip()
    if not opening or len(block.lines) == 1:
        return False
    marks = opening[1]
    return last.startswith(marks) and not last.strip(marks[0])


def _is_open_fence(block: Block) -> bool:
    return block.kind is Kind.FENCE and not is_closed_fence(block)


def _ends(block: Block, following: Kind | None) -> bool:
    return following is not block.kind or block.kind in (Kind.HEADING, Kind.FENCE)


def _kind(line: str) -> Kind | None:
    """Return the kind of block of a line outside a fence; None for an empty line."""
    if not line.strip():
        return None
    if _FENCE.match(line):
        return Kind.FENCE
    if line.startswith("#"):
        return Kind.HEADING
    return Kind.TABLE if line.lstrip().startswith("|") else Kind.PARAGRAPH
