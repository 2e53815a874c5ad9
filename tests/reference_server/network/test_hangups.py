"""A connection that is lost while the server does not read from it ends all the same."""

import asyncio
import socket
import struct
import time

import pytest
from refserver_peer import frame, message, octets_until_blocked, running

ENDED_SECONDS = 10.0


def wait_until(condition):
    deadline = time.monotonic() + ENDED_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


@pytest.mark.parametrize("is_reset", [True, False])
def test_a_client_that_resets_while_its_requests_fill_the_handlers_is_forgotten(is_reset):
    ended = []

    def register(server):
        @server.handler("silent")
        async def silent(_request):
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(1)

    with running(register, max_in_flight_bytes=64 * 1024) as run:
        client = run.client("alice")
        client.socket.settimeout(0.3)
        octets_until_blocked(client.socket, frame(message("request", "silent", "x" * 10_000)) * 2_000)
        if is_reset:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            assert wait_until(lambda: ended and not run.server._running.places.sessions)
        else:
            time.sleep(2.5)
            assert run.server._running.places.sessions, "it is only slow, and still connected"
            assert not ended
            client.close()


def test_a_client_that_resets_after_the_end_of_its_stream_is_forgotten_before_its_answer():
    ended = []

    def register(server):
        @server.handler("silent")
        async def silent(_request):
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(1)

    with running(register) as run:
        client = run.client("alice")
        client.send(message("request", "silent", 1))
        assert client.ping_barrier() == []
        client.socket.shutdown(socket.SHUT_WR)
        assert wait_until(
            lambda: [each._connection.state.name for each in run.server._running.places.sessions] == ["DRAINING"]
        )
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        assert wait_until(lambda: ended and not run.server._running.places.sessions)
