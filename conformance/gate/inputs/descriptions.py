"""What requirements rely on, besides their own sentences: marked terms, and marked tables of the members of a message.

A comment above the paragraph or table marks it: ``<!-- term: NAME -->`` a definition, ``<!-- terms: NAME -->`` a table
with a definition in each row, ``<!-- members: SCHEMA -->`` a
table with one row for each member of an object, and ``<!-- actions: SCHEMA -->`` a table with one row for each action,
whose column ``members`` names the members. The other cells of an action, such as its answer, are terms.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest

from conformance.gate.inputs.spec_tables import Found, cells_of
from conformance.gate.model.spec_table import Row
from conformance.specification.markdown import Block, Chapter, Kind, SpecError

TERMS, MEMBERS = "terms", "members"
_MARK = re.compile(r"<!-- ([a-z-]+): ([^<>]+?) -->")
_KINDS = ("term", "terms", "members", "actions")
_MEMBER = re.compile(r"`(\w+)`(?: \(([^)]*)\))?")
_REQUIRED, _OPTIONAL = re.compile(r"\brequired\b"), re.compile(r"\boptional\b|\bwhen absent\b")


def read_descriptions(chapters: list[Chapter]) -> list[Found]:
    """Find the marked terms, and the members that marked tables describe. The README may have other comments.

    Raises SpecError if a mark is unknown or has nothing below it, or if a term or a member is described twice.
    """
    found = [each for chapter in chapters for each in _of_chapter(chapter)]
    seen: dict[tuple[str, str], Found] = {}
    for each in found:
        other = seen.setdefault((each.table, each.key), each)
        if other is not each:
            raise SpecError(
                f"{each.chapter.path}:{each.line}: {each.key} is described a second time "
                f"(see {other.chapter.path.name}:{other.line}); keep one"
            )
    return found


def _of_chapter(chapter: Chapter) -> Iterator[Found]:
    for block, following in zip_longest(chapter.blocks, chapter.blocks[1:]):
        mark = _MARK.fullmatch(block.text.strip()) if block.kind is Kind.PARAGRAPH else None
        if not mark or (chapter.is_readme and mark[1] not in _KINDS):
            continue
        kind, name = mark.groups()
        where = f"{chapter.path}:{block.line}"
        if kind not in _KINDS:
            raise SpecError(f"{where}: there is no mark {kind}; the marks are {', '.join(_KINDS)}")
        is_term = kind == "term"
        if following is None or following.kind not in ((Kind.TABLE, Kind.PARAGRAPH) if is_term else (Kind.TABLE,)):
            wanted = "paragraph or table" if is_term else "table"
            raise SpecError(f"{where}: there is no {wanted} below the mark {mark[0]}; add it there")
        if is_term:
            yield Found(TERMS, name, {"term": name, "text": following.sentence}, chapter, following.line)
        else:
            yield from _READERS[kind](chapter, following, name)


def _of_terms(chapter: Chapter, block: Block, name: str) -> Iterator[Found]:
    for number, line in enumerate(block.lines[2:], start=block.line + 2):
        term, *meaning = cells_of(line)
        key = f"{name}/{term}"
        yield Found(TERMS, key, {"term": key, "text": " | ".join(meaning)}, chapter, number)


def _of_members(chapter: Chapter, block: Block, schema: str) -> Iterator[Found]:
    rows = list(_rows(chapter, block, "member"))
    says_required = any(_REQUIRED.search(said) for _, _, said, _ in rows)
    for line, name, said, raw in rows:
        is_required = bool(_REQUIRED.search(said)) if says_required else not _OPTIONAL.search(said)
        yield _found(chapter, line, _row(schema, name, raw, is_required))


def _of_actions(chapter: Chapter, block: Block, schema: str) -> Iterator[Found]:
    columns = cells_of(block.lines[0])
    if "members" not in columns:
        raise SpecError(f"{chapter.path}:{block.line}: the table of actions lacks the column members; add it")
    for number, line in enumerate(block.lines[2:], start=block.line + 2):
        cells = dict(zip(columns, cells_of(line), strict=False))
        listed = cells.get("members", "")
        listed = f"`{listed}`" if listed and "`" not in listed else listed
        for name, said in _MEMBER.findall(listed):
            action = f"{schema}#/$defs/{cells[columns[0]]}"
            yield _found(chapter, number, _row(action, name, said, not _OPTIONAL.search(said)))
        for column in columns[1:]:
            if column != "members":
                term = f"{schema}#/$defs/{cells[columns[0]]} {column}"
                yield Found(TERMS, term, {"term": term, "text": cells.get(column, "")}, chapter, number)


def _rows(chapter: Chapter, block: Block, key: str) -> Iterator[tuple[int, str, str, str]]:
    """Yield of each row its line, its key, and its other cells: without code spans, and as they are."""
    columns = cells_of(block.lines[0])
    if key not in columns[:1]:
        raise SpecError(f"{chapter.path}:{block.line}: the first column of this table must be {key}")
    for number, line in enumerate(block.lines[2:], start=block.line + 2):
        first, *rest = cells_of(line)
        raw = " | ".join(rest)
        yield number, first, re.sub(r"`[^`]*`", "", raw), raw


def _row(schema: str, name: str, said: str, is_required: bool) -> Row:
    return {"schema": schema, "member": name, "says": said, "required": "yes" if is_required else "no"}


def _found(chapter: Chapter, line: int, row: Row) -> Found:
    return Found(MEMBERS, f"{row['schema']}/{row['member']}", row, chapter, line)


_READERS = {"terms": _of_terms, "members": _of_members, "actions": _of_actions}
