"""Hostile targets through the command line: the kit ends soon, says what it saw, and leaves nothing behind."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import kit_mini_server
import pytest
from kit_commands import mini, new_marker, nothing_left, run_kit, run_on, script

LISTEN = """
import os, signal, socket, subprocess, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
listener.listen(100)
def accept():
    return listener.accept()[0]
"""
ACKNOWLEDGE = (
    LISTEN
    + """
import json, threading
def take(end):
    length = int.from_bytes(end.recv(4, socket.MSG_WAITALL), "big")
    return json.loads(end.recv(length, socket.MSG_WAITALL))
def serve(then):
    end = accept()
    try:
        connect = take(end)
        connect |= {"message_id": "ack", "message_type": "response", "timestamp": 1}
        connect["payload"] = {"status": "connected", "connection_id": connect["payload"]["connection_id"]}
        body = json.dumps(connect).encode()
        end.sendall(len(body).to_bytes(4, "big") + body)
        ends.append(end)
        then(end)
    except (OSError, ValueError):  # the kit, or its look whether anybody accepts, is gone
        pass
ends = []
def serve_all(then):
    while True:
        serve(then)
"""
)
SILENT = "ends = []\nwhile True:\n    ends.append(accept())\n"
ONE_CASE = ("--case", "system/ping", "--time-scale", "0.1")

HOSTILE: dict[str, tuple[str, int, str]] = {
    "never listens": ("import time; time.sleep(60)", 3, "nothing accepted connections on 127.0.0.1:"),
    "dies at start": ("import sys; sys.exit('no licence found')", 3, "no licence found"),
    "dies by a signal": ("import os; os.abort()", 3, "the process ended (signal 6)"),
    "never accepts": (LISTEN + "time.sleep(60)", 3, "did not answer a connect message"),
    "says nothing": (LISTEN + SILENT, 3, "did not answer a connect message"),
    "answers garbage": (
        LISTEN + "while True:\n    end = accept(); end.recv(9); end.sendall(b'\\x80garbage' * 9); end.close()",
        3,
        "the server sent a header over the frame limit, or lost its framing",
    ),
    "speaks HTTP": (
        LISTEN + "while True:\n    end = accept(); end.recv(9); end.sendall(b'HTTP/1.1 400 Bad Request')",
        3,
        "the server sent a header over the frame limit, or lost its framing",
    ),
    "hangs up": (LISTEN + "while True:\n    accept().close()", 3, "the server ended the connection"),
    "half-closes": (
        LISTEN + "ends = []\nwhile True:\n    end = accept(); end.shutdown(socket.SHUT_WR); ends.append(end)",
        3,
        "the server ended the connection",
    ),
    "sends half a frame": (
        LISTEN + "ends = []\nwhile True:\n    end = accept(); end.sendall(b'\\0\\0\\0\\x99{'); ends.append(end)",
        3,
        "did not answer a connect message",
    ),
    "acknowledges and falls silent": (ACKNOWLEDGE + "serve_all(lambda end: None)", 1, "the server did not answer"),
    "acknowledges and hangs up": (ACKNOWLEDGE + "serve_all(socket.socket.close)", 1, "the server ended the connection"),
    "acknowledges and half-closes": (
        ACKNOWLEDGE + "serve_all(lambda end: end.shutdown(socket.SHUT_WR))",
        1,
        "the server ended the connection",
    ),
    "acknowledges and sends half a frame": (
        ACKNOWLEDGE + "serve_all(lambda end: end.sendall(b'\\0\\0\\0\\x99{'))",
        1,
        "the server did not answer in time",
    ),
    "acknowledges and answers garbage": (
        ACKNOWLEDGE + "serve_all(lambda end: end.sendall(b'\\0\\0\\0\\2\\xff\\xfe'))",
        1,
        "a body that breaks the encoding rules",
    ),
    "acknowledges and floods": (
        ACKNOWLEDGE + "def flood(end):\n    try:\n        while True: end.sendall(b'\\0\\0\\0\\2{}' * 9999)\n"
        "    except OSError:\n        pass\n"
        "serve_all(lambda end: threading.Thread(target=flood, args=(end,), daemon=True).start())",
        1,
        "a message that breaks the envelope rules",
    ),
    "acknowledges once and stops accepting": (
        ACKNOWLEDGE + "while not ends:\n    serve(lambda end: None)\ntime.sleep(60)",
        3,
        "the search for the responder",
    ),
    "does not want to end": (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + ACKNOWLEDGE + "serve_all(lambda end: None)",
        1,
        "the server did not answer in time",
    ),
    "prints without end": (
        LISTEN + "while True:\n    print('noise ' * 10_000, flush=True)",
        3,
        "did not answer a connect message",
    ),
    "floods": (
        LISTEN + "while True:\n    end = accept()\n    try:\n"
        "        while True: end.sendall(b'\\0\\0\\0\\2{}' * 9999)\n"
        "    except OSError:\n        pass\n",
        1,  # frames with objects: a server of this protocol that is wrong, as far as anybody can tell
        "not conformant: 1 unexpected",
    ),
}


def closing_lines(output: str) -> str:
    return re.sub(r"\s+", " ", output)


@pytest.mark.parametrize("name", HOSTILE)
def test_kit_survives_a_server_that(name: str, tmp_path: Path) -> None:
    source, status, text = HOSTILE[name]
    marker, temporary = new_marker(), tmp_path / "temporary"
    temporary.mkdir()
    start_seconds = 3 if name == "never listens" else 30
    arguments = [*ONE_CASE, "--target", str(target_file(tmp_path, script(tmp_path, source, marker), start_seconds))]
    done = run_kit("run", "-n", "1", *arguments, TMPDIR=str(temporary))
    assert done.returncode == status, done.stdout + done.stderr
    assert text in closing_lines(done.stdout)
    assert "Traceback" not in done.stdout + done.stderr
    assert nothing_left(marker)
    assert list(temporary.iterdir()) == []


def target_file(folder: Path, command: str, start_seconds: int = 30) -> Path:
    """Write a target file."""
    file = folder / "target.toml"
    file.write_text(f"command = '''{command}'''\nstart_seconds = {start_seconds}\n")
    return file


def test_server_that_hangs_after_the_handshake_fails_its_cases() -> None:
    marker = new_marker()
    done = run_on(mini("hangs", marker), "--case", "system/*e", "--case", "system/action-like*", "--time-scale", "0.3")
    assert done.returncode == 0, done.stdout  # only action-unknown says reboot
    done = run_on(mini("hangs", marker), "--case", "system/action-*", "--time-scale", "0.3")
    assert done.returncode == 1
    assert "FAIL system/action-unknown" in done.stdout
    assert "Afterwards the server served nobody and was restarted" in closing_lines(done.stdout)
    assert re.search(r"^system +\d\d? +1 ", done.stdout, re.MULTILINE), done.stdout
    assert nothing_left(marker)


def test_server_that_dies_in_a_case_fails_it_with_its_last_words() -> None:
    done = run_on(mini("dies"), "--case", "system/action-*")
    assert done.returncode == 1
    assert "FAIL system/action-unknown" in done.stdout
    assert "the server process ended during the case" in done.stdout
    assert "exit status 7" in done.stdout
    assert "out of coffee" in done.stdout
    assert done.stdout.count("FAIL ") == 1


def test_megabytes_on_stderr_block_nobody_and_are_cut(tmp_path: Path) -> None:
    helpers = str(Path(kit_mini_server.__file__).parent)
    source = f"import sys\nsys.stderr.write('noise ' * 1_000_000)\nsys.path.insert(0, {helpers!r})\n"
    source += "import kit_mini_server\nsys.argv[1:] = ['--port', sys.argv[1], '--wrong=dies']\nkit_mini_server.main()\n"
    done = run_on(script(tmp_path, source), "--case", "system/action-unknown")
    assert done.returncode == 1
    assert "out of coffee" in done.stdout
    assert len(done.stdout) < 20_000


FAMILY = """
for _ in range(3):
    subprocess.Popen(
        [sys.executable, "-c", "import os, time; os.fork(); os.setsid() if os.getpgrp() != os.getpid() else 0;"
         "os.fork(); time.sleep(600)", *sys.argv[2:]], start_new_session=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        time.sleep(600)
    os._exit(0)
"""


def test_daemons_of_a_server_do_not_outlive_the_run(tmp_path: Path) -> None:
    marker, temporary = new_marker(), tmp_path / "temporary"
    temporary.mkdir()
    source = LISTEN + FAMILY + "print('port', sys.argv[1], file=sys.stderr, flush=True)\n" + SILENT
    done = run_on(script(tmp_path, source, marker), *ONE_CASE, TMPDIR=str(temporary))
    assert done.returncode == 3
    assert nothing_left(marker)
    assert list(temporary.iterdir()) == []
    port = re.search(r"a program listens on 127\.0\.0\.1:(\d+)", closing_lines(done.stdout))
    assert port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(port[1])), timeout=1)
