"""What is wrong with a line of a driver is said by the definition that was meant, and the line is shown."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.targets.driver_faults import fault

COMMANDS = {1: "connection_info", 2: "publish", 3: "send_request"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"id": 1, "result": {"status": "connected"}}, "the result of connection_info: 'connected' is a required"),
        (
            {"id": 1, "result": {"connected": 1}},
            "the result of connection_info: 1 is not of type 'boolean' (at connected",
        ),
        ({"id": 2, "result": {"sent": True}}, "the result of publish: {'sent': True} is expected to be empty"),
        ({"id": 3, "result": {"response": 1}}, "the result of send_request: 1 is not of type 'object' (at response"),
        ({"id": 9, "result": {"a": 1}}, "the result of a command: "),
        ({"id": "1", "result": {}}, "the result of a command: "),
        ({"id": 2, "result": None}, "the result of publish: None is not of type 'object'"),
        ({"id": 2}, "an answer has one of result, error and skipped"),
        ({"id": 2, "error": "it failed"}, "an answer with error: 'it failed' is not of type 'object' (at error"),
        ({"id": 2, "skipped": ""}, "an answer with skipped: '' should be non-empty"),
        ({"event": "message", "channel": "a"}, "the event message: 'handler' is a required property"),
        ({"event": "error", "error": "it broke"}, "the event error: 'it broke' is not of type 'object' (at error"),
        ({"event": "reconnected"}, "the event reconnected: there is no such event"),
        ({"result": {}}, "it is no object with the id of a command or the name of an event"),
        ([], "it is no object with the id of a command or the name of an event"),
    ],
)
def test_fault_names_what_was_meant(line: Any, said: str) -> None:
    told = fault(line, COMMANDS)
    assert told.startswith(said)
    assert "; the line is " in told
