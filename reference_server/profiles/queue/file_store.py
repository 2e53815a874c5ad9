"""The jobs in a state file, which somebody may delete while the server runs, on a disk that may become full."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from reference_server.profiles.queue.job_store import JobStore, Operation, Result, StateLostError, Store
from reference_server.profiles.queue.notices import Notices
from reference_server.profiles.queue.reserve import Reserve
from reference_server.profiles.queue.state_file import StateFileError, copy_database, log_of, open_file, put
from reference_server.protocol.limits import Limits

RETRY_SECONDS: Final = 1.0  # between two attempts to end a trouble


class FileStore(Store):
    """Does what `JobStore` does, and never answers for jobs that the state file does not have.

    After each group it looks whether the file is still the one that it writes. A file that is missing is written again,
    with all jobs. While this is not possible, nothing is done. When the disk is full, no job is taken, and the others
    are handed out and done in the space of a reserve.

    Args:
        path: The state file; made when there is none.
        limits: The limits of the server.
        longest_job: How many octets a job may have.

    Raises:
        StateFileError: It cannot be used.
    """

    def __init__(self, path: Path, limits: Limits, longest_job: int) -> None:
        self._path = path
        self._log = str(log_of(path))
        self._paths = str(path), self._log
        self._longest_job = longest_job
        self._reserve = Reserve(path.absolute().parent)
        self._losses = Notices(f"state file {path} has all jobs again")
        self._shortages = Notices(f"there is space for state file {path} again")
        self._database: sqlite3.Connection | None = open_file(path, longest_job)
        self._store = JobStore(self._database, limits)
        self._files = _files(path)
        self._held: int | None = None
        self._is_lost = False
        self._next_try = 0.0
        self._take_reserve()

    def close(self) -> None:
        """Close the file; when it is missing, write it again first."""
        try:
            self._check(*self._paths)
        finally:
            self._reserve.free()
            self._store.close()
            self._let_go()

    def perform(self, operations: Sequence[Operation], now: int, steady: int) -> Result:
        """Run operations as `JobStore.perform` does.

        Raises:
            StateLostError: They may not survive the process.
            sqlite3.Error: None of the operations has happened.
        """
        if self._is_lost or not self._store.has_space:
            self._try_again()
        self._check(self._log)  # also before: octets that were cut off are hidden by what is written behind them
        try:
            result = self._store.perform(operations, now, steady)
        except sqlite3.Error as error:
            if not _is_full(error):
                raise
            self._make_space()
            result = self._store.perform(operations, now, steady)
        self._check(*self._paths)
        return result

    # Space

    def _take_reserve(self) -> None:
        self._store.has_space = self._reserve.take()
        if self._store.has_space:
            self._shortages.end()
        else:
            self._say_full()

    def _make_space(self) -> None:
        self._store.has_space = False
        self._next_try = time.monotonic() + RETRY_SECONDS
        self._say_full()
        self._reserve.free()
        if self._database is not None:
            with contextlib.suppress(sqlite3.Error):
                self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._files = _files(self._path, self._files)

    def _say_full(self) -> None:
        self._shortages.begin(f"there is no space for state file {self._path}: new jobs are refused")

    # Losses

    def _try_again(self) -> None:
        """End a trouble if it can be ended, but do not try all the time.

        Raises:
            StateLostError: It goes on, and nothing may be done.
        """
        now = time.monotonic()
        if now < self._next_try:
            if self._is_lost:
                raise StateLostError(f"state file {self._path} is lost")
            return
        self._next_try = now + RETRY_SECONDS
        if self._is_lost:
            self._repair()
        if not self._store.has_space:
            self._take_reserve()

    def _check(self, *paths: str) -> None:
        """Let the state file have all jobs.

        Raises:
            StateLostError: That is not possible now.
        """
        try:
            self._look(*paths)
        except StateLostError:
            self._repair()

    def _look(self, *paths: str) -> None:
        """Raise `StateLostError` unless the files at the paths are those that SQLite writes."""
        for path in paths:
            try:
                found = os.stat(path)  # noqa: PTH116 - every microsecond counts
            except OSError as error:
                raise StateLostError(f"{path} is missing: {error.strerror}") from None
            known = self._files.get(path, found)
            if (found.st_ino, found.st_dev) != (known.st_ino, known.st_dev):
                raise StateLostError(f"{path} is another file")
            if found.st_size < known.st_size:
                raise StateLostError(f"{path} was cut off")
            self._files[path] = found

    def _repair(self) -> None:
        try:
            self._look_or_write()
        except (StateLostError, StateFileError, sqlite3.Error, OSError) as error:
            self._is_lost = True
            self._next_try = time.monotonic() + RETRY_SECONDS
            self._losses.begin(f"jobs are neither taken nor handed out: {error}")
            raise StateLostError(str(error)) from None
        self._is_lost = False
        self._losses.end()

    def _look_or_write(self) -> None:
        if self._database is not None:
            try:
                self._look(*self._paths)
            except StateLostError as loss:
                self._losses.begin(str(loss))
                if all(Path(path).exists() for path in self._paths):
                    raise
                self._move()
        if self._database is None:
            self._open_again()

    def _move(self) -> None:
        """Leave the files that were opened. The jobs are then in the file at the path."""
        assert self._database is not None  # noqa: S101 - for the type checker
        if self._path.exists():  # only the log is missing, and closing writes what was in it
            known = self._files[str(self._path)]
            if not os.path.samestat(known, self._path.stat()):
                raise StateLostError(f"{self._path} is another file")
            self._hold(self._path)
            self._leave()
            return
        new = copy_database(self._database, self._path)
        self._hold(new)
        self._leave()
        self._files = {str(self._path): new.stat()}
        put(new, self._path)

    def _hold(self, path: Path) -> None:
        """Hold the file at a path until it is opened again, or the system could give its number to another one.

        With O_PATH: closing an ordinary descriptor would end the locks of SQLite.
        """
        self._let_go()
        if hasattr(os, "O_PATH"):
            self._held = os.open(path, os.O_PATH)

    def _let_go(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            os.close(held)

    def _leave(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()
        log = log_of(self._path)
        known = self._files.get(self._log)
        with contextlib.suppress(OSError):
            if known is not None and os.path.samestat(known, log.stat()):
                log.unlink()

    def _open_again(self) -> None:
        if not os.path.samestat(self._files[str(self._path)], self._path.stat()):  # no other file, nor a new one
            raise StateLostError(f"{self._path} is another file")
        self._database = database = open_file(self._path, self._longest_job)
        self._store.use(database)
        self._files = _files(self._path)
        self._let_go()


def _files(path: Path, before: dict[str, os.stat_result] | None = None) -> dict[str, os.stat_result]:
    """Return what is known of a state file and its log; of those that are missing, what was known before."""
    found = dict(before or {})
    for each in (path, log_of(path)):
        with contextlib.suppress(OSError):
            state = each.stat()
            if str(each) not in found or os.path.samestat(state, found[str(each)]):
                found[str(each)] = state
    return found


def _is_full(error: sqlite3.Error) -> bool:
    """Return whether SQLite could not write."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
