"""Databases in memory for tests of the queue, which are closed when a test has ended."""

from __future__ import annotations

import sqlite3

from reference_server.profiles.queue import state_file

_opened: list[sqlite3.Connection] = []


def open_memory() -> sqlite3.Connection:
    """Return a database; :func:`close_all` closes it."""
    _opened.append(state_file.open_memory())
    return _opened[-1]


def close_all() -> None:
    """Close every database that a test has opened."""
    while _opened:
        _opened.pop().close()
