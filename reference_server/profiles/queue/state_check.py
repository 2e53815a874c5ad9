"""Whether the tables of a state file hold what this server writes into them: clients get it as it is."""

from __future__ import annotations

import contextlib
import math
import sqlite3
import zlib
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from reference_server.profiles.queue.tables import COMPLETED, DELAYED, FAILED, LEASED, PENDING, SCHEMA
from reference_server.protocol.schemas import validator

# SQLite chooses the next place at random when the largest one is taken.
_LAST_PLACE: Final = 2**62

_NAMES: Final = {
    "app": validator("common#/$defs/app_id"),
    "queue": validator("job#/$defs/queue"),
    "id": validator("job#/$defs/id"),
}
_JOB: Final = validator("job")
_DEFAULTS: Final = {"priority", "attempts", "createdAt", "scheduledFor"}

# The columns that have a value in each state; the others are NULL.
_BODY: Final = {"body", "crc"}
_FILLED: Final = {
    PENDING: _BODY,
    DELAYED: _BODY | {"until", "span"},
    LEASED: _BODY | {"until", "owner"},
    COMPLETED: {"number"},
    FAILED: {"number"},
}
_CHANGING: Final = {"until", "span", "owner", "body", "crc", "number"}


class DamageError(Exception):
    """The tables hold something that this server has not written; the text says what."""


class _Text(bytes):
    """A text of a database, whatever its octets are."""


def check_tables(database: sqlite3.Connection, longest_job: int | None) -> None:
    """Check the definitions of the tables, the pages, and each row.

    Args:
        database: The database; it is not changed.
        longest_job: How many octets a job may have; None for any number.

    Raises:
        DamageError: A table is not as it should be.
        sqlite3.Error: The file is damaged below its tables.
    """
    definitions = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name"
    with contextlib.closing(sqlite3.connect(":memory:")) as expected:
        expected.executescript(SCHEMA)
        if database.execute(definitions).fetchall() != expected.execute(definitions).fetchall():
            raise DamageError("its tables are not those of this version")
    (health,) = database.execute("PRAGMA integrity_check(1)").fetchone()
    if health != "ok":
        raise DamageError(health)
    text_factory, database.text_factory = database.text_factory, _Text
    try:
        for row in _rows(database, "SELECT * FROM job"):
            _check_job(row, longest_job)
        _check_counts(database)
    finally:
        database.text_factory = text_factory


def _rows(database: sqlite3.Connection, query: str) -> Iterator[dict[str, Any]]:
    cursor = database.execute(query)
    names = [_text(column[0]) for column in cursor.description]
    for row in cursor:
        yield dict(zip(names, row, strict=True))


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _check_job(row: dict[str, Any], longest: int | None) -> None:
    place = row["place"]
    if not _is_whole(place, 1, _LAST_PLACE):
        raise DamageError(f"a job has the place {place}")
    what = f"the job at place {place}"
    _check_names(row, ("app", "queue", "id"), what)
    if not _is_whole(row["state"], PENDING, FAILED) or not _is_whole(row["priority"], -(2**53), 2**53):
        raise DamageError(f"{what} has no valid state or priority")
    if {name for name in _CHANGING if row[name] is not None} != _FILLED[row["state"]]:
        raise DamageError(f"{what} has values that do not fit its state")
    if not all(row[name] is None or _is_time(row[name]) for name in ("until", "span")):
        raise DamageError(f"{what} has no valid time")
    if not all(row[name] is None or _is_whole(row[name], 0, _LAST_PLACE) for name in ("owner", "number", "crc")):
        raise DamageError(f"{what} has a number that is out of range")
    if row["body"] is not None:
        _check_body(row, what, longest)


def _check_names(row: dict[str, Any], columns: tuple[str, ...], what: str) -> None:
    for column in columns:
        value = row[column]
        if type(value) is not _Text:
            raise DamageError(f"{what} has no text as {column}")
        try:
            row[column] = name = value.decode()
        except UnicodeDecodeError:
            raise DamageError(f"{what} has a text as {column} that is not UTF-8") from None
        if not _NAMES[column].is_valid(name):
            raise DamageError(f"{what} has no valid {column}")


def _check_body(row: dict[str, Any], what: str, longest: int | None) -> None:
    body = row["body"]
    if type(body) is not bytes or zlib.crc32(body) != row["crc"]:
        raise DamageError(f"{what} is not what was stored")
    if longest is not None and len(body) > longest:
        raise DamageError(f"{what} has {len(body)} octets, more than --max-frame-bytes allows")
    try:
        job = msgspec.json.decode(body.decode())
    except (ValueError, RecursionError):
        raise DamageError(f"{what} is no JSON in UTF-8") from None
    if not _JOB.is_valid(job) or not job.keys() >= _DEFAULTS:
        raise DamageError(f"{what} is no valid job")
    if job["id"] != row["id"] or job["priority"] != row["priority"]:
        raise DamageError(f"{what} has another id or priority than its row")


def _check_counts(database: sqlite3.Connection) -> None:
    """Check that the counts of each queue fit the finished jobs that it remembers."""
    finished = {
        (bytes(row["app"]), bytes(row["queue"])): (row["number"], row["completed"], row["failed"])
        for row in _rows(
            database,
            f"SELECT app, queue, max(number) AS number, sum(state = {COMPLETED}) AS completed, "  # noqa: S608
            f"sum(state = {FAILED}) AS failed FROM job WHERE number IS NOT NULL GROUP BY app, queue",
        )
    }
    for row in _rows(database, "SELECT * FROM tally"):
        counts = row["completed"], row["failed"]
        if not all(_is_whole(count, 0, _LAST_PLACE) for count in counts):
            raise DamageError("a queue has counts that are out of range")
        if type(row["app"]) is not _Text or type(row["queue"]) is not _Text:
            raise DamageError("a queue has no text as name")
        number, completed, failed = finished.pop((bytes(row["app"]), bytes(row["queue"])), (0, 0, 0))
        if number != sum(counts) or completed > counts[0] or failed > counts[1]:
            raise DamageError("the counts of a queue do not fit its jobs")
    if finished:
        raise DamageError("a queue has finished jobs and no counts")


def _is_whole(value: object, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def _is_time(value: object) -> bool:
    return type(value) is float and math.isfinite(value) and value >= 0
