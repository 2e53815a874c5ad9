"""What clients can make the profile queue hold: jobs, octets, and the names of queues."""

import asyncio
import logging

import pytest
from queue_memory import open_memory
from refserver_peer import code_of, message, running

from reference_server import Limits
from reference_server.profiles.queue.job_store import (
    JobConflictError,
    JobStore,
    TooManyJobsError,
    TooManyOctetsError,
)
from reference_server.profiles.queue.manager import SLICE, QueueManager
from reference_server.profiles.queue.notices import PERIOD, Notices
from reference_server.profiles.queue.tables import COMPLETED

NOW = 1_700_000_000_000
QUEUE = ("demo", "q")
ROOM = 1 << 20
FEW = Limits(max_queue_jobs=1000)
SMALL = Limits(max_queue_bytes=2 << 20, max_frame_bytes=1 << 20)


def enqueue(name, queue=QUEUE, **members):
    return lambda store: store.enqueue(queue, {"id": name} | members, ROOM)


def dequeue(count=1, queue=QUEUE):
    return lambda store: store.dequeue(queue, count, 60_000, 1, ROOM)


def complete(name):
    return lambda store: store.finish("demo", name, 1, COMPLETED)


def outcomes(store, *operations, now=NOW):
    return store.perform(operations, now).outcomes


def full(limits):
    """Return a store that has as many jobs as it may, each with its number as id."""
    store = JobStore(open_memory(), limits)
    number = 0
    while outcomes(store, enqueue(str(number), data="x" * 1000))[0] is None:
        number += 1
    return store, number


def test_jobs_over_the_limit_are_refused_until_one_is_done():
    store, count = full(FEW)
    assert count == 1000
    refused, known, elsewhere = outcomes(store, enqueue("x"), enqueue("0"), enqueue("0", ("demo", "r")))
    assert isinstance(refused, TooManyJobsError)
    assert known is None
    assert isinstance(elsewhere, JobConflictError)
    assert outcomes(store, dequeue(), complete("0"), enqueue("x"))[2] is None
    assert isinstance(outcomes(store, enqueue("y"))[0], TooManyJobsError)


@pytest.mark.parametrize("members", [{"priority": 5}, {"scheduledFor": NOW + 10**12}, {"attempts": 2147483647}])
def test_every_kind_of_job_counts(members):
    store = JobStore(open_memory(), FEW)
    results = outcomes(store, *(enqueue(str(number), ("demo", f"q{number}"), **members) for number in range(1001)))
    assert [isinstance(each, TooManyJobsError) for each in results] == [False] * 1000 + [True]


def test_octets_over_the_limit_are_refused_until_there_is_room():
    store, count = full(SMALL)
    assert 1000 < count < 2000
    assert isinstance(outcomes(store, enqueue("x", data="x" * 1000))[0], TooManyOctetsError)
    for number in range(3):
        outcomes(store, dequeue(), complete(str(number)))
    assert outcomes(store, enqueue("x", data="x" * 1000))[0] is None


def test_two_of_the_longest_jobs_always_have_room():
    limits = Limits(max_queue_bytes=1 << 20, max_frame_bytes=4 << 20)
    store = JobStore(open_memory(), limits)
    long = (4 << 20) - 8192
    jobs = [lambda store, name=name: store.enqueue(QUEUE, {"id": name, "data": "x" * long}, 4 << 20) for name in "ab"]
    assert outcomes(store, *jobs) == [None, None]


def test_names_of_queues_that_are_empty_again_count():
    store = JobStore(open_memory(), SMALL)
    for number in range(10_000):
        name = f"{number:0249d}"
        queue = ("demo", name)
        if outcomes(store, enqueue(name, queue), dequeue(1, queue), complete(name))[0]:
            break
    assert number < 2000
    pages, size = (store._sql(f"PRAGMA {what}").fetchone()[0] for what in ("page_count", "page_size"))
    assert pages * size < 2 * (2 << 20)


def test_queues_without_finished_jobs_leave_nothing():
    store = JobStore(open_memory())
    outcomes(store, *(lambda store, n=n: store.stats(("demo", f"q{n}")) for n in range(100)))
    outcomes(store, *(dequeue(1, ("demo", f"q{n}")) for n in range(100)))
    assert store._sql("SELECT (SELECT count(*) FROM job) + (SELECT count(*) FROM tally)").fetchone() == (0,)


def test_counts_stay_what_the_tables_hold():
    store = JobStore(open_memory())
    names = [f"é{number}" for number in range(1100)]
    outcomes(store, *(enqueue(name, data="x" * 50) for name in names), *(dequeue(1) for _ in names))
    outcomes(store, *(complete(name) for name in names[:1050]))
    outcomes(store, *(lambda store, name=name: store.retry("demo", name, 1, 5000) for name in names[1050:]))
    with pytest.raises(ZeroDivisionError):
        outcomes(store, enqueue("lost"), lambda _: 1 // 0)
    assert store._jobs == 50
    assert (store._jobs, store._octets) == store._count()


def test_client_is_told_and_the_log_once(caplog):
    with caplog.at_level(logging.INFO), running(profiles=("queue",), max_queue_jobs=1000) as run:
        client = run.client("a")
        ask = [
            message("request", "queue_manager", {"action": "enqueue", "queue": "q", "job": {"id": str(number)}})
            for number in range(1010)
        ]
        client.send(*ask)
        answers = [client.receive() for _ in ask]
        assert {code_of(answer) for answer in answers[1000:]} == {"handler_failed"}
        assert answers[1005]["payload"]["error"]["message"] == "there is no room for the job '1005': there are too many"
        assert all(answer["payload"]["status"] == "ok" for answer in answers[:1000])
        client.ask("queue_manager", {"action": "dequeue", "queue": "q"})
        client.ask("queue_manager", {"action": "job_completed", "job_id": "0"})
        client.ask("queue_manager", {"action": "enqueue", "queue": "q", "job": {"id": "new"}})
    assert [each.getMessage() for each in caplog.records if "jobs are" in each.getMessage()] == [
        "new jobs are refused: --max-queue-jobs is reached",
        "new jobs are taken again",
    ]


def test_trouble_that_comes_and_goes_does_not_fill_the_log(caplog, monkeypatch):
    time = 100.0
    monkeypatch.setattr("reference_server.profiles.queue.notices.time.monotonic", lambda: time)
    notices = Notices("over")
    with caplog.at_level(logging.INFO):
        for _ in range(5):
            notices.begin("begun")
            notices.begin("begun")
            notices.end()
        time += PERIOD
        notices.begin("begun")
    assert [each.getMessage() for each in caplog.records] == ["begun", "over", "begun"]


def test_events_of_many_queues_leave_others_their_turn():
    async def longest_run():
        announced, run, longest = 0, 0, 0

        def announce(*_event):
            nonlocal announced, run
            announced, run = announced + 1, run + 1

        manager = QueueManager(None, lambda _: JobStore(open_memory()), announce, Limits())
        manager.open()
        jobs = [manager._submit(enqueue(str(number), ("demo", f"q{number}"))) for number in range(900)]
        while not all(job.done() for job in jobs):
            await asyncio.sleep(0)
            longest, run = max(longest, run), 0
        await manager.close()
        return announced, longest

    announced, longest = asyncio.run(longest_run())
    assert announced == 900
    assert longest <= SLICE
