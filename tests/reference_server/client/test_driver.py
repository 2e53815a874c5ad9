"""The driver: each command has one answer, and the process ends by itself."""

import json
import subprocess
import sys

from conformance.protocol import schemas

COMMAND = [sys.executable, "-m", "reference_server.client.driver"]


def drive(*lines):
    text = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
    done = subprocess.run(COMMAND, input=text, capture_output=True, text=True, timeout=60, check=False)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [schemas.problem("tools/driver-event", each) for each in answers] == [None] * len(answers)
    return done, answers


def test_every_line_has_one_answer_and_the_process_ends():
    done, answers = drive(
        {"id": 1, "command": "capabilities"},
        {"id": 2, "command": "connect"},
        {"id": 3, "command": "fly"},
        "no command",
        "[]",
        {"id": 4, "command": "create", "app_id": "demo", "port": 1},
        {"id": 5, "command": "create", "app_id": "demo"},
        {"id": 6, "command": "subscribe", "channel": "a\u2028"},
        {"id": 7, "command": "subscribe", "channel": "a\u2028"},
        {"id": 8, "command": "unsubscribe", "channel": "a\u2028", "handler": "other"},
        {"id": 9, "command": "connection_info"},
        {"id": 11, "command": "react", "channel": "b", "action": {"command": "disconnect"}},
        {"id": 12, "command": "react", "channel": "b", "action": {"command": "disconnect"}},
        {"id": 10, "command": "exit"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    by_id = {each["id"]: each for each in answers if each["id"] is not None}
    assert set(by_id) == set(range(1, 13))
    assert {number for number, each in by_id.items() if "error" in each} == {2, 3, 5, 7, 8, 12}
    assert len([each for each in answers if each["id"] is None]) == 2
    assert by_id[1]["result"]["language"] == "python"
    assert by_id[9]["result"]["subscribed_channels"] == ["a\u2028"]


def test_end_of_the_input_ends_the_process():
    done, answers = drive({"id": 1, "command": "create", "app_id": "demo", "heartbeat_interval_ms": 10})
    assert (done.returncode, len(answers)) == (0, 1)
