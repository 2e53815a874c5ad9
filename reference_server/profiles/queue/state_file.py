"""The file that keeps the jobs of a server: made, recognised, opened, and never overwritten."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Final

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from reference_server.profiles.errors import ProfileError
from reference_server.profiles.queue.state_check import DamageError, check_tables
from reference_server.profiles.queue.tables import SCHEMA

VERSION: Final = 2
"""The version of the tables; a server opens files of its own version only."""

_APPLICATION: Final = 0x49504351  # "IPCQ", in the place that SQLite has for it
_MAGIC: Final = b"SQLite format 3\x00"
_HEADER_BYTES: Final = 100
_BUSY_SECONDS: Final = 2.0  # a server that was killed a moment ago may still be going
_SHARED_LOCK: Final = 0x40000002  # the octet that every connection of SQLite locks


# The text of an error of SQLite may have what is in the file, which Python then cannot decode.
_DAMAGE: Final = (sqlite3.Error, DamageError, UnicodeDecodeError)
_IN_USE: Final = "state file {} is in use by another server; stop that one, or name another file"


class StateFileError(ProfileError):
    """A state file cannot be used; the text says why, and what to do."""


def open_memory() -> sqlite3.Connection:
    """Return a database that ends with the process."""
    database = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    database.executescript(SCHEMA)
    return database


def open_file(path: Path, longest_job: int | None = None) -> sqlite3.Connection:
    """Open a state file, or make it when there is none, for this process alone.

    A transaction that was committed is on the disk: the journal is a write-ahead log, synchronised at each commit.

    Args:
        path: The file.
        longest_job: How many octets a job in it may have; None for any number.

    Raises:
        StateFileError: The file cannot be made or used. It is as it was before.
    """
    if not path.exists():
        _make(path)
    _check(path)
    log = log_of(path)
    if log.exists() and log.stat().st_size:
        _check_with_log(path, log, longest_job)
    database = _connect(path)
    try:
        _prepare(database, longest_job)
    except _DAMAGE as error:
        database.close()
        raise StateFileError(_reason(path, error)) from None
    return database


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=_BUSY_SECONDS,
        check_same_thread=False,
        isolation_level=None,
    )


def _prepare(database: sqlite3.Connection, longest_job: int | None) -> None:
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("PRAGMA trusted_schema = OFF")
    database.execute("BEGIN IMMEDIATE")  # takes the lock, which is kept
    check_tables(database, longest_job)
    database.execute("COMMIT")


def _check_with_log(path: Path, log: Path, longest_job: int | None) -> None:
    """Check a copy: SQLite writes the log of a server that was killed into the file, damaged or not."""
    if not _becomes_free(path):
        raise StateFileError(_IN_USE.format(path))
    with contextlib.suppress(OSError), tempfile.TemporaryDirectory() as folder:  # without space it is checked in place
        copy = Path(folder) / "jobs"
        shutil.copyfile(path, copy)
        shutil.copyfile(log, log_of(copy))
        try:
            with contextlib.closing(_connect(copy)) as database:
                check_tables(database, longest_job)
        except _DAMAGE as error:
            raise StateFileError(_reason(path, error)) from None


def _becomes_free(path: Path) -> bool:
    """Return whether no other process uses the file, after it had its time to end."""
    if fcntl is None:
        return True
    deadline = time.monotonic() + _BUSY_SECONDS
    with path.open("rb") as file:
        while True:
            try:
                fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, _SHARED_LOCK)
            except OSError:
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.05)
            else:
                return True


def log_of(path: Path) -> Path:
    """Return the path of the write-ahead log of SQLite."""
    return path.with_name(f"{path.name}-wal")


def _make(path: Path) -> None:
    """Make an empty state file beside the place and put it there whole, unless another one has come meanwhile."""
    log = log_of(path)
    if log.exists():
        raise StateFileError(f"state file {path} is missing, but its log {log} is there; put the file back")
    new = _new_beside(path)
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


def _new_beside(path: Path) -> Path:
    try:
        handle, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    except OSError as error:
        raise StateFileError(f"cannot make state file {path}: {error.strerror}") from None
    os.close(handle)
    return Path(name)


def copy_database(database: sqlite3.Connection, path: Path) -> Path:
    """Write what a database holds into a new file beside a path, and return its path.

    Raises:
        StateFileError: It cannot be written; nothing is left.
    """
    new = _new_beside(path)
    try:
        with contextlib.closing(sqlite3.connect(new, isolation_level=None)) as copy:
            database.backup(copy)
    except sqlite3.Error as error:
        new.unlink(missing_ok=True)
        raise StateFileError(f"cannot make state file {path}: {error}") from None
    return new


def put(new: Path, path: Path) -> None:
    """Give a file its path.

    Raises:
        StateFileError: There is a file by now; the new one stays where it is.
    """
    try:
        os.link(new, path)
    except OSError as error:
        raise StateFileError(f"cannot make state file {path}: {error.strerror}; the jobs are in {new}") from None
    new.unlink()


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
        raise StateFileError(
            f"state file {path} has version {version}, this server needs {VERSION}; use the server that wrote it"
        )
    if not mode & 0o222 or not os.access(path, os.W_OK):
        raise StateFileError(f"state file {path} is read-only; allow this server to write it")
    log = log_of(path)
    if size < _pages(header) and not (log.exists() and log.stat().st_size):
        raise StateFileError(f"state file {path} is cut off: {size} of {_pages(header)} octets; put back a copy")


def _pages(header: bytes) -> int:
    """Return how long the file has to be, as its header has it."""
    page = int.from_bytes(header[16:18], "big")
    return (65536 if page == 1 else page) * _number(header, 28)


def _number(header: bytes, place: int) -> int:
    return int.from_bytes(header[place : place + 4], "big")


def _reason(path: Path, error: Exception) -> str:
    code = getattr(error, "sqlite_errorcode", None)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return _IN_USE.format(path)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return f"state file {path} cannot be written: {error}; allow this server to write it and its folder"
    detail = "not text" if isinstance(error, UnicodeDecodeError) else " ".join(str(error).split())
    detail = "".join(letter if letter.isprintable() else "?" for letter in detail)
    return f"state file {path} is damaged: {detail}; put back a copy, or name another file"
