"""The recorder: what it keeps of both sides, who ended first, and a server that is gone for a while."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conformance.core.roles import Role
from conformance.core.trace import Trace
from conformance.core.verdicts import TargetError
from conformance.protocol import codec
from conformance.proxy.recorder import Finding, RecordedLink, Recorder
from conformance.proxy.relay import NO_LINGER
from conformance.transport.address import LOOPBACK, SERVER_PORTS, TcpAddress

SECONDS = 20.0
"""Only a hang takes this long."""
MUCH = b"x" * 65_536


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server((LOOPBACK, 0)) as found:
        found.settimeout(SECONDS)
        yield found


@pytest.fixture
def recorder(listener: socket.socket) -> Iterator[Recorder]:
    with Recorder(TcpAddress(*listener.getsockname()[:2]), Trace()) as found:
        yield found


@contextlib.contextmanager
def joined(recorder: Recorder, listener: socket.socket) -> Iterator[tuple[socket.socket, socket.socket, RecordedLink]]:
    """Yield both ends of a new connection, and its record."""
    known = len(recorder.links)
    with recorder.address.connect(SECONDS) as client:
        server, _ = listener.accept()
        with server:
            server.settimeout(SECONDS)
            wait_for(lambda: len(recorder.links) > known)
            yield client, server, recorder.links[known]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("order", [("client", "server"), ("server", "client")])
def test_ends_are_kept_in_their_order(order: tuple[Role, ...], recorder: Recorder, listener: socket.socket) -> None:
    with joined(recorder, listener) as (client, server, link):
        ends = {"client": client, "server": server}
        for number, side in enumerate(order):
            ends[side].shutdown(socket.SHUT_WR)
            wait_for(lambda number=number: len(link.ended) > number)  # type: ignore[misc]
        assert link.ended == list(order)


@pytest.mark.parametrize("side", ["client", "server"])
def test_a_reset_is_the_end_of_the_side_that_sent_it(side: Role, recorder: Recorder, listener: socket.socket) -> None:
    """Also while the other side goes on sending, which the proxy can no longer forward."""
    with joined(recorder, listener) as (client, server, link):
        gone, other = (client, server) if side == "client" else (server, client)
        other.sendall(MUCH)
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        gone.close()
        with contextlib.suppress(OSError):
            for _ in range(100):
                other.sendall(MUCH)
        wait_for(lambda: bool(link.ended))
        assert link.ended[0] == side


def test_what_the_kit_breaks_is_nobodys_end(
    recorder: Recorder, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    noticed: list[Role] = []

    def note_end(link: RecordedLink, side: Role) -> None:
        original(link, side)
        noticed.append(side)

    original = RecordedLink.note_end
    monkeypatch.setattr(RecordedLink, "note_end", note_end)
    with joined(recorder, listener) as (_, _, link):
        recorder.cut()
        wait_for(lambda: len(noticed) == 2)
        assert link.ended == []
    with joined(recorder, listener) as (client, _, link):
        client.shutdown(socket.SHUT_WR)
        wait_for(lambda: bool(link.ended))


def test_a_server_that_is_gone_refuses_and_comes_back(recorder: Recorder, listener: socket.socket) -> None:
    recorder.vanish()
    with pytest.raises(ConnectionRefusedError):
        recorder.address.connect(SECONDS)
    recorder.come_back(TcpAddress(*listener.getsockname()[:2]))
    with joined(recorder, listener) as (client, server, _):
        client.sendall(b"\0\0\0\2{}")
        assert server.recv(6) == b"\0\0\0\2{}"


def test_a_server_that_does_not_accept_a_connection_is_said_until_it_accepts_one() -> None:
    nobody = TcpAddress.free(Path())
    with Recorder(nobody, Trace()) as recorder:
        with recorder.address.connect(SECONDS) as client, contextlib.suppress(ConnectionError):
            assert client.recv(1) == b""
        assert recorder.unreached
        assert recorder.links == []
        with nobody.listen(1) as listener, joined(recorder, listener):
            assert recorder.unreached == ""


def test_a_server_that_the_kit_killed_has_refused_nobody() -> None:
    with Recorder(TcpAddress.free(Path()), Trace()) as recorder:
        with recorder.address.connect(SECONDS) as client, contextlib.suppress(ConnectionError):
            client.recv(1)
        recorder.vanish()
        assert recorder.unreached == ""


def test_the_port_of_a_server_that_is_gone_is_nobody_elses(recorder: Recorder, listener: socket.socket) -> None:
    with joined(recorder, listener) as (client, server, link):
        server.close()
        assert client.recv(1) == b""
        client.close()
        wait_for(lambda: len(link.ended) == 2)  # the port remembers a connection that it ended first
    recorder.vanish()
    with pytest.raises(OSError, match="in use"):
        recorder.address.listen(1)
    recorder.come_back(TcpAddress(*listener.getsockname()[:2]))
    with joined(recorder, listener):
        pass


def test_a_port_that_is_lost_is_said(
    recorder: Recorder, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("it is taken")

    with monkeypatch.context() as patched:
        patched.setattr(socket.socket, "bind", fail)
        with pytest.raises(TargetError, match="the proxy has lost its port: it is taken"):
            recorder.vanish()
    recorder.vanish()
    with monkeypatch.context() as patched:
        patched.setattr(socket.socket, "listen", fail)
        with pytest.raises(TargetError, match="the proxy cannot listen: it is taken"):
            recorder.come_back(TcpAddress(*listener.getsockname()[:2]))


def test_a_proxy_has_a_port_that_the_system_gives_to_nobody(recorder: Recorder) -> None:
    assert isinstance(recorder.address, TcpAddress)
    assert recorder.address.port in SERVER_PORTS


def test_a_connection_that_is_joined_when_the_proxy_is_left_is_ended(listener: socket.socket) -> None:
    connecting, has_left = threading.Event(), threading.Event()

    class Slow(TcpAddress):
        def connect(self, timeout: float) -> socket.socket:
            connecting.set()
            assert has_left.wait(SECONDS)
            return super().connect(timeout)

    with Recorder(Slow(*listener.getsockname()[:2]), Trace()) as recorder:
        client = recorder.address.connect(SECONDS)
        assert connecting.wait(SECONDS)
    has_left.set()
    server, _ = listener.accept()
    with client, server:
        server.settimeout(SECONDS)
        with contextlib.suppress(ConnectionError):
            assert server.recv(1) == b""


def test_a_proxy_without_a_port_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def listen(*_: object) -> None:
        raise OSError("no port is free")

    monkeypatch.setattr(TcpAddress, "listen", listen)
    with pytest.raises(TargetError, match="the proxy cannot listen: no port is free"):
        Recorder(TcpAddress(LOOPBACK, 1), Trace())


def test_a_wrong_frame_is_a_breach_of_its_sender_alone() -> None:
    link, trace = RecordedLink("A"), Trace()
    link.take_from_server(codec.header(2**31) + b"x", trace)
    assert [(each.party, each.requirement) for each in link.breaches] == [("server", "LIM-001")]
    assert link.findings == []
    link.take_from_client(codec.header(2**31) + b"x", trace)
    assert [each.party for each in link.breaches] == ["server", "client"]
    assert len(link.findings) == 1


@pytest.mark.parametrize(
    ("body", "requirement"),
    [
        (b'{"a": NaN}', "ENC-001"),
        (b'{"a": 1, "a": 1}', "ENC-003"),
        (b'"\xff"', "ENC-002"),
        (b"[]", "ENC-001"),
        (b'{"a":' + b"[" * 100_000, ""),
    ],
)
def test_a_breach_names_the_requirement_of_its_encoding(body: bytes, requirement: str) -> None:
    link = RecordedLink("A")
    link.take_from_server(codec.frame(body), Trace())
    assert [each.requirement for each in link.breaches] == [requirement]


def test_what_is_wrong_in_a_message_is_kept_although_the_other_side_breaks_a_rule_at_once() -> None:
    link = RecordedLink("A")

    class Racing(list[Finding]):
        def append(self, finding: Finding) -> None:
            super().append(finding)
            super().append(Finding("client", "ENC-001", "the client's frame", ""))

    link.breaches = Racing()
    wrong = {"message_id": "1", "app_id": "a", "channel_id": "c", "message_type": "publish", "payload": 1}
    link.take_from_server(codec.frame(codec.encode(wrong)), Trace())
    assert [each.party for each in link.wrong_in(link.received[0])] == ["server"]
    assert link.unreadable == []


def test_a_proxy_whose_port_was_taken_takes_another(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    listen = TcpAddress.listen

    def listen_later(self: TcpAddress, backlog: int) -> socket.socket:
        if not taken:
            taken.append(self.port)
            raise OSError("it is taken")
        return listen(self, backlog)

    monkeypatch.setattr(TcpAddress, "listen", listen_later)
    with Recorder(TcpAddress(*listener.getsockname()[:2]), Trace()) as recorder:
        assert recorder.address.client_options["port"] not in taken
        recorder.address.connect(SECONDS).close()
