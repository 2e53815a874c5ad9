"""A state file that is deleted, moved, replaced or cut off under the server, and a disk that is full."""

import contextlib
import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from refserver_peer import Client, code_of, running

from reference_server import Limits
from reference_server.profiles.queue import file_store, reserve
from reference_server.profiles.queue.file_store import FileStore
from reference_server.profiles.queue.job_store import NoSpaceError, StateLostError
from reference_server.profiles.queue.state_file import open_file
from reference_server.profiles.queue.tables import COMPLETED

NOW = 1_700_000_000_000
QUEUE = ("demo", "q")


def enqueue(name, **members):
    return lambda store: store.enqueue(QUEUE, {"id": name} | members, 1 << 20)


def dequeue(count=10):
    return lambda store: [msgspec.json.decode(each)["id"] for each in store.dequeue(QUEUE, count, 60_000, 1, 1 << 20)]


def complete(name):
    return lambda store: store.finish("demo", name, 1, COMPLETED)


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder / "jobs.db"


@pytest.fixture
def store(path, monkeypatch):
    monkeypatch.setattr(file_store, "RETRY_SECONDS", 0.0)
    made = FileStore(path, Limits(), 1 << 20)
    yield made
    with contextlib.suppress(StateLostError, sqlite3.Error):
        made.close()


def do(store, *operations):
    return store.perform(operations, NOW, NOW).outcomes


def ids_in(path):
    """Return the ids in what a server would find if this one was killed now."""
    copy = path.parent / "copy"
    copy.mkdir()
    for file in path.parent.glob("jobs.db*"):
        shutil.copy(file, copy / file.name)
    with contextlib.closing(open_file(copy / path.name)) as database:
        found = [name for (name,) in database.execute("SELECT id FROM job ORDER BY place")]
    shutil.rmtree(copy)
    return found


def log_of(path):
    return path.with_name("jobs.db-wal")


VANISHING = {
    "file": lambda path: path.unlink(),
    "log": lambda path: log_of(path).unlink(),
    "file and log": lambda path: (path.unlink(), log_of(path).unlink()),
    "file moved": lambda path: path.rename(path.with_name("moved")),
    "folder moved and made again": lambda path: (path.parent.rename(path.parent.with_name("old")), path.parent.mkdir()),
}


@pytest.mark.parametrize("vanish", VANISHING.values(), ids=VANISHING)
def test_file_that_vanishes_is_written_again_with_all_jobs(store, path, vanish, caplog):
    with caplog.at_level(logging.INFO):
        do(store, enqueue("a"), enqueue("leased"), enqueue("c"))
        do(store, lambda store: store.dequeue(QUEUE, 1, 60_000, 7, 1 << 20))
        vanish(path)
        assert do(store, enqueue("d")) == [None]
        assert ids_in(path) == ["a", "leased", "c", "d"]
        assert do(store, dequeue(), enqueue("e")) == [["leased", "c", "d"], None]
        vanish_again = path.unlink
        vanish_again()
        assert do(store, complete("d")) == [None]
        assert ids_in(path) == ["a", "leased", "c", "d", "e"]
    lines = [record.getMessage() for record in caplog.records]
    assert "is missing: No such file or directory" in lines[0]
    assert lines[1] == f"state file {path} has all jobs again"
    assert len(lines) == 2
    store.close()
    assert [each.name for each in path.parent.iterdir() if each.name != "moved"] == ["jobs.db"]


def test_file_that_vanishes_is_there_again_after_the_end(store, path):
    do(store, enqueue("a"))
    path.unlink()
    store.close()
    assert ids_in(path) == ["a"]


LOSSES = {
    "folder removed": (lambda path: shutil.rmtree(path.parent), "is missing"),
    "other file": (lambda path: (path.unlink(), path.write_bytes(b"x" * 9999)), "is another file"),
    "other file moved there": (
        lambda path: (path.with_name("new").write_bytes(b"x"), path.with_name("new").rename(path)),
        "is another file",
    ),
    "other log": (lambda path: (log_of(path).unlink(), log_of(path).write_bytes(b"x" * 99999)), "is another file"),
    "cut off": (lambda path: os.truncate(path, 4096), "was cut off"),
    "log cut off": (lambda path: os.truncate(log_of(path), 100), "was cut off"),
    "emptied": (lambda path: path.write_bytes(b""), "was cut off"),
}


@pytest.mark.parametrize(("lose", "reason"), LOSSES.values(), ids=LOSSES)
def test_nothing_is_acknowledged_when_the_file_is_lost(store, path, lose, reason, caplog):
    do(store, enqueue("a"))
    lose(path)
    for operation in (enqueue("b"), dequeue(), complete("a"), enqueue("a")):
        with pytest.raises((StateLostError, sqlite3.Error)):
            do(store, operation)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 1
    assert reason in lines[0]


def test_file_that_comes_back_is_used_again(store, path, caplog):
    with caplog.at_level(logging.INFO):
        do(store, enqueue("a"))
        away = path.parent.with_name("away")
        path.parent.rename(away)
        with pytest.raises(StateLostError):
            do(store, enqueue("b"))
        away.rename(path.parent)
        assert do(store, enqueue("b")) == [None]
        assert ids_in(path) == ["a", "b"]
    assert len(caplog.records) == 2


def test_other_file_that_goes_away_is_followed_by_the_jobs(store, path):
    do(store, enqueue("a"))
    path.unlink()
    path.write_bytes(b"x" * 99999)
    with pytest.raises(StateLostError):
        do(store, enqueue("b"))
    path.unlink()
    assert do(store, enqueue("c")) == [None]
    assert ids_in(path)[0] == "a"
    assert ids_in(path)[-1] == "c"


def test_lost_file_is_looked_for_once_a_second(path):
    store = FileStore(path, Limits(), 1 << 20)
    do(store, enqueue("a"))
    shutil.rmtree(path.parent)
    looks = 0
    look = store._look

    def count(*paths):
        nonlocal looks
        looks += 1
        look(*paths)

    store._look = count
    began = time.monotonic()
    for _ in range(500):
        with pytest.raises(StateLostError):
            do(store, enqueue("b"))
    assert looks <= 4 + 2 * (time.monotonic() - began)
    with pytest.raises(StateLostError):
        store.close()


def test_clients_are_told_while_the_file_is_lost(path, caplog):
    with caplog.at_level(logging.INFO), running(profiles=("queue",), state=path) as run:
        client = run.client("a")

        def ask(action, **members):
            return client.ask("queue_manager", {"action": action, "queue": "q"} | members)

        assert ask("enqueue", job={"id": "a"})["payload"]["status"] == "ok"
        away = path.parent.with_name("away")
        path.parent.rename(away)
        for number in range(20):
            answer = ask("enqueue", job={"id": f"lost {number}"})
            assert code_of(answer) == "handler_failed"
            assert answer["payload"]["error"]["message"] == "the jobs cannot be changed now"
        away.rename(path.parent)
        deadline = time.monotonic() + 5
        while ask("enqueue", job={"id": "b"})["payload"]["status"] != "ok":
            assert time.monotonic() < deadline
            time.sleep(0.1)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2, lines
    assert not [record for record in caplog.records if record.exc_info]
    assert ids_in(path)[0] == "a"


def test_idle_server_writes_its_file_again(path):
    with running(profiles=("queue",), state=path) as run:
        client = run.client("a")
        client.ask("queue_manager", {"action": "enqueue", "queue": "q", "job": {"id": "a"}})
        path.unlink()
        deadline = time.monotonic() + 5
        while not path.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)


# A full disk


@pytest.fixture
def small_disk(tmp_path):
    """Return a folder on a disk of 20 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=20m", "none", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(store):
    """Enqueue jobs until there is no space, and return their ids."""
    for number in range(1000):
        (outcome,) = do(store, enqueue(str(number), data="x" * 50_000))
        if outcome is not None:
            assert isinstance(outcome, NoSpaceError)
            return [str(each) for each in range(number)]
    raise AssertionError("the disk has no end")


def check_full_disk(store, path, caplog, free):
    with caplog.at_level(logging.INFO):
        names = fill(store)
        assert len(names) > 20
        assert do(store, enqueue("0")) == [None]  # which is known
        for name in names[:-1]:
            assert do(store, dequeue(1), complete(name)) == [[name], None]
        ((last,),) = [do(store, dequeue(1))[0]]
        assert do(store, lambda store: store.retry("demo", last, 1, 0)) == [None]
        free()
        assert do(store, enqueue("new")) == [None]
        assert do(store, dequeue(9)) == [[last, "new"]]
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        f"there is no space for state file {path}: new jobs are refused",
        f"there is space for state file {path} again",
    ]


def test_full_disk_refuses_jobs_and_lets_the_others_be_done(small_disk, caplog, monkeypatch):
    monkeypatch.setattr(file_store, "RETRY_SECONDS", 0.0)
    path = small_disk / "jobs.db"
    store = FileStore(path, Limits(), 1 << 20)
    filling = small_disk / "other"
    filling.write_bytes(bytes(4 << 20))
    check_full_disk(store, path, caplog, filling.unlink)
    store.close()
    assert ids_in(path)[-1] == "new"


def test_disk_that_others_fill_lets_jobs_be_done(small_disk, monkeypatch):
    monkeypatch.setattr(file_store, "RETRY_SECONDS", 0.0)
    path = small_disk / "jobs.db"
    store = FileStore(path, Limits(), 1 << 20)
    do(store, *(enqueue(f"{number}", data="x" * 500) for number in range(100)))
    with contextlib.suppress(OSError), (small_disk / "other").open("wb") as file:
        while True:
            file.write(bytes(4096))
            file.flush()
    for number in range(100):
        assert do(store, dequeue(1), complete(f"{number}")) == [[f"{number}"], None]
    store.close()
    FileStore(path, Limits(), 1 << 20).close()


def test_server_that_starts_on_a_full_disk_says_so(small_disk, caplog):
    path = small_disk / "jobs.db"
    open_file(path).close()
    (small_disk / "other").write_bytes(bytes(15 << 20))
    store = FileStore(path, Limits(), 1 << 20)
    assert isinstance(do(store, enqueue("a"))[0], NoSpaceError)
    assert "there is no space" in caplog.text
    store.close()


def test_limit_of_a_file_refuses_jobs_and_lets_the_others_be_done(path):
    """The same for a limit of the length of files, in a process of its own."""
    script = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from test_file_store import FileStore, Limits, do, dequeue, complete, fill, file_store\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, 3 << 20))\n"
        "store = FileStore(Path(sys.argv[1]), Limits(), 1 << 20)\n"
        "names = fill(store)\n"
        "done = 0\n"
        "for name in names:\n"
        "    assert do(store, dequeue(1), complete(name)) == [[name], None], (name, len(names))\n"
        "print(len(names))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, path],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)])},
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 20
    assert run.stderr.count("there is no space") == 1


def test_reserve_is_not_needed_where_it_cannot_be(tmp_path, monkeypatch):
    kept = reserve.Reserve(tmp_path)
    monkeypatch.delattr(os, "posix_fallocate")
    assert kept.take()
    kept.free()


def test_server_whose_file_is_deleted_loses_nothing_at_its_end(path):
    command = [sys.executable, "-m", "reference_server", "--port", "0", "--profile", "queue", "--state", str(path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        port = int(process.stderr.readline().rpartition(":")[2])
        client = Client(port, "a")
        for number in range(20):
            if number == 10:
                path.unlink()
            answer = client.ask("queue_manager", {"action": "enqueue", "queue": "q", "job": {"id": f"{number}"}})
            assert answer["payload"]["status"] == "ok"
        client.close()
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert ids_in(path) == [f"{number}" for number in range(20)]


def put_other(path):
    path.unlink()
    open_file(path).close()


@pytest.mark.parametrize("meddle", [Path.unlink, put_other], ids=["missing", "other"])
def test_file_that_vanishes_while_it_is_written_again_is_not_made_anew(store, path, monkeypatch, meddle):
    do(store, enqueue("a"))
    put = file_store.put

    def put_and_meddle(new, wanted):
        put(new, wanted)
        meddle(wanted)

    monkeypatch.setattr(file_store, "put", put_and_meddle)
    path.unlink()
    for _ in range(3):
        with pytest.raises((StateLostError, sqlite3.Error)):
            do(store, enqueue("b"))
