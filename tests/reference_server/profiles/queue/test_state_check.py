"""Damage inside of state files: found before a client gets any of it, named in one line, and left as it is."""

import contextlib
import os
import random
import sqlite3
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from reference_server.profiles.queue.job_store import JobStore
from reference_server.profiles.queue.state_file import StateFileError, open_file
from reference_server.profiles.queue.tables import COMPLETED

NOW = 1_700_000_000_000
QUEUE = ("the-app", "the-queue")
BODY = '{"id":"%s","priority":0,"attempts":0,"createdAt":1,"scheduledFor":1}'


def fill(path):
    """Make a state file with jobs in every state."""
    store = JobStore(open_file(path))

    def enqueue(name, **members):
        return lambda store: store.enqueue(QUEUE, {"id": name, "data": "the-data"} | members, 9999)

    store.perform(
        [
            *(enqueue(name) for name in ("finished", "leased", "pending")),
            enqueue("delayed", scheduledFor=NOW + 10**12, priority=7),
            lambda store: store.dequeue(QUEUE, 2, 10**7, 1, 9999),
            lambda store: store.finish(QUEUE[0], "finished", 1, COMPLETED),
        ],
        NOW,
    )
    store.close()


def sql(statement, *values):
    def harm(path):
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute(statement, values)

    return harm


def body(octets):
    """Put a body with its own checksum in the place of one."""
    return sql("UPDATE job SET body = ?, crc = ? WHERE id = 'pending'", octets, zlib.crc32(octets))


def replace(old, new, which=0):
    """Replace octets in one of the places where they are."""

    def harm(path):
        content = path.read_bytes()
        parts = content.split(old)
        path.write_bytes(old.join(parts[: which + 1]) + new + old.join(parts[which + 1 :]))

    return harm


def foreign(path):
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE user (name TEXT)")
        database.execute("PRAGMA application_id = 0x49504351")
        database.execute("PRAGMA user_version = 2")


DAMAGES = {
    "octet in a name": replace(b"the-queue", b"the-qu\xff\xfee"),
    "letter in a name": replace(b"the-queue", b"the-quebe"),
    "letter in the name of an application": replace(b"the-app", b"the-bpp", 2),
    "letter in an id": replace(b"leased", b"leesed"),
    "octet in a body": replace(b"the-data", b"the-d\xc3ta"),
    "letter in a body": replace(b"the-data", b"the-date"),
    "number in a body": replace(b'"attempts":0', b'"attempts":9'),
    "invalid UTF-8 with its checksum": body(BODY.encode() % b"p\xffnding"),
    "no JSON": body(b"{"),
    "no object": body(b"[]"),
    "other id": body((BODY % "another").encode()),
    "no defaults": body(b'{"id":"pending"}'),
    "number that is none": body((BODY % "pending").replace('"attempts":0', '"attempts":NaN').encode()),
    "huge number": body((BODY % "pending").replace('"attempts":0', f'"attempts":{10**40}').encode()),
    "negative number": body((BODY % "pending").replace('"attempts":0', '"attempts":-1').encode()),
    "text for a body": sql("UPDATE job SET body = CAST(body AS TEXT) WHERE id = 'pending'"),
    "number for a body": sql("UPDATE job SET body = 5 WHERE id = 'pending'"),
    "no body": sql("UPDATE job SET body = NULL WHERE id = 'pending'"),
    "blob for a name": sql("UPDATE job SET queue = x'7468' WHERE id = 'pending'"),
    "blob for an id": sql("UPDATE job SET id = x'00ff' WHERE id = 'pending'"),
    "NUL in a name": sql("UPDATE job SET queue = ? WHERE id = 'pending'", "a\0b"),
    "invalid UTF-8 in all indexes": sql("UPDATE job SET queue = CAST(x'ff41' AS TEXT)"),
    "long name": sql("UPDATE job SET queue = ? WHERE id = 'pending'", "q" * 250),
    "empty name": sql("UPDATE job SET app = '' WHERE id = 'pending'"),
    "long id": sql("UPDATE job SET id = ? WHERE id = 'pending'", "q" * 256),
    "no such state": sql("UPDATE job SET state = 7 WHERE id = 'pending'"),
    "negative state": sql("UPDATE job SET state = -1 WHERE id = 'pending'"),
    "text for a state": sql("UPDATE job SET state = 'x' WHERE id = 'pending'"),
    "infinite time": sql("UPDATE job SET until = 9e999 WHERE id = 'delayed'"),
    "negative time": sql("UPDATE job SET until = -1.0 WHERE id = 'delayed'"),
    "text for a time": sql("UPDATE job SET until = 'soon' WHERE id = 'delayed'"),
    "no time": sql("UPDATE job SET until = NULL WHERE id = 'delayed'"),
    "infinite length of a delay": sql("UPDATE job SET span = 9e999 WHERE id = 'delayed'"),
    "huge priority": sql("UPDATE job SET priority = 1 << 62 WHERE id = 'delayed'"),
    "other priority": sql("UPDATE job SET priority = 1 WHERE id = 'delayed'"),
    "negative place": sql("UPDATE job SET place = -5 WHERE id = 'pending'"),
    "last place": sql("UPDATE job SET place = 9223372036854775807 WHERE id = 'pending'"),
    "negative count": sql("UPDATE tally SET completed = -1"),
    "huge count": sql("UPDATE tally SET completed = 1 << 62"),
    "text for a count": sql("UPDATE tally SET failed = 'x'"),
    "other count": sql("UPDATE tally SET completed = 2"),
    "other kind of count": sql("UPDATE tally SET completed = 0, failed = 1"),
    "no counts": sql("DELETE FROM tally"),
    "counts of nothing": sql("INSERT INTO tally VALUES ('a', 'b', 1, 0)"),
    "blob for the name of counts": sql("UPDATE tally SET queue = x'ff'"),
    "table too many": sql("CREATE TABLE more (a)"),
    "trigger": sql("CREATE TRIGGER t AFTER INSERT ON job BEGIN DELETE FROM job; END"),
    "index too few": sql("DROP INDEX pending"),
    "column too many": sql("ALTER TABLE job ADD COLUMN more"),
    "other tables": foreign,
}


@pytest.mark.parametrize("harm", DAMAGES.values(), ids=DAMAGES)
def test_damage_is_found_and_left_alone(tmp_path, harm):
    path = tmp_path / "jobs.db"
    fill(path)
    open_file(path).close()
    harm(path)
    before = path.read_bytes()
    with pytest.raises(StateFileError, match="is damaged: ") as raised:
        open_file(path)
    assert str(raised.value).startswith(f"state file {path} is damaged: ")
    assert str(raised.value).isprintable()
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["jobs.db"]


def test_job_that_is_longer_than_a_message_is_named(tmp_path):
    path = tmp_path / "jobs.db"
    fill(path)
    with pytest.raises(StateFileError, match="octets, more than --max-frame-bytes allows"):
        open_file(path, 50)
    open_file(path, 150).close()


def killed(path):
    """Let a server be killed while its last jobs are in the log."""
    script = (
        "import os, sys; from pathlib import Path\n"
        "from reference_server.profiles.queue.job_store import JobStore\n"
        "from reference_server.profiles.queue.state_file import open_file\n"
        "store = JobStore(open_file(Path(sys.argv[1])))\n"
        f"store.perform([lambda store: store.enqueue({QUEUE}, {{'id': 'last'}}, 9999)], {NOW})\n"
        "os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", script, path], check=False).returncode == -9


def test_damage_beside_a_log_is_left_alone_with_the_log(tmp_path):
    path = tmp_path / "jobs.db"
    fill(path)
    killed(path)
    path.write_bytes(path.read_bytes().replace(b"the-app", b"the-\xffpp"))
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(StateFileError, match="is damaged: "):
        open_file(path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_file_with_a_log_that_is_in_use_is_said_to_be(tmp_path):
    path = tmp_path / "jobs.db"
    fill(path)
    script = (
        "import sys; from pathlib import Path\n"
        "from reference_server.profiles.queue.job_store import JobStore\n"
        "from reference_server.profiles.queue.state_file import open_file\n"
        "store = JobStore(open_file(Path(sys.argv[1])))\n"
        f"store.perform([lambda store: store.enqueue({QUEUE}, {{'id': 'last'}}, 9999)], {NOW})\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        with pytest.raises(StateFileError, match="is in use by another server"):
            open_file(path)
    open_file(path).close()


@pytest.mark.parametrize("seed", range(40))
def test_any_octet_that_changes_is_found_or_harmless(tmp_path, seed):
    path = tmp_path / "jobs.db"
    fill(path)

    def handed_out(path):
        store = JobStore(open_file(path))
        found = store.perform([lambda store: store.dequeue(QUEUE, 9, 1000, 1, 9999), lambda s: s.stats(QUEUE)], NOW)
        store.close()
        return [list(map(bytes, found.outcomes[0])), found.outcomes[1]]

    copy = tmp_path / "copy"
    copy.write_bytes(path.read_bytes())
    expected = handed_out(copy)
    rng = random.Random(seed)
    for number in range(25):
        content = bytearray(path.read_bytes())
        used = [place for place, octet in enumerate(content) if octet]
        content[rng.choice(used)] ^= 1 << rng.randrange(8)
        changed = tmp_path / f"changed-{number}"
        changed.write_bytes(content)
        with contextlib.suppress(StateFileError):
            assert handed_out(changed) == expected


def test_check_of_a_file_takes_no_time_to_speak_of(tmp_path):
    path = tmp_path / "jobs.db"
    store = JobStore(open_file(path))
    store.perform(
        [lambda store, n=n: store.enqueue(QUEUE, {"id": f"{n}", "data": "x" * 100}, 9999) for n in range(10_000)], NOW
    )
    store.close()
    before = os.times()
    open_file(path).close()
    after = os.times()
    assert after.user + after.system - before.user - before.system < 2
    assert Path(path).exists()
