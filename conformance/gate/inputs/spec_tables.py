"""The marked tables of the spec's chapters: a comment such as ``<!-- limits -->`` above a table names it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

from conformance.gate.inputs.table_columns import KEYS, REQUIRED, allowed, header, needed, wanted
from conformance.gate.model.spec_table import Row
from conformance.specification.markdown import Block, Chapter, Kind, SpecError

_MARK = re.compile(r"<!-- ([a-z-]+) -->")
_LINK = re.compile(r"\[[^\]]*\]\(([^)#]+)[^)]*\)")


@dataclass(frozen=True, slots=True)
class Found:
    """A row of a marked table, with its chapter and line."""

    table: str
    key: str
    row: Row
    chapter: Chapter
    line: int


def key_of(table: str, row: Row) -> str:
    """Return the key of a row, unique in its table."""
    return "/".join(row[column] for column in KEYS[table] if row.get(column))


def read_tables(chapters: list[Chapter]) -> list[Found]:
    """Find the rows of all marked tables. The README may have other comments, and tables without a mark.

    Raises SpecError if a mark is unknown or has no table, or if a table is missing, lacks a column, or has a key twice.
    """
    marked = [(chapter, *pair) for chapter in chapters for pair in _marked(chapter)]
    missing = [name for name in REQUIRED if not any(name == mark for _, mark, _ in marked)]
    if missing:
        tables = ", ".join(f"<!-- {name} --> with the columns {header(name)}" for name in missing)
        raise SpecError(
            f"no chapter has a table marked {tables}; the gate compares these tables, which may be empty, so add or "
            "restore them"
        )
    _refuse_unmarked(chapters, [block for _, _, block in marked])
    rows = [found for chapter, name, block in marked for found in _rows(chapter, name, block)]
    profiles = {found.row["chapter"]: found.row["profile"] for found in rows if found.table == "profiles"}
    rows = [_with_profile(found, profiles) for found in rows]
    seen: dict[tuple[str, str], Found] = {}
    for found in rows:
        other = seen.setdefault((found.table, found.key), found)
        if other is not found:
            raise SpecError(
                f"{found.chapter.path}:{found.line}: the table {found.table} has {found.key} a second time "
                f"(see {other.chapter.path.name}:{other.line}); keep one"
            )
    return rows


def _refuse_unmarked(chapters: list[Chapter], marked: list[Block]) -> None:
    """Raise SpecError if a table has the columns of a marked one but no mark: no rule would see it."""
    columns = [cells_of(block.lines[0]) for block in marked]
    for chapter in chapters:
        for block in () if chapter.is_readme else chapter.blocks:
            looks_marked = block.kind is Kind.TABLE and cells_of(block.lines[0]) in columns
            if looks_marked and not any(block is each for each in marked):
                where = f"{chapter.path}:{block.line}"
                raise SpecError(
                    f"{where}: a table without a mark has the columns of a marked one; mark it, or move its rows"
                )


def _with_profile(found: Found, profiles: dict[str, str]) -> Found:
    """Add to an error code the profile of its chapter."""
    if found.table != "error-codes":
        return found
    row = {**found.row, "profile": profiles.get(found.chapter.path.name, "")}
    return Found(found.table, key_of(found.table, row), row, found.chapter, found.line)


def _marked(chapter: Chapter) -> Iterator[tuple[str, Block]]:
    for block, following in zip_longest(chapter.blocks, chapter.blocks[1:]):
        found = _MARK.fullmatch(block.text.strip()) if block.kind is Kind.PARAGRAPH else None
        if not found or (chapter.is_readme and found[1] not in KEYS):
            continue
        where = f"{chapter.path}:{block.line}"
        if found[1] not in KEYS:
            raise SpecError(f"{where}: there is no table named {found[1]}; the names are {', '.join(KEYS)}")
        if following is None or following.kind is not Kind.TABLE:
            raise SpecError(f"{where}: there is no table below the mark {found[0]}; add it there")
        yield found[1], following
        last = following.line + len(following.lines)
        if any(each.line == last for each in chapter.blocks):
            raise SpecError(
                f"{chapter.path}:{last}: follows the table {found[1]} like a row; begin it with |, or add an empty line"
            )


def _rows(chapter: Chapter, table: str, block: Block) -> Iterator[Found]:
    columns = cells_of(block.lines[0])
    missing = [column for column in needed(table) if column not in columns]
    if missing:
        raise SpecError(f"{chapter.path}:{block.line}: the table {table} lacks the column {missing[0]}; add it")
    further = next((column for column in columns if column not in allowed(table)), None)
    if further is not None:
        raise SpecError(
            f"{chapter.path}:{block.line}: the table {table} has a column {further!r} that no gate rule covers; "
            "write it as a requirement"
        )
    for number, line in enumerate(block.lines[2:], start=block.line + 2):
        cells = cells_of(line)
        if len(cells) != len(columns):
            raise SpecError(
                f"{chapter.path}:{number}: a row of {len(cells)} cells in the table {table} of {len(columns)} columns"
            )
        row = dict(zip(columns, cells, strict=True))
        for column, cell in row.items():
            form = wanted(table, column, cell)
            if form:
                raise SpecError(
                    f"{chapter.path}:{number}: the cell {column} in the table {table} is {cell!r}; write {form}"
                )
        yield Found(table, key_of(table, row), row, chapter, number)


def cells_of(line: str) -> list[str]:
    """Return the cells of a row: a cell that is one link is its target, one that is one code span is its content."""
    return [_plain(cell.strip().replace("\\|", "|")) for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def _plain(cell: str) -> str:
    link = _LINK.fullmatch(cell)
    if link:
        return link[1]
    return cell[1:-1] if re.fullmatch(r"`[^`]+`", cell) else cell
