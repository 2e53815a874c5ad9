"""Very many connections from one address: others still get a place, and those refused take few descriptors."""

import contextlib
import socket
import sys

import pytest
from refserver_peer import SECONDS, Client, code_of, connect, frame, running

from reference_server.network.addresses import AddressCount, address_of
from reference_server.network.places import CLOSING
from reference_server.protocol.limits import Limits


@contextlib.contextmanager
def crowd(port, size, source="127.0.0.1"):
    """Open connections that say nothing."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), SECONDS, (source, 0)))
            for _ in range(size)
        ]


def connected_soon(run, name):
    """Return the socket of a client for which a place becomes free."""
    while True:
        client = Client(run.port)
        client.send(connect(name))
        if client.receive()["payload"]["status"] == "connected":
            return client.socket
        client.close()


def refused(run) -> str:
    """Return the text of the error that the next connection gets."""
    client = Client(run.port)
    answer = client.receive()
    assert code_of(answer) == "too_many_connections"
    client.close()
    return str(answer["payload"]["error"]["message"])


def test_an_address_has_only_so_many_connections_without_a_handshake():
    with running(max_address_handshakes=100) as run, crowd(run.port, 100) as silent:
        assert "handshake" in refused(run)
        silent[0].sendall(frame(connect("a")))
        assert b"connected" in silent[0].recv(65536)
        with Client(run.port, "b").socket, Client(run.port, "c").socket:
            pass


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")
def test_another_address_is_served_while_one_has_too_many():
    with running(max_address_handshakes=100) as run, crowd(run.port, 300), crowd(run.port, 1, "127.0.0.2") as (other,):
        other.sendall(frame(connect("other")))
        assert b"connected" in other.recv(65536)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")
def test_an_address_leaves_places_to_others_after_its_handshakes():
    with running(max_connections=120) as run, contextlib.ExitStack() as stack:
        first = Client(run.port, "a")
        stack.enter_context(first.socket)
        assert first.acknowledgement["payload"]["limits"]["max_connections"] == 108  # a tenth is for others
        clients = [Client(run.port, f"c{number}") for number in range(107)]
        for client in clients:
            stack.enter_context(client.socket)
        assert "this address" in refused(run)
        (other,) = stack.enter_context(crowd(run.port, 1, "127.0.0.2"))
        other.sendall(frame(connect("other")))
        assert b"connected" in other.recv(65536)

        clients[0].close()
        stack.enter_context(connected_soon(run, "again"))


@pytest.mark.parametrize(
    ("limits", "of_address"),
    [
        ({}, 900),
        ({"max_connections": 100}, 100),
        ({"max_connections": 105}, 100),
        ({"max_address_connections": 300}, 300),
        ({"max_connections": 200, "max_address_connections": 300}, 200),
    ],
)
def test_an_address_may_have_all_but_a_tenth_of_the_connections_unless_told_otherwise(limits, of_address):
    assert Limits(**limits).of_address == of_address


def test_connections_of_a_unix_socket_have_no_address(tmp_path):
    with running(unix=tmp_path / "s", max_address_handshakes=100) as run, contextlib.ExitStack() as stack:
        for _ in range(150):
            stack.enter_context(Client(run.server.unix).socket)
        stack.enter_context(Client(run.server.unix, "a").socket)


def test_refused_connections_hold_few_descriptors():
    with running(max_connections=100, linger=60) as run, crowd(run.port, 100), crowd(run.port, 3 * CLOSING) as late:
        assert all(b"too_many_connections" in each.recv(65536) for each in late)
        assert len(run.server._running.places.sessions) <= 100 + CLOSING + 1  # the oldest is about to be removed


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        (("192.0.2.7", 5000), "192.0.2.7"),
        (("2001:db8:1:2:3:4:5:6", 5000, 0, 0), "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 5000, 0, 2), "fe80::/64"),
        (("::ffff:192.0.2.7", 5000, 0, 0), "192.0.2.7"),
        (("nonsense", 1), None),
        ("", None),
        (None, None),
    ],
)
def test_an_address_is_an_ipv4_address_or_an_ipv6_network(peer, address):
    assert address_of(peer) == address


def test_counts_return_to_nothing():
    count = AddressCount(1)
    for address in ("a", "b", None, None):
        assert not count.is_full(address)
        count.add(address)
    assert [count.is_full(address) for address in ("a", "b", None)] == [True, True, False]
    count.remove(None)
    count.remove("a")
    assert [count.is_full(address) for address in ("a", "b", None)] == [False, True, False]
