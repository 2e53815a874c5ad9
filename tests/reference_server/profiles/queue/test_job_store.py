"""The job store: groups of operations, what they leave behind, and the speed of what it does with many jobs."""

import contextlib
import sqlite3

import msgspec
import pytest
from queue_memory import open_memory

from reference_server.profiles.queue.job_store import (
    KEPT_FINISHED,
    JobConflictError,
    JobStore,
    NotLeasedError,
)
from reference_server.profiles.queue.tables import COMPLETED

NOW = 1_700_000_000_000
QUEUE = ("demo", "q")
ROOM = 1 << 20


@pytest.fixture
def store():
    made = JobStore(open_memory())
    yield made
    made.close()


def enqueue(name, queue=QUEUE, **members):
    return lambda store: store.enqueue(queue, {"id": name} | members, ROOM)


def dequeue(count=10, session=1, lease=1000, room=ROOM):
    return lambda store: [
        each["id"] for each in map(msgspec.json.decode, store.dequeue(QUEUE, count, lease, session, room))
    ]


def test_group_is_one_transaction_with_an_outcome_for_each(store):
    result = store.perform(
        [
            enqueue("a"),
            enqueue("a", ("demo", "other")),
            dequeue(),
            lambda store: store.finish("demo", "a", 2, COMPLETED),
            lambda store: store.finish("demo", "a", 1, COMPLETED),
        ],
        NOW,
    )
    assert result.outcomes[0] is None
    assert isinstance(result.outcomes[1], JobConflictError)
    assert result.outcomes[2] == ["a"]
    assert isinstance(result.outcomes[3], NotLeasedError)
    assert result.outcomes[4] is None
    assert result.due == {QUEUE}
    assert result.wake is None


def test_group_that_fails_changes_nothing_and_the_next_one_works(store):
    def broken(_store):
        raise sqlite3.OperationalError("disk I/O error")

    with pytest.raises(sqlite3.OperationalError):
        store.perform([enqueue("a"), broken], NOW)
    assert store.perform([dequeue(), enqueue("a"), dequeue()], NOW).outcomes == [[], None, ["a"]]


def test_result_says_when_to_look_again(store):
    assert store.perform([enqueue("late", scheduledFor=NOW + 500)], NOW).wake == NOW + 500
    result = store.perform([enqueue("now"), dequeue(lease=100)], NOW)
    assert result.wake == NOW + 101
    assert store.perform([], NOW + 101).due == {QUEUE}
    result = store.perform([dequeue()], NOW + 500)
    assert result.outcomes == [["late", "now"]]
    assert result.due == {QUEUE}


def test_lease_ends_when_its_session_is_released(store):
    store.perform([enqueue("a"), enqueue("b"), dequeue(1, session=1), dequeue(1, session=2)], NOW)
    result = store.perform([lambda store: store.release(1), dequeue(session=3)], NOW)
    assert result.outcomes[1] == ["a"]
    assert result.due == {QUEUE}


def test_no_lease_survives_the_process():
    with contextlib.closing(open_memory()) as database:
        JobStore(database).perform([enqueue("a"), dequeue(lease=10_000)], NOW)
        assert JobStore(database).perform([dequeue()], NOW).outcomes == [["a"]]


def test_jobs_that_are_too_long_together_are_left_for_the_next_time(store):
    store.perform([enqueue(name, data="x" * 100) for name in "abc"], NOW)
    assert store.perform([dequeue(room=1), dequeue(room=500)], NOW).outcomes == [["a"], ["b", "c"]]


def test_finished_jobs_take_no_more_room_than_is_promised(store):
    names = [f"j{number}" for number in range(KEPT_FINISHED + 50)]
    store.perform([enqueue(name, data="x" * 1000) for name in names], NOW)
    store.perform([dequeue(len(names), room=1 << 30)], NOW)
    store.perform([lambda store, name=name: store.finish("demo", name, 1, COMPLETED) for name in names], NOW)
    rows = store._sql("SELECT count(*), count(body) FROM job").fetchone()
    assert rows == (KEPT_FINISHED, 0)
    assert store.perform([lambda store: store.stats(QUEUE)], NOW).outcomes[0]["completed"] == len(names)


@pytest.mark.parametrize(
    "operation",
    [
        "SELECT body FROM job WHERE state = 0 AND app = 'a' AND queue = 'q' ORDER BY priority DESC, place LIMIT 1",
        "SELECT min(until) FROM job WHERE until IS NOT NULL",
        "SELECT state, count(*) FROM job WHERE state < 3 AND app = 'a' AND queue = 'q' GROUP BY state",
        "UPDATE job SET state = 0 WHERE owner = 1",
        "UPDATE job SET state = 0 WHERE until <= 1",
        "DELETE FROM job WHERE number IS NOT NULL AND app = 'a' AND queue = 'q' AND number <= 1",
        "SELECT place FROM job WHERE app = 'a' AND id = 'x' AND owner = 1",
    ],
)
def test_no_operation_looks_at_every_job(store, operation):
    plan = [row[3] for row in store._sql(f"EXPLAIN QUERY PLAN {operation}")]
    assert plan
    assert not [step for step in plan if step.startswith("SCAN job") or "TEMP B-TREE" in step], plan
