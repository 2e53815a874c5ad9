"""Memory that is free inside of the process, which goes back to the system once in a while."""

import asyncio
import itertools

from reference_server import allocator
from reference_server.network import spare_memory
from reference_server.network.memory import CONNECTION_BYTES, Memory
from reference_server.network.spare_memory import SpareMemory
from reference_server.protocol.limits import MIB, Limits


class Someone:
    address = None


def test_much_that_is_freed_at_once_is_given_back_once(monkeypatch):
    given_back = []
    monkeypatch.setattr(spare_memory, "_DELAY", 0)
    monkeypatch.setattr(allocator, "return_free_memory", lambda: given_back.append(1))

    async def free():
        spare = SpareMemory(lambda: True)
        for amounts in ([MIB] * 3, [MIB // 2], [MIB // 2]):
            for octets in amounts:
                spare.note_freed(octets)
            await asyncio.sleep(0.05)

    asyncio.run(free())
    assert given_back == [1, 1]


class Loop:
    """An event loop whose time a test sets."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        self.delays = []
        monkeypatch.setattr(asyncio, "get_running_loop", lambda: self)

    def time(self):
        return self.now

    def call_later(self, delay, act):
        self.delays.append(delay)
        self.act = act


def test_giving_back_is_rarer_where_it_takes_longer(monkeypatch):
    loop = Loop(monkeypatch)
    clock = iter([0, 0.5])
    monkeypatch.setattr(spare_memory.time, "thread_time", lambda: next(clock))
    spare = SpareMemory(lambda: False)

    spare.note_freed(MIB)
    loop.act()
    spare.note_freed(MIB)
    assert loop.delays == [1, 50]


def test_collections_happen_while_it_is_quiet_and_take_little_time(monkeypatch):
    loop, collected, quiet, frozen = Loop(monkeypatch), [], True, 0
    clock = itertools.count()
    monkeypatch.setattr(spare_memory.time, "thread_time", lambda: next(clock) / 100)  # each takes 0.01 s
    monkeypatch.setattr(spare_memory.gc, "collect", lambda: collected.append(loop.now))
    monkeypatch.setattr(spare_memory.gc, "get_freeze_count", lambda: frozen)
    spare = SpareMemory(lambda: quiet)

    def free_at(now):
        loop.now = now
        spare.note_freed(MIB)
        loop.act()

    free_at(1)  # a library in somebody's process does not collect
    frozen = 1
    quiet = False
    free_at(2)
    assert collected == []
    quiet = True
    for now in (3, 4, 12, 14, 15):
        free_at(now)
    assert collected == [3, 14]


def test_long_frames_handlers_and_connections_free_memory():
    freed = []
    memory, one = Memory(Limits(), freed=freed.append), Someone()

    memory.claim(one, MIB)
    memory.change_load(MIB)
    assert freed == []
    memory.release(one)
    memory.release(one)  # which claims nothing more
    assert freed == [MIB]
    memory.change_load(-2 * MIB)
    assert freed == [MIB, 2 * MIB]
    memory.add_connection()
    memory.forget(one)
    assert freed == [MIB, 2 * MIB, CONNECTION_BYTES]
