"""What a connection leaves behind when it has ended: nothing, and without the garbage collector."""

import asyncio
import gc
import logging
import socket
import ssl
import struct
import time
import weakref

import pytest
import trustme
from refserver_peer import SECONDS, Client, connect, frame, message, octets_until_blocked, running, subscribe

from reference_server.network.handler_runner import HandlerRunner
from reference_server.network.session import Session
from reference_server.network.tls import TlsLayer, load_certificate
from reference_server.protocol.connection import Connection
from reference_server.protocol.frames import FrameDecoder

_KINDS = (Session, Connection, HandlerRunner, FrameDecoder, TlsLayer)


@pytest.fixture
def alive(monkeypatch):
    """Watch every object of these kinds, with the garbage collector off."""
    watched: weakref.WeakSet[object] = weakref.WeakSet()

    def watch(kind):
        original = kind.__init__

        def initialise(self, *arguments, **options):
            original(self, *arguments, **options)
            watched.add(self)

        monkeypatch.setattr(kind, "__init__", initialise)

    for kind in _KINDS:
        watch(kind)
    # pytest keeps log records, and with them tracebacks.
    monkeypatch.setattr(logging.getLogger("reference_server"), "disabled", True)
    gc.collect()
    gc.disable()
    yield watched
    gc.enable()


def assert_empty(objects):
    """Wait until objects that are referred to weakly have all been freed."""
    deadline = time.monotonic() + SECONDS
    while objects and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [type(each).__name__ for each in objects] == []


def reset(client: Client) -> None:
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def half_a_frame(run):
    client = run.client("half")
    client.socket.sendall(struct.pack(">I", 2**20) + b"x" * 2**19)
    assert client.socket.send(b"x")
    client.close()


def half_a_frame_and_reset(run):
    client = run.client("half")
    client.socket.sendall(struct.pack(">I", 2**20) + b"x" * 2**19)
    reset(client)


def silence(run):
    run.client().close()
    run.client("next").close()  # accepted after it, so the server has met both


def fatal_error(run):
    client = run.client("bad")
    client.send(b"{")
    client.receive()
    client.close()


def web_browser(run):
    client = run.client()
    client.socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
    client.socket.recv(1000)
    client.close()


def takeover(run):
    older, newer = run.client("twice"), run.client("twice")
    older.receive()
    older.close()
    newer.close()


def end_of_the_sending_side(run):
    client = run.client("polite")
    client.send(message("request", "echo", 1))
    client.socket.shutdown(socket.SHUT_WR)
    client.receive()
    assert client.ends()
    client.close()


def subscriptions(run):
    client = run.client("reader")
    client.send(subscribe("news", "reader"))
    client.ping_barrier()
    client.close()


def asking(channel, kind="request"):
    def ask(run):
        client = run.client("asking")
        client.send(message(kind, channel, "x" * 1000))
        client.ping_barrier()
        client.close()

    return ask


def handler_that_is_cancelled(run):
    client = run.client("asking")
    client.send(message("request", "forever"))
    client.ping_barrier()
    reset(client)


def answers_that_are_not_read(run):
    client = run.client("stubborn")
    client.socket.settimeout(0.2)
    octets_until_blocked(client.socket, frame(message("request", "echo", "x" * 50_000)))
    reset(client)


def dropped(run):
    client = run.client("dropped")
    client.send(message("request", "drop"))
    assert client.ends()
    client.close()


ENDS = [
    half_a_frame,
    half_a_frame_and_reset,
    silence,
    fatal_error,
    web_browser,
    takeover,
    end_of_the_sending_side,
    subscriptions,
    handler_that_is_cancelled,
    answers_that_are_not_read,
    dropped,
    *(asking(channel) for channel in ("echo", "plain", "fails", "plain fails", "slow fails", "nothing there")),
    *(asking(channel, "notification") for channel in ("echo", "plain", "fails", "plain fails", "slow fails")),
]


def register(server):
    async def echo(request):
        return request.payload

    async def forever(_request):
        await asyncio.Event().wait()

    async def fails(_request):
        raise ValueError

    async def slow_fails(_request):
        await asyncio.sleep(0)
        raise ValueError

    def plain_fails(_request):
        raise ValueError

    def plain(request):
        return request.payload

    def drop(request):
        request.drop_connection()

    table = {"echo": echo, "plain": plain, "fails": fails, "slow fails": slow_fails, "plain fails": plain_fails}
    for channel, function in table.items():
        server.handler(channel)(function)
        server.handler(channel, kind="notification")(function)
    server.handler("forever")(forever)
    server.handler("drop")(drop)


@pytest.mark.parametrize("end", ENDS, ids=[f"{number}-{end.__name__}" for number, end in enumerate(ENDS)])
def test_connection_that_ended_leaves_nothing_for_the_garbage_collector(alive, end):
    with running(register, max_frame_bytes=2**20) as run:
        end(run)
        assert_empty(alive)


def test_connection_inside_tls_leaves_nothing_either(alive, tmp_path):
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with running(tls=load_certificate(tmp_path / "both.pem", tmp_path / "both.pem")) as run:
        raw = socket.create_connection(("127.0.0.1", run.port), timeout=SECONDS)
        with context.wrap_socket(raw, server_hostname="localhost") as client:
            client.sendall(frame(connect("inside")) + b"\0")
            assert client.recv(4)
        assert_empty(alive)


def test_idle_thread_of_handlers_keeps_no_request():
    requests: weakref.WeakSet[object] = weakref.WeakSet()

    class Answer(list):  # a list that can be referred to weakly
        __hash__ = object.__hash__

    def plain(_request):
        answer = Answer([1])
        requests.add(answer)
        return answer

    with running(lambda server: server.handler("plain")(plain)) as run:
        run.client("c").ask("plain")
        assert_empty(requests)
