"""One connection: segments, bad frames, TLS, unix sockets, and the reference server at the other end."""

import asyncio
import json
import socket
import ssl
import struct

import pytest
import trustme
from client_peer import peer, run
from refserver_peer import running

from reference_server.client import Client, ClientError
from reference_server.network.tls import load_certificate
from reference_server.version import PROTOCOL


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def server_context(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture
def trusting(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def make(server, **options):
    usual = {"reconnect_attempts": 0, "heartbeat_interval": 0}
    return Client("demo", "127.0.0.1", server.port, **usual | options)


async def connected(server, client):
    end, _ = await asyncio.gather(server.accept(), client.connect())
    return end


async def failure(work):
    (result,) = await asyncio.gather(work, return_exceptions=True)
    assert isinstance(result, ClientError), result
    return result


@pytest.mark.parametrize("size", [1, 3, 5, 7, 1000])
def test_messages_arrive_however_they_are_cut(size):
    async def scenario():
        async with peer() as server:
            client = make(server)
            end = await connected(server, client)
            async with client.subscribe("news") as messages:
                made = [json.dumps(end.message("publish", "news", each)).encode() for each in ("ä€😀" * 20, [], None)]
                octets = b"".join(struct.pack(">I", len(each)) + each for each in made)
                for start in range(0, len(octets), size):
                    end.writer.write(octets[start : start + size])
                    await asyncio.sleep(0)
                assert [(await anext(messages)).payload for _ in made] == ["ä€😀" * 20, [], None]
            await client.close()

    run(scenario())


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"{", b"{} {}", b'{"a":"\xff"}', b'{"a":NaN}', b"\xef\xbb\xbf{}"])
def test_body_that_is_no_object_ends_the_connection(body):
    errors = []

    async def scenario():
        async with peer() as server:
            client = make(server)
            client.on_error(errors.append)
            end = await connected(server, client)
            end.send_body(body)
            await end.ended()
            await client.close()

    run(scenario())
    assert [each.code for each in errors] == ["malformed_frame"]


BAD_ENVELOPES = [
    {"payload": ...},
    {"channel_id": 5},
    {"message_type": "broadcast"},
    {"reply_to": 5},
    {"timestamp": "now"},
    {"message_id": ...},
]


@pytest.mark.parametrize("members", BAD_ENVELOPES, ids=str)
def test_message_with_a_bad_envelope_is_dropped_and_reported(members):
    errors = []

    async def scenario():
        async with peer() as server:
            client = make(server)
            client.on_error(errors.append)
            end = await connected(server, client)
            async with client.subscribe("news") as messages:
                bad = end.message("publish", "news", "bad") | members
                end.send({name: value for name, value in bad.items() if value is not ...})
                end.send(end.message("publish", "news", "good") | {"trace": "t"})
                assert (await anext(messages)).payload == "good"
            await client.close()

    run(scenario())
    assert [each.code for each in errors] == ["invalid_message"]


def test_message_that_is_nested_too_deeply_is_dropped_and_reported():
    errors = []

    async def scenario():
        async with peer() as server:
            client = make(server)
            client.on_error(errors.append)
            end = await connected(server, client)
            async with client.subscribe("news") as messages:
                body = json.dumps(end.message("publish", "news", 0)).encode()
                end.send_body(body.replace(b'"payload": 0', b'"payload": ' + b"[" * 100_000 + b"]" * 100_000))
                end.send(end.message("publish", "news", "good"))
                assert (await anext(messages)).payload == "good"
            await client.close()

    run(scenario())
    assert [each.code for each in errors] == ["too_deep"]


def test_unix_socket_is_an_address(tmp_path):
    path = tmp_path / "ipc.sock"

    async def scenario():
        async with peer(path) as server:
            client = Client("demo", path=str(path), reconnect_attempts=0)
            end = await connected(server, client)
            assert client.info.address == f"unix:{path}"
            asked = asyncio.create_task(client.request("api"))
            end.respond(await end.read(), 1)
            assert (await asked).payload == 1
            await client.close()
        error = await failure(Client("demo", path=str(tmp_path / "none")).connect())
        assert error.code == "connection_failed"
        assert f"unix:{tmp_path}" in str(error)

    run(scenario())


def test_tls_verifies_the_name_and_delivers_everything(server_context, trusting, monkeypatch):
    monkeypatch.setattr("reference_server.client.link._LINGER", 3600)  # nothing has to wait for it

    async def scenario():
        async with peer(tls=server_context) as server:
            client = make(server, tls=trusting, server_hostname="localhost")
            end = await connected(server, client)
            for _ in range(10):
                await client.publish("news", "x" * 300_000)
            closing = asyncio.create_task(client.close())
            for _ in range(10):
                assert len((await end.read())["payload"]) == 300_000
            assert await end.reader.read() == b""
            end.close()
            await closing

    run(scenario())


def test_tls_over_a_unix_socket_needs_a_certificate_for_localhost(tmp_path, server_context, trusting):
    path = tmp_path / "ipc.sock"

    async def scenario():
        async with peer(path, server_context) as server:
            client = Client("demo", path=str(path), tls=trusting, reconnect_attempts=0)
            end = await connected(server, client)
            end.close()
            await client.close()

    run(scenario())


def test_certificate_that_does_not_fit_is_refused(server_context, trusting):
    async def scenario():
        async with peer(tls=server_context) as server:
            for options in ({"tls": trusting}, {"tls": True, "server_hostname": "localhost"}):
                error = await failure(make(server, **options).connect())
                assert error.code == "tls_failed"
                assert "was not accepted" in str(error)

    run(scenario())


def test_tls_to_a_server_without_it_fails():
    async def scenario():
        async with peer() as server:
            connecting = asyncio.create_task(make(server, tls=True).connect())
            end = await server.accept_only()
            end.send(end.message("publish", "news", 1))
            assert (await failure(connecting)).code == "tls_failed"

    run(scenario())


def test_keepalive_is_on_for_tcp():
    async def scenario():
        async with peer() as server:
            client = make(server, heartbeat_interval=17)
            end = await connected(server, client)
            sock = client._connection.link._transport.get_extra_info("socket")
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            if hasattr(socket, "TCP_KEEPIDLE"):
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 17
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)  # FRM-004
            end.close()
            await client.close()

    run(scenario())


def test_reference_server_and_client_work_together(tmp_path, authority, trusting):
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    tls = load_certificate(tmp_path / "cert.pem", tmp_path / "key.pem")

    async def scenario(port):
        options = {"tls": trusting, "token": "s3cret"}
        async with Client("demo", "127.0.0.1", port, **options) as client, client.subscribe("news") as messages:
            assert await client.health_check() is True
            assert client.info.server["protocol"] == PROTOCOL
            await client.publish("news", {"a": [1, None]})
            message = await anext(messages)
            assert (message.payload, message.app_id) == ({"a": [1, None]}, "demo")
            response = await client.request("nothing", {})
            assert response.error.code == "no_handler"
        with pytest.raises(ClientError, match="unauthorized"):
            await Client("demo", "127.0.0.1", port, tls=trusting, token="wrong").connect()  # noqa: S106

    with running(tls=tls, token="s3cret") as server:  # noqa: S106
        run(scenario(server.port))
