"""The driver for ipc-framework's client, driving a stand-in for that package: the duties of a driver."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kit_commands import ENVIRONMENT, LIMIT_SECONDS

from conformance.implementations import ipc_framework
from conformance.protocol import schemas

DRIVER = Path(str(ipc_framework.__file__)).with_name("client_driver.py")
STAND_IN = """
import threading

class Message:
    def __init__(self, payload):
        self.payload = payload

    def to_dict(self):
        return {"payload": self.payload}

class FrameworkClient:
    connection_id = "me"

    def __init__(self, app_id, host="localhost", port=8888, connection_timeout=10.0):
        print("made", app_id, host, port, connection_timeout)
        self.connected = False
        self.handlers = {}
        self.published = threading.Event()
        self.was_connected = threading.Event()

    def connect(self):
        self.connected = True
        self.was_connected.set()
        return True

    def disconnect(self):
        print("disconnected")
        self.connected = False

    def send_request(self, channel, data, timeout=5.0):
        return Message([data, timeout]) if self.published.wait(timeout) else None

    def subscribe(self, channel, handler):
        self.handlers[channel] = handler

    def unsubscribe(self, channel):
        del self.handlers[channel]

    def publish(self, channel_id, data):
        self.published.set()
        try:
            self.handlers[channel_id](Message(data))
        except RuntimeError as error:
            print("a handler failed:", error)
        return "an id"

    def notify(self, channel_id, data):
        if data == "go wrong in a thread":
            threading.Thread(target=lambda: 1 / 0).start()
        elif data == "wait until connected":
            self.was_connected.wait(20)
        elif data == "leave a thread behind":
            threading.Thread(target=threading.Event().wait).start()
        else:
            raise ConnectionError("not now")

    def ping(self):
        return False

    def get_connection_info(self):
        channels = list(self.handlers)
        return {"connection_id": "me", "connected": self.connected, "subscribed_channels": channels, "port": 1}
"""
CREATE = {"id": 1, "command": "create", "app_id": "a", "port": 7, "connection_timeout_ms": 500, "reconnect_attempts": 0}
CONNECT = {"id": 2, "command": "connect"}
EXIT = {"id": 99, "command": "exit"}
Drive = Callable[..., tuple[int, list[dict[str, Any]], str]]


@pytest.fixture
def drive(tmp_path: Path) -> Drive:
    """Give the driver commands, then the end of input, and return its status, its events and what else it printed."""
    (tmp_path / "ipc_framework.py").write_text(STAND_IN)
    (tmp_path / "ipc_framework-9.8.dist-info").mkdir()
    (tmp_path / "ipc_framework-9.8.dist-info" / "METADATA").write_text("Name: ipc-framework\nVersion: 9.8\n")

    def dialogue(*lines: Any, seconds: float = LIMIT_SECONDS) -> tuple[int, list[dict[str, Any]], str]:
        ended = subprocess.run(
            [sys.executable, str(DRIVER)],
            env=ENVIRONMENT | {"PYTHONPATH": str(tmp_path)},
            input="".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines),
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
        events = [json.loads(line) for line in ended.stdout.splitlines()]
        assert not [problem for event in events if (problem := schemas.problem("tools/driver-event", event))]
        return ended.returncode, events, ended.stderr

    return dialogue


def test_options_that_the_client_has_reach_it_and_its_prints_go_elsewhere(drive: Drive) -> None:
    status, events, printed = drive({"id": 0, "command": "capabilities"}, CREATE, CREATE | {"id": 5}, EXIT)
    assert (status, printed) == (0, "made a localhost 7 0.5\ndisconnected\ndisconnected\n")
    capabilities, created, again, left = events
    assert (capabilities["result"]["name"], capabilities["result"]["version"]) == ("ipc-framework", "9.8")
    assert created["result"] == {"connection_id": "me"}
    assert again["error"]["message"] == "create: there is a client already"
    assert left == {"id": 99, "result": {}}


def test_commands_after_one_that_waits_are_obeyed(drive: Drive) -> None:
    request = {"id": 3, "command": "send_request", "channel": "c", "payload": 1, "timeout_ms": 20_000}
    status, events, _ = drive(
        CREATE,
        {"id": 2, "command": "subscribe", "channel": "c", "handler": "h", "fails": True},
        request,
        {"id": 4, "command": "publish", "channel": "c", "payload": 2},
        {"id": 5, "command": "health_check"},
    )
    assert status == 0
    assert {"event": "message", "channel": "c", "handler": "h", "message": {"payload": 2}} in events
    answers = {event["id"]: event["result"] for event in events if "result" in event}
    assert answers[3] == {"response": {"payload": [1, 20.0]}}
    assert (answers[4], answers[5]) == ({}, {"healthy": False})


def test_handler_obeys_a_command_once_and_reports_the_outcome(drive: Drive) -> None:
    _, events, _ = drive(
        CREATE,
        {"id": 2, "command": "react", "channel": "a", "action": {"command": "unsubscribe", "channel": "a"}},
        {"id": 3, "command": "publish", "channel": "a", "payload": 1},
        {
            "id": 4,
            "command": "react",
            "channel": "b",
            "action": {"command": "subscribe", "channel": "b", "handler": "x"},
        },
        {"id": 5, "command": "publish", "channel": "b", "payload": 2},
        {"id": 6, "command": "publish", "channel": "b", "payload": 3},
    )
    assert {"event": "reacted", "channel": "a", "handler": "default", "result": {}} in events
    assert [event["skipped"][:29] for event in events if "skipped" in event] == ["the client has one handler fo"]
    assert [event["message"] for event in events if event.get("event") == "message"] == [
        {"payload": n} for n in (1, 2, 3)
    ]


def test_what_the_client_has_nothing_for_is_skipped(drive: Drive) -> None:
    subscribe = {"command": "subscribe", "channel": "c"}
    _, events, _ = drive(
        {"id": 8, "command": "create", "app_id": "app", "path": "socket"},
        CREATE | {"reconnect_attempts": 5},
        subscribe | {"id": 2},
        subscribe | {"id": 3, "handler": "second"},
        {"id": 4, "command": "unsubscribe", "channel": "c", "handler": "default"},
        {"id": 5, "command": "connection_info"},
        {"id": 6, "command": "unsubscribe", "channel": "c"},
        subscribe | {"id": 7, "handler": "second"},
        EXIT,
    )
    assert [event["id"] for event in events if "skipped" in event] == [8, 3, 4]
    info = {"connection_id": "me", "connected": False, "status": "disconnected", "subscribed_channels": ["c"]}
    assert events[5] == {"id": 5, "result": info}
    assert [event["result"] for event in events[6:]] == [{}, {}, {}]


def test_what_the_client_raises_or_cannot_answer_is_an_error(drive: Drive) -> None:
    _, events, _ = drive(
        CREATE,
        {"id": 2, "command": "notify", "channel": "c", "payload": ""},
        {"id": 3, "command": "send_request", "channel": "c", "payload": 1, "timeout_ms": 1},
    )
    assert events[1]["error"] == {"message": "notify: not now", "code": "ConnectionError"}
    assert events[2]["error"]["message"].startswith("send_request: the client returned None")


def test_bad_lines_are_errors(drive: Drive) -> None:
    notify = '{"id": 6, "command": "notify", "channel": "c", "payload": 1}'
    _, events, _ = drive("{", "[]", '{"id": "1"}', '{"id": 4}', '{"id": 5, "command": []}', notify, "", EXIT)
    assert [event["id"] for event in events] == [None, None, None, 4, 5, 6, 99]
    assert all("error" in event for event in events[:-1])


def test_end_of_input_disconnects(drive: Drive) -> None:
    wait = {"id": 3, "command": "notify", "channel": "c", "payload": "wait until connected"}
    status, events, printed = drive(CREATE, CONNECT, wait)
    assert status == 0
    assert {"id": 2, "result": {"connected": True}} in events
    assert "disconnected" in printed


def test_an_uncaught_exception_in_a_thread_is_a_crash(drive: Drive) -> None:
    wait = {"id": 4, "command": "send_request", "channel": "c", "payload": 1, "timeout_ms": 20_000}
    status, events, printed = drive(
        CREATE, wait, {"id": 3, "command": "notify", "channel": "c", "payload": "go wrong in a thread"}
    )
    assert status == 70
    assert events[-1] == {"event": "crash", "error": {"message": "ZeroDivisionError('division by zero')"}}
    assert "Traceback" in printed


def test_a_thread_left_behind_keeps_the_process(drive: Drive) -> None:
    leave = {"id": 3, "command": "notify", "channel": "c", "payload": "leave a thread behind"}
    with pytest.raises(subprocess.TimeoutExpired) as ended:
        drive(CREATE, leave, EXIT, seconds=4.0)
    assert b'{"id": 99, "result": {}}' in (ended.value.stdout or b"")


def test_the_adapters_import_nothing_of_the_kit() -> None:
    """They share an environment with it, so a stray import would work."""
    for module in DRIVER.parent.glob("*.py"):
        tree = ast.parse(module.read_text("utf-8"))
        names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert {name.partition(".")[0] for name in names} <= {*sys.stdlib_module_names, "ipc_framework"}
