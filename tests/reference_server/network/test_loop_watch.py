"""The log tells where the event loop is blocked."""

from __future__ import annotations

import asyncio
import logging
import threading
import time

import pytest

from reference_server.network import loop_watch
from reference_server.network.loop_watch import LoopWatch


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "reference_server")
    monkeypatch.setattr(loop_watch, "BLOCKED_SECONDS", 0.2)


async def block_the_loop() -> None:
    time.sleep(0.7)  # noqa: ASYNC251 - the mistake


def watched_threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "loop-watch"]


def test_a_blocked_loop_is_told_once_with_its_place_and_time(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        watch = LoopWatch()
        await block_the_loop()
        await asyncio.sleep(0.1)
        watch.close()

    asyncio.run(scene())
    blocked, free = [record.getMessage() for record in caplog.records]
    assert "the event loop is blocked in block_the_loop (" in blocked
    assert "test_loop_watch.py:" in blocked
    assert free.startswith("the event loop was blocked for 0.")


def test_a_waiting_loop_is_not_blocked(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        watch = LoopWatch()
        await asyncio.sleep(0.6)
        watch.close()

    asyncio.run(scene())
    assert not caplog.records


def test_a_suspended_loop_is_not_blocked(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        watch = LoopWatch()
        monkeypatch.setattr(watch._loop, "call_soon_threadsafe", lambda _: None)  # it waits, and does not wake up
        await asyncio.sleep(0.6)
        watch.close()

    asyncio.run(scene())
    assert not caplog.records


@pytest.mark.parametrize("is_closed", [True, False])
def test_the_thread_ends_with_the_watch_or_its_loop(is_closed: bool) -> None:
    async def scene() -> None:
        watch = LoopWatch()
        assert watched_threads()
        if is_closed:
            watch.close()

    asyncio.run(scene())
    for thread in watched_threads():
        thread.join(5)
    assert not watched_threads()
