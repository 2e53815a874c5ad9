"""The kit's end of a client's connection, against clients that send too much."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import pytest

from conformance.core.trace import Trace
from conformance.core.verdicts import Late
from conformance.peers.server import ServerPeer
from conformance.protocol import codec

PINGS = 500
PAUSE_SECONDS = 0.02
WAITS: list[Callable[[ServerPeer], object]] = [
    lambda end: end.receive_within(0.2),
    lambda end: end.take_within(0.2, "request", "slow"),
]


def ping(number: int) -> bytes:
    sent = {
        "message_id": f"ping-{number}",
        "app_id": "app",
        "channel_id": "system",
        "message_type": "request",
        "payload": {"action": "ping"},
        "timestamp": time.time(),
    }
    return codec.frame(codec.encode(sent))


def receive_in_vain(end: ServerPeer) -> None:
    """Wait for something else than pings with a usual patience, in which it does not come."""
    usual, end.patience = end.patience, 0.2
    try:
        with pytest.raises(Late):
            end.receive()
        assert end.patience == 0.2
    finally:
        end.patience = usual


@pytest.mark.parametrize("wait", [*WAITS, receive_in_vain])
def test_a_client_that_pings_all_the_time_does_not_keep_the_kit(wait: Callable[[ServerPeer], object]) -> None:
    client, server = socket.socketpair()
    stopped = threading.Event()
    sent: list[int] = []

    def send_pings() -> None:
        for number in range(PINGS):
            client.sendall(ping(number))
            client.recv(65_536)
            sent.append(number)
            if stopped.wait(PAUSE_SECONDS):
                return

    with client:
        end = ServerPeer("A", server, Trace(), 5.0)
        end.acknowledge()
        usual = end.patience
        sender = threading.Thread(target=send_pings)
        sender.start()
        try:
            assert wait(end) is None
        finally:
            stopped.set()
            sender.join()
            end.close()
    assert len(sent) < PINGS
    assert end.patience == usual
