"""Guesses of the token are logged and slowed down, for all clients of an address alike."""

from __future__ import annotations

import logging
import time

import pytest
from refserver_peer import Client, code_of, connect, running

from reference_server.network import wrong_tokens
from reference_server.network.wrong_tokens import DELAY, PERIOD, WrongTokens

TOKEN = "the right one"  # noqa: S105


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def seconds_until_answered(client: Client, token: str) -> float:
    """Return how long the answer to a connect message takes."""
    began = time.monotonic()
    client.send(connect(token=token))
    answer = client.receive()
    if token != TOKEN:
        assert code_of(answer) == "unauthorized"
    client.close()
    return time.monotonic() - began


def test_guesses_are_logged_and_slowed_down(caplog: pytest.LogCaptureFixture) -> None:
    with running(token=TOKEN, max_wrong_tokens=3) as run:
        for number in range(4):
            assert seconds_until_answered(run.client(), f"guess {number}") < DELAY
        assert seconds_until_answered(run.client(), TOKEN) >= DELAY * 0.9, "its time must not tell a right token"
        assert seconds_until_answered(run.client(), "guess 5") >= DELAY * 0.9
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert lines[0] == "a client at 127.0.0.1 showed a wrong token or none"
    assert lines[3] == "a client at 127.0.0.1 showed a wrong token or none; it is slowed down for up to 60 s"
    assert not any("guess" in line for line in lines)


def test_a_client_that_is_held_back_may_leave() -> None:
    with running(token=TOKEN, max_wrong_tokens=1) as run:
        for _ in range(2):
            seconds_until_answered(run.client(), "wrong")
        run.client().close()
        time.sleep(DELAY * 1.5)
        assert seconds_until_answered(run.client(), TOKEN) >= DELAY * 0.9


def test_counts_are_forgotten_and_kept_by_address(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    counts = WrongTokens(2, clock)
    for _ in range(3):
        counts.add("203.0.113.1")
    counts.add(None)
    assert [counts.delay(address) for address in ("203.0.113.1", "203.0.113.2", None)] == [DELAY, 0, 0]
    clock.now += PERIOD
    assert counts.delay("203.0.113.1") == 0
    assert "on the unix socket" in caplog.text


def test_very_many_addresses_share_a_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrong_tokens, "MOST_ADDRESSES", 5)
    counts = WrongTokens(2, Clock())
    for number in range(100):
        counts.add(f"203.0.113.{number}")
    assert len(counts._counts) == 6
    assert counts.delay("203.0.113.3") == 0
    assert counts.delay("203.0.113.99") == DELAY
