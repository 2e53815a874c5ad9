"""The server on a unix socket: whose file it may take, and that everything else works as over TCP."""

import asyncio
import re
import signal
import socket
import ssl
import stat
import subprocess
import sys
from contextlib import closing

import pytest
import trustme
from click.testing import CliRunner
from refserver_peer import SECONDS, Client, code_of, connect, message, ping, running

from reference_server import ReferenceServer
from reference_server.cli import main
from reference_server.network.unix_sockets import UnixEndpoint, UnixSocketError
from reference_server.profiles.queue.state_file import StateFileError

TOKEN = "s3cret"  # noqa: S105 - of a server that lives for a second

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs unix sockets")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ipc.sock"


def with_echo(server):
    @server.handler("echo")
    async def echo(request):
        return request.payload


def leave_stale_socket(path):
    """Do what a server does that is killed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))


def test_server_answers_on_a_unix_socket_and_removes_its_file(path):
    with running(with_echo, unix=path) as run:
        assert run.server.address == f"unix:{path}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert run.client("a").ask("echo", [1])["payload"] == [1]
        with pytest.raises(RuntimeError, match="has no port"):
            _ = run.server.port
    assert not path.exists()


def test_server_can_start_again_on_its_unix_socket(path):
    with running(with_echo, unix=path) as run:
        run.wait(run.server.close())
        assert not path.exists()
        run.wait(run.server.start())
        assert run.client("a").ask("echo", 2)["payload"] == 2


def test_file_of_a_server_that_was_killed_is_replaced(path):
    leave_stale_socket(path)
    with running(with_echo, unix=path) as run:
        assert run.client("a").ask("echo", 3)["payload"] == 3


def test_socket_of_a_live_server_is_refused_and_goes_on(path):
    with running(with_echo, unix=path) as run:
        with pytest.raises(UnixSocketError, match=r"ipc\.sock: a server listens there; stop it, or"):
            asyncio.run(ReferenceServer(unix=path).start())
        assert run.client("a").ask("echo", 4)["payload"] == 4


def test_socket_with_a_full_backlog_is_not_taken_for_a_stale_one(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen(0)
        waiting = []
        try:
            while True:
                waiting.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                waiting[-1].setblocking(False)
                waiting[-1].connect(str(path))
        except BlockingIOError:
            pass
        with pytest.raises(UnixSocketError, match="a server listens there"):
            UnixEndpoint(path).open()
        for each in waiting:
            each.close()


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_path_that_names_something_else_is_refused_and_kept(path, kind, tmp_path):
    if kind == "file":
        path.write_text("precious")
    elif kind == "folder":
        path.mkdir()
    else:
        leave_stale_socket(tmp_path / "other.sock")
        path.symlink_to(tmp_path / "other.sock")
    with pytest.raises(UnixSocketError, match="something other than a socket; remove it, or choose another path"):
        UnixEndpoint(path).open()
    assert path.is_symlink() if kind == "link" else path.exists()


def test_path_that_is_too_long_or_in_no_folder_is_refused_with_the_reason(tmp_path):
    with pytest.raises(UnixSocketError, match=r"has \d{3} octets, too many for this system .* choose a shorter path"):
        UnixEndpoint(tmp_path / ("s" * 120)).open()
    with pytest.raises(UnixSocketError, match="No such file or directory; choose another path"):
        UnixEndpoint(tmp_path / "none" / "s").open()


def test_system_without_unix_sockets_is_told(path, monkeypatch):
    monkeypatch.delattr(socket, "AF_UNIX")
    with pytest.raises(UnixSocketError, match="this system has no unix sockets; listen on a host and a port"):
        UnixEndpoint(path).open()


def test_file_that_another_server_put_there_is_left_alone(path):
    with running(unix=path):
        path.unlink()
        leave_stale_socket(path)
        theirs = path.stat().st_ino
    assert path.stat().st_ino == theirs


def test_server_that_cannot_start_leaves_no_file(path, tmp_path):
    state = tmp_path / "jobs.db"
    state.write_text("none of ours")
    with pytest.raises(StateFileError):
        asyncio.run(ReferenceServer(unix=path, profiles=["queue"], state=state).start())
    assert not path.exists()


@pytest.mark.parametrize("where", [{"port": 8889}, {"host": "127.0.0.1"}])
def test_unix_socket_takes_the_place_of_host_and_port(path, where):
    with pytest.raises(ValueError, match="either on a unix socket or on a host and port"):
        ReferenceServer(unix=path, **where)


def test_client_that_ended_its_side_gets_its_answers_then_the_end(path):
    with running(with_echo, unix=path) as run:
        client = run.client("a")
        client.send(message("request", "echo", 5))
        client.socket.shutdown(socket.SHUT_WR)
        assert client.receive()["payload"] == 5
        assert client.ends()


def test_limits_hold_on_a_unix_socket(path):
    with running(unix=path, max_frame_bytes=1 << 20, handshake_timeout=1) as run:
        silent = run.client()
        large = run.client("a")
        large.socket.sendall((1 << 20 | 1).to_bytes(4, "big"))
        assert code_of(large.receive()) == "frame_too_large"
        assert code_of(silent.receive()) == "handshake_timeout"


def test_server_that_stops_says_so_on_a_unix_socket(path):
    with running(unix=path) as run:
        client = run.client("a")
        ending = run.begin(run.server.close())
        assert code_of(client.receive()) == "shutting_down"
        client.close()
        ending.result(SECONDS)
        with pytest.raises(FileNotFoundError):
            Client(path)


def test_token_and_tls_work_over_a_unix_socket(path):
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    with running(with_echo, unix=path, tls=server, token=TOKEN) as run:
        peer = run.client()
        with closing(client.wrap_socket(peer.socket, server_hostname="localhost")) as secured:
            peer.socket = secured
            peer.send(connect(token=TOKEN))
            assert peer.receive()["payload"]["profiles"] == ["security"]
            assert peer.ask("echo", 6)["payload"] == 6


# The command line


def start(path, *options):
    process = subprocess.Popen(
        [sys.executable, "-m", "reference_server", "--unix", str(path), *options], stderr=subprocess.PIPE, text=True
    )
    return process, process.stderr.readline()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_command_names_the_socket_serves_and_removes_the_file(path, number):
    process, line = start(path)
    assert re.search(rf"INFO listening on unix:{re.escape(str(path))}\n$", line)
    client = Client(path, "a")
    assert client.ping_barrier() == []
    process.send_signal(number)
    assert code_of(client.receive()) == "shutting_down"
    client.close()
    process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert not path.exists()


def test_command_replaces_the_socket_of_a_command_that_was_killed(path):
    first, _ = start(path)
    first.kill()
    first.communicate(timeout=SECONDS)
    assert path.is_socket()
    second, line = start(path)
    assert "listening on unix:" in line
    client = Client(path, "a")
    client.send(ping())
    assert client.receive()["payload"] == {"status": "pong"}
    client.close()
    second.terminate()
    second.communicate(timeout=SECONDS)


@pytest.mark.parametrize("option", [("--port", "8888"), ("--host", "localhost")])
def test_command_takes_a_socket_or_an_address(path, option):
    result = CliRunner().invoke(main, ["--unix", str(path), *option])
    assert result.exit_code == 2
    assert result.stderr == "Error: --unix replaces --host and --port; omit them\n"


def test_command_says_in_one_line_why_a_path_cannot_be_used(path):
    path.write_text("")
    result = CliRunner().invoke(main, ["--unix", str(path)])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "the path names something other than a socket; remove it" in result.stderr
