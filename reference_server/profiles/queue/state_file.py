"""The file that keeps the jobs of a server: made, recognised, opened, and never overwritten."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from pathlib import Path
from typing import Final

from reference_server.profiles.errors import ProfileError
from reference_server.profiles.queue.job_store import SCHEMA

VERSION: Final = 1
"""The version of the tables; a server opens files of its own version only."""

_APPLICATION: Final = 0x49504351  # "IPCQ", in the place that SQLite has for it
_MAGIC: Final = b"SQLite format 3\x00"
_HEADER_BYTES: Final = 100
_BUSY_SECONDS: Final = 2.0  # a server that was killed a moment ago may still be going


class StateFileError(ProfileError):
    """A state file cannot be used; the text says why, and what to do."""


def open_memory() -> sqlite3.Connection:
    """Return a database that ends with the process."""
    database = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    database.executescript(SCHEMA)
    return database


def open_file(path: Path) -> sqlite3.Connection:
    """Open a state file, or make it when there is none, for this process alone.

    A transaction that was committed is on the disk: the journal is a write-ahead log, synchronised at each commit.

    Raises:
        StateFileError: The file cannot be made or used. It is as it was before.
    """
    if not path.exists():
        _make(path)
    _check(path)
    database = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=_BUSY_SECONDS,
        check_same_thread=False,
        isolation_level=None,
    )
    try:
        _prepare(database)
    except sqlite3.Error as error:
        database.close()
        raise StateFileError(_reason(path, error)) from None
    return database


def _prepare(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("BEGIN IMMEDIATE")  # takes the lock, which is kept
    (health,) = database.execute("PRAGMA quick_check(1)").fetchone()
    database.execute("COMMIT")
    if health != "ok":
        raise sqlite3.DatabaseError(health)


def _make(path: Path) -> None:
    """Make an empty state file beside the place and put it there whole, unless another one has come meanwhile."""
    log = path.with_name(f"{path.name}-wal")
    if log.exists():
        raise StateFileError(f"state file {path} is missing, but its log {log} is there; put the file back")
    try:
        handle, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    except OSError as error:
        raise StateFileError(f"cannot make state file {path}: {error.strerror}") from None
    os.close(handle)
    new = Path(name)
    try:
        with contextlib.closing(sqlite3.connect(new, isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.executescript(SCHEMA)
            database.execute(f"PRAGMA application_id = {_APPLICATION}")
            database.execute(f"PRAGMA user_version = {VERSION}")
        with contextlib.suppress(FileExistsError):
            os.link(new, path)
    except (OSError, sqlite3.Error) as error:
        raise StateFileError(f"cannot make state file {path}: {error}") from None
    finally:
        new.unlink(missing_ok=True)


def _check(path: Path) -> None:
    """Look at a file without SQLite, which might repair or change it."""
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
            mode = os.fstat(file.fileno()).st_mode
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise StateFileError(f"cannot read state file {path}: {error.strerror}") from None
    if len(header) < _HEADER_BYTES:
        raise StateFileError(f"state file {path} is empty or cut off; put back a copy, or name another file")
    if not header.startswith(_MAGIC) or _number(header, 68) != _APPLICATION:
        raise StateFileError(f"{path} is not a state file of this server; name another file")
    if _number(header, 60) != VERSION:
        version = _number(header, 60)
        raise StateFileError(f"state file {path} has version {version}, this server needs {VERSION}; use the newer one")
    if not mode & 0o222 or not os.access(path, os.W_OK):
        raise StateFileError(f"state file {path} is read-only; allow this server to write it")
    log = path.with_name(f"{path.name}-wal")
    if size < _pages(header) and not (log.exists() and log.stat().st_size):
        raise StateFileError(f"state file {path} is cut off: {size} of {_pages(header)} octets; put back a copy")


def _pages(header: bytes) -> int:
    """Return how long the file has to be, as its header has it."""
    page = int.from_bytes(header[16:18], "big")
    return (65536 if page == 1 else page) * _number(header, 28)


def _number(header: bytes, place: int) -> int:
    return int.from_bytes(header[place : place + 4], "big")


def _reason(path: Path, error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", None)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"state file {path} is in use by another server; stop that one, or name another file"
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return f"state file {path} cannot be written: {error}; allow this server to write it and its folder"
    detail = " ".join(str(error).split())
    return f"state file {path} is damaged: {detail}; put back a copy, or name another file"
