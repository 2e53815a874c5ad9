"""State files: made whole or not at all, recognised, and left as they are when they cannot be used."""

import functools
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from reference_server.profiles.queue.job_store import JobStore
from reference_server.profiles.queue.state_file import StateFileError, open_file

NOW = 1_700_000_000_000
QUEUE = ("demo", "q")


def put(path: Path, *names: str) -> None:
    store = JobStore(open_file(path))
    store.perform(
        [functools.partial(JobStore.enqueue, queue=QUEUE, job={"id": name}, room=1000) for name in names], NOW
    )
    store.close()


def pending(path: Path) -> int:
    store = JobStore(open_file(path))
    (counts,) = store.perform([lambda store: store.stats(QUEUE)], NOW).outcomes
    store.close()
    return int(counts["pending"])


def names_in(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


def all_octets(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_file_is_made_whole_and_alone(tmp_path):
    path = tmp_path / "jobs.db"
    put(path)
    assert names_in(tmp_path) == ["jobs.db"]
    put(path, "a", "b")
    assert pending(path) == 2
    assert names_in(tmp_path) == ["jobs.db"]


def test_commit_is_on_the_disk(tmp_path):
    database = open_file(tmp_path / "jobs.db")
    found = {name: database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}
    assert found == {"journal_mode": "wal", "synchronous": 2}
    database.close()


def damage(path: Path, place: int, octets: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[place : place + len(octets)] = octets
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4096])


DAMAGES = {
    "empty": (lambda path: path.write_bytes(b""), "is empty or cut off"),
    "shorter than its header": (lambda path: path.write_bytes(path.read_bytes()[:50]), "is empty or cut off"),
    "shorter": (cut, "is cut off: "),
    "text": (lambda path: path.write_text("jobs " * 100), "is not a state file"),
    "other database": (lambda path: damage(path, 68, b"\x00\x00\x00\x01"), "is not a state file"),
    "newer version": (lambda path: damage(path, 60, b"\x00\x00\x00\x03"), "has version 3, this server needs 2"),
    "read-only": (lambda path: path.chmod(0o444), "is read-only"),
    "damaged page": (lambda path: damage(path, 4096, b"\xff" * 4096), "is damaged"),
    "directory": (lambda path: (path.unlink(), path.mkdir()), "cannot read"),
}


@pytest.mark.parametrize(("harm", "reason"), DAMAGES.values(), ids=DAMAGES)
def test_file_that_cannot_be_used_is_named_and_left_alone(tmp_path, harm, reason):
    path = tmp_path / "jobs.db"
    put(path, *(f"job {number}" for number in range(500)))
    harm(path)
    before = {} if path.is_dir() else all_octets(tmp_path)
    with pytest.raises(StateFileError, match=reason) as raised:
        open_file(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert path.is_dir() or all_octets(tmp_path) == before


def test_file_in_use_is_refused(tmp_path):
    path = tmp_path / "jobs.db"
    put(path, "a")
    first = open_file(path)
    with pytest.raises(StateFileError, match="is in use by another server"):
        open_file(path)
    first.close()
    assert pending(path) == 1


def test_file_that_is_missing_beside_its_log_is_not_made_anew(tmp_path):
    path = tmp_path / "jobs.db"
    (tmp_path / "jobs.db-wal").write_bytes(b"what was committed last")
    with pytest.raises(StateFileError, match=r"is missing, but its log .* is there; put the file back"):
        open_file(path)
    assert names_in(tmp_path) == ["jobs.db-wal"]


def test_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(StateFileError, match=r"cannot make state file .*: No such file or directory"):
        open_file(tmp_path / "nowhere" / "jobs.db")


def test_file_that_cannot_be_made_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", fail)
    with pytest.raises(StateFileError, match=r"cannot make state file .*No space left"):
        open_file(tmp_path / "jobs.db")
    assert names_in(tmp_path) == []


def test_file_that_another_server_has_made_meanwhile_is_used(tmp_path, monkeypatch):
    path = tmp_path / "jobs.db"
    link = os.link

    def overtaken(new, wanted):
        if not path.exists():
            monkeypatch.setattr(os, "link", link)
            put(path, "a")
        link(new, wanted)

    monkeypatch.setattr(os, "link", overtaken)
    assert pending(path) == 1


def test_log_of_a_killed_server_is_not_lost(tmp_path):
    path = tmp_path / "jobs.db"
    put(path, "before")
    script = (
        "import os, sys; from pathlib import Path\n"
        "from reference_server.profiles.queue.job_store import JobStore\n"
        "from reference_server.profiles.queue.state_file import open_file\n"
        "store = JobStore(open_file(Path(sys.argv[1])))\n"
        "for n in range(300):\n"
        "    job = {'id': str(n), 'data': 'x' * 5000}\n"
        f"    store.perform([lambda store: store.enqueue({QUEUE}, job, 9999)], {NOW})\n"
        "os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", script, path], check=False).returncode == -9
    assert path.with_name("jobs.db-wal").stat().st_size
    assert pending(path) == 301


def test_database_that_fails_is_reported_by_sqlite_code(tmp_path, monkeypatch):
    path = tmp_path / "jobs.db"
    put(path)

    def refuse(*_arguments, **_options):
        error = sqlite3.OperationalError("attempt to write a readonly database")
        error.sqlite_errorcode = sqlite3.SQLITE_READONLY
        raise error

    monkeypatch.setattr("reference_server.profiles.queue.state_file._prepare", refuse)
    with pytest.raises(StateFileError, match=r"cannot be written: attempt to write .* allow this server to write it"):
        open_file(path)
