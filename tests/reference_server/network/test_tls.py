"""TLS and tokens of the library: certificates that do not fit, clients that do not, and endings."""

import asyncio
import contextlib
import socket
import ssl
import time

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from refserver_peer import SECONDS, Client, code_of, connect, frame, message, running

from reference_server import ReferenceServer
from reference_server.network.memory import CONNECTION_BYTES, TLS_BYTES
from reference_server.network.tls import CertificateError, load_certificate

TOKEN = "s3cret-ö"  # noqa: S105 - of a server that lives for a second


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def files(authority, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    authority.issue_cert("other").private_key_pem.write_to_path(folder / "other.pem")
    (folder / "text.pem").write_text("no key")
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), password=None)
    kind, secret = serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"password")
    (folder / "encrypted.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, kind, secret))
    return folder


@pytest.fixture
def secured(files):
    with running(tls=load_certificate(files / "cert.pem", files / "key.pem"), handshake_timeout=1) as run:
        yield run


@pytest.fixture
def trusting(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


class TlsClient(Client):
    def __init__(self, port, context, name="alice"):
        raw = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        self.socket = context.wrap_socket(raw, server_hostname="localhost")
        self.name, self.app = name, "demo"
        self.send(connect(name, "demo"))
        self.acknowledgement = self.receive()


def test_ordinary_tls_client_is_served(secured, trusting):
    secured.server.handler("echo")(lambda request: request.payload)
    client = TlsClient(secured.port, trusting)
    assert client.acknowledgement["payload"]["profiles"] == ["security"]
    assert client.ask("echo", "x" * 200_000)["payload"] == "x" * 200_000
    assert client.socket.version() == "TLSv1.3"
    client.socket.unwrap()
    client.close()


def test_asyncio_tls_client_is_served(secured, trusting):
    async def exchange():
        reader, writer = await asyncio.open_connection("localhost", secured.port, ssl=trusting)
        writer.write(frame(connect("bob", "demo")))
        answer = await reader.read(1000)
        writer.close()
        await writer.wait_closed()
        return answer

    assert b"connected" in asyncio.run(exchange())


def test_server_sends_the_error_and_then_ends_the_stream(secured, trusting):
    client = TlsClient(secured.port, trusting)
    client.socket.sendall(b"\xff\xff\xff\xff")
    assert code_of(client.receive()) == "frame_too_large"
    assert client.ends()
    client.close()


def test_client_that_never_shakes_hands_is_dropped_in_time(secured):
    begun = time.monotonic()
    idle = socket.create_connection(("127.0.0.1", secured.port), timeout=SECONDS)
    with idle, contextlib.suppress(ConnectionResetError):
        assert idle.recv(100) == b""
    assert 0.9 < time.monotonic() - begun < SECONDS


def test_connection_over_the_limit_is_told_so_inside_of_tls(files, trusting):
    context = load_certificate(files / "cert.pem", files / "key.pem")
    with running(tls=context, max_connections=100) as run:
        clients = [TlsClient(run.port, trusting, f"c{number}") for number in range(100)]
        raw = socket.create_connection(("127.0.0.1", run.port), timeout=SECONDS)
        late = Client.__new__(Client)
        late.socket = trusting.wrap_socket(raw, server_hostname="localhost")
        assert code_of(late.receive()) == "too_many_connections"
        assert late.ends()
        for client in (*clients, late):
            client.close()


def test_buffers_of_tls_are_counted(files):
    with running(tls=load_certificate(files / "cert.pem", files / "key.pem")) as secured, running() as plain:
        counted = [run.server._running.memory._connection_bytes for run in (plain, secured)]
    assert counted == [CONNECTION_BYTES, CONNECTION_BYTES + TLS_BYTES]


def test_shutdown_is_said_inside_of_tls(files, trusting):
    with running(tls=load_certificate(files / "cert.pem", files / "key.pem")) as run:
        client = TlsClient(run.port, trusting)
        ending = run.begin(run.server.close())
        assert code_of(client.receive()) == "shutting_down"
        assert client.ends()
        client.close()
        ending.result(SECONDS)


@pytest.mark.parametrize(
    ("certificate", "key", "reason"),
    [
        ("none.pem", "key.pem", r"cannot read certificate .*none.pem: No such file"),
        ("cert.pem", "none.pem", r"cannot read key .*none.pem: No such file"),
        ("cert.pem", "other.pem", r"key .*other.pem does not belong to certificate .*cert.pem"),
        ("cert.pem", "text.pem", r"are no certificate and key in PEM format"),
        ("text.pem", "key.pem", r"are no certificate and key in PEM format"),
        ("cert.pem", "encrypted.pem", r"is encrypted; give one without a password"),
    ],
)
def test_certificate_that_cannot_be_used_is_named(files, certificate, key, reason):
    with pytest.raises(CertificateError, match=reason) as raised:
        load_certificate(files / certificate, files / key)
    assert "\n" not in str(raised.value)


def test_token_is_demanded_and_not_shown():
    with running(token=TOKEN) as run:
        client = run.client()
        client.send(connect("alice", "demo", token=TOKEN))
        answer = client.receive()
        assert answer["payload"]["profiles"] == ["security"]
        assert "s3cret" not in str(answer)
        assert "s3cret" not in repr(run.server.capabilities)
        for shown in ({}, {"token": ""}, {"token": "s3cret-o"}):
            refused = run.client()
            refused.send(connect("bob", "demo", **shown))
            assert code_of(refused.receive()) == "unauthorized"
            assert refused.ends()
        client.send(message("publish", "c", 1))
        assert client.ping_barrier() == []


def test_token_is_not_compared_character_by_character(monkeypatch):
    compared = []
    monkeypatch.setattr(
        "reference_server.protocol.capabilities.hmac.compare_digest", lambda *pair: compared.append(pair) or False
    )
    assert not ReferenceServer(token=TOKEN).capabilities.admits("wrong")
    assert compared == [(b"wrong", TOKEN.encode())]


def test_empty_token_is_refused():
    with pytest.raises(ValueError, match="the token is empty"):
        ReferenceServer(token="")
