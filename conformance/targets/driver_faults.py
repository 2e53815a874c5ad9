"""Says what is wrong with a line of a driver: for its author, who needs the one definition that is meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.protocol import codec, schemas

EVENTS = "tools/driver-event"
"""The schema of the lines."""
EVENT_DEFINITIONS = {"error": "problem"}
"""The definitions of events that are not named as the event is."""
WITH_RESULTS = ("capabilities", "create", "connect", "send_request", "health_check", "connection_info")
"""The commands whose results have members; the definition of each is named after it."""


def fault(line: Any, commands: Mapping[int, str]) -> str:
    """Return what is wrong with a line that breaks the schema, and the line.

    Args:
        line: the decoded line.
        commands: the commands that were given, by their ids.
    """
    return f"{_problem(line, commands)}; the line is {codec.shorten(line)}"


def _problem(line: Any, commands: Mapping[int, str]) -> str:
    value = line
    if not isinstance(line, dict) or not line.keys() & {"id", "event"}:
        return "it is no object with the id of a command or the name of an event"
    if "event" in line:
        name = line["event"]
        definition, what = EVENT_DEFINITIONS.get(name, name), f"the event {name}"
    elif kinds := line.keys() & {"error", "skipped"}:
        (kind, *_) = kinds
        definition, what = ("failure" if kind == "error" else kind), f"an answer with {kind}"
    elif "result" not in line:
        return "an answer has one of result, error and skipped"
    else:
        command = commands.get(line["id"]) if isinstance(line["id"], int) else None
        definition = f"{command}_result" if command in WITH_RESULTS else "empty_result"
        value, what = line["result"], f"the result of {command or 'a command'}"
    if definition not in schemas.document(EVENTS)["$defs"]:
        return f"{what}: there is no such event"
    problem = schemas.problem(f"{EVENTS}#/$defs/{definition}", value) or schemas.problem(EVENTS, line)
    return f"{what}: {problem}"
