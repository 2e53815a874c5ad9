"""The command line, as a process where it starts anything."""

import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys

import pytest
from click.testing import CliRunner
from refserver_peer import SECONDS, Client, code_of, message

from reference_server.cli import main
from reference_server.profiles.queue.state_file import open_file

COMMAND = [sys.executable, "-m", "reference_server"]


def start(*options: str) -> tuple[subprocess.Popen[str], int, str]:
    """Start a server on a free port; return it, its port and its first line."""
    process = subprocess.Popen([*COMMAND, "--port", "0", *options], stderr=subprocess.PIPE, text=True)
    assert process.stderr
    line = process.stderr.readline()
    found = re.search(r"listening on localhost:(\d+)", line)
    assert found, line + process.stderr.read()
    return process, int(found[1]), line


def wait_for(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Return the exit code of a process that was sent a signal, and what else it logged, apart from the user."""
    _, errors = process.communicate(timeout=SECONDS)
    lines = [line for line in errors.splitlines(keepends=True) if "running as root" not in line]
    return process.returncode, "".join(lines)


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_server_serves_until_a_signal_and_exits_with_0(number):
    process, port, line = start("--responder")
    client = Client(port, "c", "conformance")
    assert client.ask("conformance.echo", [1])["payload"] == [1]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO listening on localhost:\d+\n", line)

    process.send_signal(number)
    assert code_of(client.receive()) == "shutting_down"
    client.close()
    code, errors = wait_for(process)
    assert (code, len(errors.splitlines())) == (0, 1)
    assert errors.endswith("INFO shutting down\n")


HANDLERS = """
import asyncio

def register(server):
    @server.handler("shout")
    def shout(request):
        return request.payload.upper()
"""


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
def test_handlers_come_from_a_file_limits_from_options_and_log_lines_are_json(tmp_path):
    file = tmp_path / "mine.handlers"  # a path is a file whatever its name ends with
    file.write_text(HANDLERS)
    process, port, line = start("--handlers", str(file), "--log-format", "json", "--max-depth", "70")
    client = Client(port)
    client.send(message(payload={"action": "connect", "connection_id": "c"}))
    assert client.receive()["payload"]["limits"]["max_depth"] == 70
    assert client.ask("shout", "abc")["payload"] == "ABC"
    assert code_of(client.ask("shout", {"private": 1})) == "handler_failed"
    client.close()
    process.send_signal(signal.SIGTERM)
    code, errors = wait_for(process)

    assert code == 0
    records = [json.loads(each) for each in (line, *errors.splitlines())]
    assert [record["level"] for record in records] == ["info", "error", "info"]
    assert "AttributeError" in records[1]["traceback"]
    assert "private" not in errors


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
def test_handlers_come_from_a_module_of_the_package_or_of_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(HANDLERS)
    monkeypatch.chdir(tmp_path)
    asked = {"reference_server.examples": ("api", {"action": "get_users"}), "mine": ("shout", "abc")}
    answers = []
    for module, request in asked.items():
        process, port, _ = start("--handlers", module)
        client = Client(port, "c")
        answers.append(client.ask(*request)["payload"])
        client.close()
        process.send_signal(signal.SIGTERM)
        assert wait_for(process)[0] == 0
    assert (len(answers[0]["users"]), answers[1]) == (3, "ABC")


def test_help_explains_itself_with_examples():
    result = CliRunner().invoke(main, ["--help"])

    assert result.exit_code == 0
    assert "--responder" in result.output
    assert "python -m reference_server --port 0 --handlers my_handlers.py" in result.output
    assert "python -m reference_server --handlers reference_server.examples" in result.output
    assert "--handlers FILE.py|MODULE" in result.output
    assert "def register(server):" in result.output


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--max-frame-bytes", "1000"], "max_frame_bytes is 1000, allowed is 1048576 to 1073741824"),
        (["--max-depth", "63"], "max_depth is 63, allowed is 64 to 500"),
        (["--max-connections", "99"], "max_connections is 99, allowed is 100 to 1000000"),
        (["--handshake-timeout", "nan"], "handshake_timeout is nan, allowed is 1 to 30"),
        (["--handshake-timeout", "soon"], "'soon' is not a valid float"),
        (["--port", "65536"], "65536 is not in the range 0<=x<=65535"),
        (["--log-format", "xml"], "'xml' is not one of 'text', 'json'"),
        (["--what"], "No such option '--what'"),
    ],
)
def test_wrong_option_is_explained_and_exits_with_2(options, text):
    result = CliRunner().invoke(main, options)

    assert result.exit_code == 2
    assert text in result.output


def failed(*options: str) -> str:
    """Run a command that must fail; return its one line."""
    done = subprocess.run([*COMMAND, *options], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    return line


def test_port_in_use_is_said_with_advice():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        line = failed("--port", str(port))

    assert line.startswith(f"Error: cannot listen on localhost:{port}: Address already in use; ")
    assert "--port" in line


@pytest.mark.parametrize("host", ["203.0.113.7", "2001:db8::7", "fe80::7"])
def test_address_of_another_machine_is_said_with_advice(host):
    line = failed("--host", host, "--port", "0")

    assert line.startswith(f"Error: cannot listen on {host}:0: ")
    assert line.endswith("; give a name or an address of this machine with --host")


def test_unknown_host_is_said_with_advice():
    line = failed("--host", "no-such-host.invalid", "--port", "0")

    assert line == (
        "Error: host 'no-such-host.invalid' is unknown; give a name or an address of this machine with --host"
    )


def test_limits_that_contradict_each_other_are_said():
    assert failed("--max-outbound-bytes", "1048576") == (
        "Error: max_outbound_bytes is 1048576, allowed is max_frame_bytes, 16777216, or more"
    )


def test_state_file_that_cannot_be_used_is_said_in_one_line(tmp_path):
    state = tmp_path / "jobs.db"
    state.write_text("no jobs")
    queue = ("--port", "0", "--profile", "queue", "--state", str(state))

    assert failed(*queue) == f"Error: state file {state} is empty or cut off; put back a copy, or name another file"
    assert state.read_text() == "no jobs"
    state.unlink()
    open_file(state).close()
    with contextlib.closing(sqlite3.connect(state, isolation_level=None)) as database:
        database.execute("INSERT INTO tally VALUES ('demo', 'q', -1, 0)")
    assert failed(*queue) == (
        f"Error: state file {state} is damaged: a queue has counts that are out of range; "
        "put back a copy, or name another file"
    )
    state.unlink()
    open_file(state).close()
    kept = open_file(state)
    assert failed(*queue).endswith("is in use by another server; stop that one, or name another file")
    kept.close()


def test_state_file_without_the_profile_is_said(tmp_path):
    line = failed("--port", "0", "--state", str(tmp_path / "jobs.db"))

    assert line == "Error: --state stores the jobs of the profile queue; add --profile queue"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "must have one line, the token, but has 0"),
        (b"\n", "must have one line, the token, but has 1"),
        (b"a\nb\n", "must have one line, the token, but has 2"),
        (b"\xff\n", "is not UTF-8 text"),
        (None, "No such file or directory"),
    ],
)
def test_token_file_that_cannot_be_used_is_said(tmp_path, content, problem):
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    line = failed("--port", "0", "--token-file", str(file))

    assert str(file) in line
    assert problem in line


def test_certificate_problems_are_said_in_one_line(tmp_path):
    file = tmp_path / "cert.pem"
    file.write_text("no certificate")

    assert failed("--tls-cert", str(file)) == "Error: --tls-cert and --tls-key must be given together"
    assert failed("--tls-key", str(file)) == "Error: --tls-cert and --tls-key must be given together"
    line = failed("--tls-cert", str(file), "--tls-key", str(file))
    assert line == f"Error: {file} and {file} are no certificate and key in PEM format"


BROKEN = {
    "def register(": "SyntaxError",
    "import no_such_module": "ModuleNotFoundError: No module named 'no_such_module'",
    "x = 1": "has no function register(server)",
    "def register(server): server.handler('system')": "ValueError: the channel 'system' belongs to the server",
    "raise SystemExit(0)": "SystemExit: 0",
}


@pytest.mark.parametrize(("text", "problem"), BROKEN.items())
def test_broken_handlers_are_said_in_one_line(tmp_path, monkeypatch, text, problem):
    file = tmp_path / "broken.py"
    file.write_text(text.replace("('system')", "('system')(print)"))
    monkeypatch.chdir(tmp_path)
    for name, what in ((str(file), f"file {file}"), ("broken.py", "file broken.py"), ("broken", "module broken")):
        line = failed("--port", "0", "--handlers", name)

        assert line.startswith(f"Error: handlers {what} ")
        assert problem in line


def test_missing_handlers_file_is_said(tmp_path):
    assert failed("--handlers", str(tmp_path / "none.py")).endswith("none.py: No such file or directory")


@pytest.mark.parametrize("name", ["no_such_module", "reference_server.no_such_module", "os.path.join"])
def test_missing_handlers_module_is_said(name):
    assert (
        failed("--handlers", name) == f"Error: there is no handlers module {name}; the name of a file must end with .py"
    )
