"""Leases and delays when somebody sets the clock, while the server runs or between two runs."""

import asyncio
import contextlib
import time

import msgspec
import pytest
from queue_memory import open_memory

from reference_server import Limits
from reference_server.profiles.queue.clock import Clock, Moment
from reference_server.profiles.queue.job_store import JobStore
from reference_server.profiles.queue.manager import QueueManager
from reference_server.profiles.queue.state_file import open_file

NOW = 1_700_000_000_000
HOUR = 3_600_000
QUEUE = ("demo", "q")


def enqueue(name, **members):
    return lambda store: store.enqueue(QUEUE, {"id": name} | members, 1 << 20)


def dequeue(lease=1000, session=1):
    return lambda store: [msgspec.json.decode(each)["id"] for each in store.dequeue(QUEUE, 9, lease, session, 1 << 20)]


def retry(name, delay):
    return lambda store: store.retry("demo", name, 1, delay)


class SetClock(Clock):
    """A clock that a test sets: the time of day is ahead of the steady clock by what the test says."""

    def __init__(self, ahead=NOW):
        self.ahead, self.steady = ahead, 5000

    def read(self):
        return Moment(self.ahead + self.steady, self.steady)


class Run:
    """A store with such a clock."""

    def __init__(self, database=None):
        self.clock = SetClock()
        self.store = JobStore(database or open_memory())
        self.do()

    def do(self, *operations):
        return self.store.perform(operations, *self.clock.read()).outcomes


JUMPS = {"an hour back": -HOUR, "an hour ahead": HOUR, "years ahead": 10**12, "a moment back": -50}


@pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS)
@pytest.mark.parametrize(
    "begin",
    [
        [enqueue("a"), dequeue(lease=10_000)],
        [enqueue("a", scheduledFor=NOW + 5000 + 10_001)],
        [enqueue("a"), dequeue(), retry("a", 10_001)],
    ],
    ids=["lease", "delay", "retry"],
)
def test_time_goes_on_as_before_when_the_clock_is_set(begin, jump):
    run = Run()
    run.do(*begin)
    run.clock.steady += 4000
    run.clock.ahead += jump
    assert run.do(dequeue()) == [[]]
    run.clock.steady += 6000
    assert run.do(dequeue()) == [[]]
    run.clock.steady += 1
    assert run.do(dequeue()) == [["a"]]


def test_job_is_scheduled_by_the_clock_of_its_time():
    run = Run()
    run.clock.ahead -= HOUR
    run.do(enqueue("a", scheduledFor=run.clock.read().now + 1000))
    run.clock.steady += 999
    assert run.do(dequeue()) == [[]]
    run.clock.steady += 1
    assert run.do(dequeue()) == [["a"]]


def test_clock_that_is_set_in_a_group_that_fails_is_noticed_by_the_next():
    run = Run()
    run.do(enqueue("a"), dequeue(lease=1000))
    run.clock.ahead += HOUR
    with pytest.raises(ZeroDivisionError):
        run.do(lambda _: 1 // 0)
    assert run.do(dequeue()) == [[]]
    run.clock.steady += 1001
    assert run.do(dequeue()) == [["a"]]


@pytest.mark.parametrize(
    "begin", [[enqueue("a", scheduledFor=NOW + 5000 + 10_000)], [enqueue("a"), dequeue(), retry("a", 10_000)]]
)
@pytest.mark.parametrize(
    ("set_by", "left"),
    [(0, 6000), (-HOUR, 10_000), (-(10**12), 10_000), (HOUR, 0)],
    ids=["right", "back", "1990s", "ahead"],
)
def test_delay_lasts_no_longer_than_its_whole_length_after_a_start(tmp_path, begin, set_by, left):
    with contextlib.closing(open_file(tmp_path / "jobs.db")) as database:
        Run(database).do(*begin)
    with contextlib.closing(open_file(tmp_path / "jobs.db")) as database:
        run = Run.__new__(Run)
        run.clock, run.store = SetClock(NOW + set_by), JobStore(database)
        run.clock.steady += 4000
        run.do()
        if left:
            run.clock.steady += left - 1
            assert run.do(dequeue()) == [[]]
            run.clock.steady += 1
        assert run.do(dequeue()) == [["a"]]


def test_delay_that_goes_beyond_every_clock_does_not_fail():
    run = Run()
    run.do(enqueue("a", scheduledFor=1e308), enqueue("b", scheduledFor=10**300))
    run.clock.ahead += HOUR
    assert run.do(dequeue()) == [[]]


def test_manager_announces_a_job_in_time_when_the_clock_is_set_back():
    class Ticking(Clock):
        def __init__(self):
            self.ahead = 0

        def read(self):
            moment = super().read()
            return Moment(moment.now + self.ahead, moment.steady)

    async def announced():
        events, clock = asyncio.Queue(), Ticking()
        manager = QueueManager(
            None, lambda _: JobStore(open_memory()), lambda *event: events.put_nowait(event), Limits(), clock
        )
        manager.open()
        due = clock.read().now + 300
        await manager._submit(lambda store: store.enqueue(QUEUE, {"id": "a", "scheduledFor": due}, 1000))
        clock.ahead = -HOUR
        began = time.monotonic()
        event = await asyncio.wait_for(events.get(), 5)
        took = time.monotonic() - began
        await manager.close()
        return event, took

    event, took = asyncio.run(announced())
    assert event[:2] == ("demo", "queue:q")
    assert 0.2 < took < 1.3


def test_clock_tells_unix_time_and_one_that_goes_on():
    clock = Clock()
    before, wall = clock.read(), time.time() * 1000
    time.sleep(0.02)
    after = clock.read()
    assert abs(before.now - wall) < 1000
    assert 15 < after.steady - before.steady < 1000
    assert abs((after.now - before.now) - (after.steady - before.steady)) <= 2
