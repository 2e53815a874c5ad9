"""A client case with a person in place of the driver: for debugging a client that has none, or in a debugger."""

from __future__ import annotations

import json
import queue
from collections.abc import Callable, Iterator
from typing import Any, Self

from conformance.core.trace import Trace
from conformance.targets.client import ClientTarget
from conformance.targets.config import TargetConfig
from conformance.targets.driver import Driver

HELP = """\
Do what stands behind 'do:' with your client, and say what came of it, a line each:
  (empty)               it is done, or resolved, or true
  no                    it is false
  = JSON                it resolved to this payload
  ! TEXT                it failed with this error
  connected             the client told its user that it is connected; disconnected likewise
  message CHANNEL JSON  a handler was given this payload; with a name between the two, the handler of that name
  {...}                 any line of the driver protocol (node_harness/README.md)
Answers are for the oldest command that has none. You have an hour for each; Ctrl-C breaks off."""

YES: dict[str, dict[str, Any]] = {
    "capabilities": {"name": "by hand", "version": "0", "language": "any", "protocol": "1.0", "commands": []},
    "create": {"connection_id": "by-hand"},
    "connect": {"connected": True},
    "health_check": {"healthy": True},
    "connection_info": {
        "connection_id": "by-hand",
        "connected": True,
        "status": "connected",
        "subscribed_channels": [],
    },
    "send_request": {"response": {"payload": "through"}},
}
"""What an empty line means; for other commands that they are done."""
SILENT = ("capabilities",)
"""Commands that a person need not obey."""


class Console:
    """Takes the place of a driver's process: shows commands, and makes driver events of what a person types.

    Args:
        lines: what is typed.
        show: prints a line.
    """

    def __init__(self, lines: Iterator[str], show: Callable[[str], object]) -> None:
        self._lines = lines
        self._show = show
        self._open: list[dict[str, Any]] = []
        self._ready: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    @property
    def input(self) -> Self:
        """Where commands are written."""
        return self

    @property
    def output(self) -> Iterator[bytes]:
        """The lines of the driver protocol that what is typed stands for."""
        yield self._ready.get()  # capabilities
        for line in self._lines:
            try:
                yield json.dumps(self._event(line.strip())).encode()
            except (TypeError, ValueError, LookupError) as error:
                self._show(f"that is no answer: {error!r}")

    def write(self, line: bytes) -> int:
        """Show a command."""
        command = json.loads(line)
        if command["command"] in SILENT:
            self._ready.put(json.dumps({"id": command["id"], "result": YES[command["command"]]}).encode())
            return len(line)
        self._open.append(command)
        members = {name: value for name, value in command.items() if name not in ("id", "command")}
        self._show(f"do: {command['command']} {json.dumps(members)}")
        return len(line)

    def tail(self) -> str:
        """Return nothing: a person prints nothing."""
        return ""

    def obituary(self) -> str:
        """Say how it ended."""
        return "nothing more is typed"

    def wait(self, _seconds: float) -> int | None:
        """Return the status of a process that ended as it should."""
        return 0

    def stop(self) -> None:
        """Nothing was started."""

    def _event(self, line: str) -> dict[str, Any]:
        word, _, rest = line.partition(" ")
        if line.startswith("{"):
            return dict(json.loads(line))
        if word == "message":
            return _message(*rest.split(" ", 1))
        if word == "connected":
            return {"event": word}
        if word == "disconnected":
            return {"event": word, "reason": None}
        return self._answer(line, word, rest)

    def _answer(self, line: str, word: str, rest: str) -> dict[str, Any]:
        result = dict(YES.get(self._open[0]["command"], {}))
        answer: dict[str, Any] = {"id": self._open[0]["id"]}
        if word == "!":
            answer["error"] = {"message": rest}
        elif word == "=":
            answer["result"] = {"response": {"payload": json.loads(rest)}}
        elif word == "no":
            answer["result"] = {name: False if value is True else value for name, value in result.items()}
        elif not line:
            answer["result"] = result
        else:
            raise ValueError(line)
        del self._open[0]
        return answer


def _message(channel: str, rest: str) -> dict[str, Any]:
    """Return the event for ``CHANNEL [HANDLER] JSON``."""
    handler = "default"
    try:
        payload = json.loads(rest)
    except ValueError:
        handler, rest = rest.split(" ", 1)
        payload = json.loads(rest)
    return {"event": "message", "channel": channel, "handler": handler, "message": {"payload": payload}}


class ManualClientTarget(ClientTarget):
    """A client that a person drives, in their own time.

    Args:
        lines: what is typed.
        show: prints a line.
    """

    BASE_PATIENCE_SECONDS = 3600.0

    def __init__(self, lines: Iterator[str], show: Callable[[str], object]) -> None:
        super().__init__(TargetConfig(client="(by hand)"))
        self._console = Console(lines, show)

    def drive(self, trace: Trace, before: Callable[[], None]) -> Driver:
        """Let the person be the driver."""
        return Driver(self._console, trace, self.patience, before=before)
