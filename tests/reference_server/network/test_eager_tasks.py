import asyncio
import contextvars

import pytest

from reference_server.network.eager_tasks import EagerTasks
from reference_server.network.turns import Turns

variable = contextvars.ContextVar("variable", default=0)


class Stage:
    """Eager tasks and what its coroutines did."""

    def __init__(self):
        self.waited = []
        self.waiting = set()
        self.tasks = EagerTasks(self.waited.append, Turns().give_way)
        self.done = []

    async def quick(self, name):
        variable.set(variable.get() + 1)
        self.done.append((name, asyncio.current_task(), variable.get()))

    async def slow(self, name, event):
        await self.quick(name)
        await event.wait()
        await self.quick(name + " again")

    def start(self, *coroutines):
        for coroutine in coroutines:
            self.tasks.start(coroutine, self.waiting)

    def names(self):
        return [name for name, _, _ in self.done]


def on_stage(test):
    """Run an async test with a fresh stage."""

    def run():
        async def main():
            await test(Stage())

        asyncio.run(main())

    return run


async def turns(count=3):
    for _ in range(count):
        await asyncio.sleep(0)


@on_stage
async def test_coroutines_that_never_wait_share_a_task_but_no_context(stage):
    stage.start(*(stage.quick(name) for name in "abc"))
    await turns()

    assert stage.names() == ["a", "b", "c"]
    assert len({task for _, task, _ in stage.done}) == 1
    assert [count for _, _, count in stage.done] == [1, 1, 1]
    assert (stage.waited, stage.waiting) == ([], set())


@on_stage
async def test_coroutine_that_waits_keeps_its_task_and_context_and_delays_nobody(stage):
    event = asyncio.Event()
    stage.start(stage.quick("a"), stage.slow("b", event), stage.slow("c", event), stage.quick("d"))
    await turns()
    assert stage.names() == ["a", "b", "c", "d"]
    assert len(stage.waiting) == len(stage.waited) == 2
    event.set()
    await turns()
    stage.start(stage.quick("e"))
    await turns()

    assert stage.names() == ["a", "b", "c", "d", "b again", "c again", "e"]
    tasks = {name: task for name, task, _ in stage.done}
    assert tasks["b"] is tasks["b again"] is not tasks["c"]
    assert [count for name, _, count in stage.done if name == "b again"] == [2]
    assert stage.waiting == set()
    assert all(task.done() for task in tasks.values())


@on_stage
async def test_cancelling_the_task_of_a_waiting_coroutine_reaches_it_and_only_it(stage):
    caught = []

    async def cancelled():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            caught.append(variable.get())
            await asyncio.sleep(0)
            caught.append("cleaned")

    variable.set(7)
    stage.start(cancelled(), stage.quick("other"))
    await turns()
    stage.waited[0].cancel()
    await turns()

    assert caught == [7, "cleaned"]
    assert stage.names() == ["other"]


@on_stage
async def test_coroutine_that_cancels_its_own_task_harms_no_later_one(stage):
    async def cancels():
        asyncio.current_task().cancel()

    event = asyncio.Event()
    stage.start(cancels(), stage.slow("next", event))
    await turns()
    event.set()
    await turns()

    assert stage.names() == ["next", "next again"]


@on_stage
async def test_timeouts_work_inside(stage):
    async def hurries():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await asyncio.sleep(60)
        stage.done.append(("in time", None, None))

    stage.start(hurries())
    await asyncio.sleep(0.02)
    await asyncio.wait(stage.waiting or {asyncio.ensure_future(turns())})

    assert stage.names() == ["in time"]
