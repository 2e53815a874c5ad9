"""The server on real sockets: times, flow, limits of the transport, the end."""

import asyncio
import errno
import socket
import time

import pytest
from refserver_peer import (
    SECONDS,
    Client,
    code_of,
    connect,
    frame,
    message,
    octets_until_blocked,
    ping,
    publish,
    running,
    subscribe,
)

from reference_server import ReferenceServer
from reference_server.network.listeners import open_listeners


@pytest.fixture(scope="module")
def shared():
    with running() as run:
        yield run


@pytest.fixture
def client(shared, request):
    return shared.client(request.node.name[:100])


def reset(client: Client) -> None:
    """End a connection without a word."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    client.close()


def test_server_answers_pings_in_order(client):
    pings = [ping() for _ in range(100)]
    client.send(*pings)

    assert [client.receive()["reply_to"] for _ in pings] == [each["message_id"] for each in pings]


def test_server_answers_a_frame_that_comes_octet_by_octet(client):
    barrier = ping()
    for octet in frame(barrier):
        client.socket.sendall(bytes([octet]))

    assert client.receive()["reply_to"] == barrier["message_id"]


def test_server_listens_on_both_loopback_addresses_where_there_are_two(shared):
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as probe:
            if probe.connect_ex((address, shared.port)) == errno.EADDRNOTAVAIL:
                continue
        with socket.create_connection((address, shared.port), timeout=SECONDS) as connection:
            connection.sendall(frame(connect("from " + address)))
            assert connection.recv(4)


def test_listener_of_an_unknown_host_is_an_error():
    with pytest.raises(OSError, match=r"not known|No address|failure"):
        open_listeners("no-such-host.invalid", 0)


def test_listener_leaves_the_other_address_closed_when_one_is_taken():
    (taken, *more) = open_listeners("127.0.0.1", 0)
    assert not more
    taken.listen()
    port = taken.getsockname()[1]
    with pytest.raises(OSError, match="in use"):
        open_listeners("localhost", port)
    taken.close()
    for listener in open_listeners("localhost", port):
        listener.close()


def test_publish_reaches_a_subscriber_and_nobody_else(shared):
    alice, bob = shared.client("alice"), shared.client("bob")
    alice.send(subscribe("sockets", "alice"))
    assert alice.ping_barrier() == []
    sent = publish("sockets", {"n": 1})
    bob.send(sent)

    assert bob.ping_barrier() == []
    assert alice.ping_barrier() == [sent]


def test_takeover_ends_the_older_connection(shared):
    older, newer = shared.client("twice"), shared.client("twice")

    assert code_of(older.receive()) == "session_replaced"
    assert older.ends()
    assert newer.ping_barrier() == []


def test_http_client_gets_a_complete_hint(shared):
    with socket.create_connection(("127.0.0.1", shared.port), timeout=SECONDS) as browser:
        browser.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b"".join(iter(lambda: browser.recv(4096), b""))

    assert answer.startswith(b"HTTP/1.1 426 ")


def test_client_can_read_a_fatal_error_while_it_goes_on_sending(client):
    client.send(b"{")
    for _ in range(100):
        client.socket.sendall(b"x" * 10_000)

    assert code_of(client.receive()) == "malformed_frame"
    assert client.ends()


def test_client_that_ended_its_side_gets_its_answers(client):
    barrier = ping()
    client.send(barrier)
    client.socket.shutdown(socket.SHUT_WR)

    assert client.receive()["reply_to"] == barrier["message_id"]
    assert client.ends()


def test_client_that_ended_its_side_gets_an_answer_that_takes_its_time():
    gate = asyncio.Event()

    def register(server):
        @server.handler("slow")
        async def slow(_request):
            await gate.wait()

        @server.handler("free")
        async def free(_request):
            gate.set()

    with running(register) as run:
        client, other = run.client("c"), run.client("other")
        request = message("request", "slow")
        client.send(request)
        client.socket.shutdown(socket.SHUT_WR)
        assert other.ping_barrier() == []
        other.send(message("request", "free"))
        assert client.receive()["reply_to"] == request["message_id"]
        assert client.ends()


def test_connections_that_break_off_anywhere_harm_nobody(shared, client):
    whole = frame(connect("breaker")) + frame(subscribe("breaking", "breaker"))
    for cut in (0, 3, 4, 50, len(whole)):
        breaker = shared.client()
        breaker.socket.sendall(whole[:cut])
        reset(breaker)
    client.send(publish("breaking"))

    assert client.ping_barrier() == []


def test_handshake_times_out_from_the_moment_of_accepting():
    with running(handshake_timeout=1) as run:
        slow, patient = run.client(), run.client("patient")
        slow.socket.settimeout(0.05)
        begun = time.monotonic()
        # One octet at a time buys no more time.
        for octet in frame(connect()):
            try:
                slow.socket.recv(1, socket.MSG_PEEK)
                break
            except TimeoutError:
                slow.socket.sendall(bytes([octet]))
        slow.socket.settimeout(SECONDS)
        answer = slow.receive()

        assert 0.9 < time.monotonic() - begun < 2
        assert (code_of(answer), answer["app_id"], answer["reply_to"]) == ("handshake_timeout", "system", None)
        assert slow.ends()
        assert patient.ping_barrier() == []


def test_connection_over_the_limit_is_told_and_a_place_is_free_again_after_an_end():
    with running(max_connections=100) as run:
        clients = [run.client(f"c{number}") for number in range(100)]
        over = run.client()
        assert code_of(over.receive()) == "too_many_connections"
        assert over.ends()
        clients[0].socket.shutdown(socket.SHUT_WR)
        assert clients[0].ends()

        assert run.client("next").ping_barrier() == []


def test_lingering_ends_although_the_client_stays():
    with running(linger=1) as run:
        client = run.client("stays")
        client.send(b"[]")
        assert code_of(client.receive()) == "malformed_frame"
        assert client.ends()
        # A closed socket answers octets with a reset.
        begun = time.monotonic()
        with pytest.raises(OSError, match=r"reset|[Bb]roken"):
            octets_until_blocked(client.socket, b"x" * 1000)
        assert time.monotonic() - begun < 5


# Flow


def test_subscriber_that_does_not_read_is_ended_and_the_others_get_everything():
    with running(max_frame_bytes=2**20, max_outbound_bytes=2**20) as run:
        slow, quick, publisher = run.client("slow"), run.client("quick"), run.client("publisher")
        for each in (slow, quick):
            each.send(subscribe("flood", each.name))
            assert each.ping_barrier() == []
        count = 0
        # What the operating system buffers comes on top of the limit, so it takes some publishes more than that.
        while count < 400:
            publisher.send(*(publish("flood", "x" * 60_000, message_id=f"f{count + n}") for n in range(10)))
            assert publisher.ping_barrier() == []
            for _ in range(10):
                assert quick.receive()["message_id"] == f"f{count}"
                count += 1
        last: dict[str, object] = {}
        received = 0
        while (answer := slow.receive())["message_type"] == "publish":
            assert answer["message_id"] == f"f{received}"
            last = answer
            received += 1

        assert last
        assert code_of(answer) == "slow_consumer"
        assert received < 400
        assert slow.ends()


def test_server_stops_reading_from_a_client_that_does_not_read_its_answers():
    with running(echo_everything, max_frame_bytes=2**20, max_outbound_bytes=2**20) as run:
        client = run.client("stubborn")
        one = frame(message("request", "echo", "x" * 50_000))
        client.socket.settimeout(0.3)
        sent = octets_until_blocked(client.socket, one)
        assert sent < 2**26
        client.socket.settimeout(SECONDS)
        for _ in range(sent // len(one)):
            assert client.receive()["payload"] == "x" * 50_000
        client.socket.sendall(one[sent % len(one) :] if sent % len(one) else b"")

        assert len(client.ping_barrier()) == (1 if sent % len(one) else 0)


def test_connection_that_was_not_read_from_still_ends_with_its_client():
    with running(echo_everything, max_frame_bytes=2**20, linger=60) as run:
        client = run.client("stubborn")
        client.socket.settimeout(0.2)
        octets_until_blocked(client.socket, frame(message("request", "echo", "x" * 50_000)))
        client.socket.settimeout(SECONDS)
        run.client("stubborn")
        while client.receive()["channel_id"] == "echo":
            pass
        assert client.ends()
        # The end of the server, which waits for its connections, is late when this end is not noticed.
        client.close()


def echo_everything(server: ReferenceServer) -> None:
    @server.handler("echo")
    async def echo(request):
        return request.payload


# The end


def test_shutdown_tells_everyone_and_accepts_nobody():
    with running() as run:
        newcomer, alice = run.client(), run.client("alice")
        run.wait(run.server.close())
        assert code_of(alice.receive()) == "shutting_down"
        assert alice.ends()
        assert code_of(newcomer.receive()) == "shutting_down"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", run.port), timeout=SECONDS)


def test_server_can_be_closed_twice_and_started_again():
    server = ReferenceServer(port=0)
    with pytest.raises(RuntimeError, match="not started"):
        _ = server.port
    with pytest.raises(RuntimeError, match="not running"):
        server.publish("demo", "news", 1)
    with running() as run:
        run.wait(run.server.close())
        run.wait(run.server.close())
        run.wait(run.server.start())
        run.port = run.server.port
        assert run.client("again").ping_barrier() == []
