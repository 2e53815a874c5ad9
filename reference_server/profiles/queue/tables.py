"""The tables of the jobs, and the numbers in them."""

from __future__ import annotations

from typing import Final

PENDING, DELAYED, LEASED, COMPLETED, FAILED = range(5)

SCHEMA: Final = """
CREATE TABLE job (
    place INTEGER PRIMARY KEY,      -- the order in which jobs were enqueued
    app TEXT NOT NULL,
    queue TEXT NOT NULL,
    id TEXT NOT NULL,
    state INTEGER NOT NULL,         -- PENDING to FAILED
    priority INTEGER NOT NULL,
    until REAL,                     -- when a delayed job becomes due or a lease ends, in milliseconds
    span REAL,                      -- of a delayed job: how many milliseconds the whole delay has
    owner INTEGER,                  -- the session that holds the lease
    body BLOB,                      -- the job as JSON, absent when it is finished
    crc INTEGER,                    -- the CRC-32 of the body
    number INTEGER,                 -- of a finished job: how many of its queue were finished with it
    UNIQUE (app, id)
);
CREATE INDEX pending ON job (app, queue, priority DESC, place) WHERE state = 0;
CREATE INDEX unfinished ON job (app, queue, state) WHERE state < 3;
CREATE INDEX waiting ON job (until) WHERE until IS NOT NULL;
CREATE INDEX leased ON job (owner) WHERE owner IS NOT NULL;
CREATE INDEX finished ON job (app, queue, number) WHERE number IS NOT NULL;
CREATE TABLE tally (
    app TEXT NOT NULL,
    queue TEXT NOT NULL,
    completed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    PRIMARY KEY (app, queue)
) WITHOUT ROWID;
"""
