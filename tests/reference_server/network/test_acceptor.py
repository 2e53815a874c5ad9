"""Accepting connections while the system lacks descriptors."""

import asyncio
import errno
import logging

from refserver_peer import running

from reference_server.network import acceptor


def test_lack_of_descriptors_is_logged_once_and_accepting_goes_on(monkeypatch, caplog):
    """The system refuses a hundred times, then it does not."""
    monkeypatch.setattr(acceptor, "_PAUSE", 0.001)
    caplog.set_level(logging.INFO)
    refusals = 100

    async def sock_accept(self, listener):
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return await original(self, listener)

    original = asyncio.SelectorEventLoop.sock_accept
    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_accept", sock_accept)
    with running() as run:
        assert run.client("c").ping_barrier() == []

    assert refusals == 0
    messages = [record.getMessage() for record in caplog.records]
    # The addresses of localhost have a listener each.
    assert 1 <= sum(each.startswith("cannot accept connections: Too many open files") for each in messages) <= 2
    assert 1 <= messages.count("accepting connections again") <= 2
    assert len(messages) <= 4
