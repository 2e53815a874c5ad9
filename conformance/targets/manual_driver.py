"""Client cases that a person drives by hand, to debug a client without a driver, or in a debugger."""

from __future__ import annotations

import json
import queue
from collections.abc import Callable, Iterator
from typing import Any, Self

from conformance import PROTOCOL_VERSION
from conformance.core.text import printable
from conformance.core.trace import Trace
from conformance.targets.client import ClientTarget
from conformance.targets.config import TargetConfig
from conformance.targets.driver import Driver

HELP = """\
Run the command after 'do:' with your client, then type one line for each result or event:
  (empty)               the command is done, resolved or returned true
  no                    it returned false
  = JSON                it resolved to this payload
  ! TEXT                it failed with this error
  connected             the client reported that it is connected
  disconnected          the client reported that it is disconnected
  message CHANNEL JSON  a handler got this payload; a word before JSON names the handler
  reacted               a handler did what the latest command react told it to do; '= JSON' or '! TEXT'
                        may follow: its request resolved to this payload, or it failed with this error
  {...}                 any line of the driver protocol (node_harness/README.md)
A result belongs to the oldest open command. Each command has a deadline of one hour; stop with Ctrl-C."""

YES: dict[str, dict[str, Any]] = {
    "capabilities": {
        "name": "by hand",
        "version": "0",
        "language": "any",
        "protocol": PROTOCOL_VERSION,
        "commands": ["react"],
    },
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
"""The result that an empty line stands for; other commands have an empty result."""
SILENT = ("capabilities",)
"""Commands that need no person."""


class Console:
    """Replaces a driver's process: shows commands, and turns typed lines into driver events.

    Args:
        lines: the typed lines.
        show: prints a line.
    """

    def __init__(self, lines: Iterator[str], show: Callable[[str], object]) -> None:
        self._lines = lines
        self._show = show
        self._open: list[dict[str, Any]] = []
        self._react: dict[str, Any] = {}
        self._ready: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    @property
    def input(self) -> Self:
        """The stream that takes commands."""
        return self

    @property
    def output(self) -> Iterator[bytes]:
        """The typed lines, translated to the driver protocol."""
        yield self._ready.get()  # capabilities
        for line in self._lines:
            try:
                yield json.dumps(self._event(line.strip())).encode()
            except (TypeError, ValueError, LookupError) as error:
                self._show(f"not understood, type it again: {printable(str(error))}")

    def write(self, line: bytes) -> int:
        """Show a command."""
        command = json.loads(line)
        if command["command"] in SILENT:
            self._ready.put(json.dumps({"id": command["id"], "result": YES[command["command"]]}).encode())
            return len(line)
        self._open.append(command)
        if command["command"] == "react":
            self._react = command
        members = {name: value for name, value in command.items() if name not in ("id", "command")}
        self._show(f"do: {command['command']} {json.dumps(members)}")
        return len(line)

    def tail(self) -> str:
        """Return nothing: a person prints nothing."""
        return ""

    def obituary(self) -> str:
        """Describe how it ended."""
        return "the input ended"

    def wait(self, _seconds: float) -> int | None:
        """Return the status of a process that ended without error."""
        return 0

    def stop(self) -> None:
        """Nothing was started."""

    def _event(self, line: str) -> dict[str, Any]:
        word, _, rest = line.partition(" ")
        if line.startswith("{"):
            return dict(json.loads(line))
        if word == "message":
            return _message(*_two(rest, "message CHANNEL JSON"))
        if word == "reacted":
            return self._reacted(rest)
        if word == "connected":
            return {"event": word}
        if word == "disconnected":
            return {"event": word, "reason": None}
        return self._answer(line)

    def _reacted(self, outcome: str) -> dict[str, Any]:
        """Return the event for ``reacted OUTCOME``."""
        if not self._react:
            raise ValueError("no command was react")
        where = {"channel": self._react["channel"], "handler": self._react.get("handler", "default")}
        return {"event": "reacted", **where, **_outcome(outcome, self._react["action"]["command"])}

    def _answer(self, line: str) -> dict[str, Any]:
        if not self._open:
            raise ValueError("no command waits for a result")
        answer = {"id": self._open[0]["id"], **_outcome(line, self._open[0]["command"])}
        del self._open[0]
        return answer


def _outcome(line: str, command: str) -> dict[str, Any]:
    """Return the result or the error of a command that a line stands for."""
    word, _, rest = line.partition(" ")
    result = dict(YES.get(command, {}))
    if word == "!":
        return {"error": {"message": rest}}
    if word == "=":
        return {"result": {"response": {"payload": json.loads(rest)}}}
    if word == "no":
        return {"result": {name: False if value is True else value for name, value in result.items()}}
    if line:
        raise ValueError(f"{line!r} is none of the lines above")
    return {"result": result}


def _two(text: str, form: str) -> tuple[str, str]:
    """Split off the first word."""
    word, space, rest = text.partition(" ")
    if not space:
        raise ValueError(f"write {form}")
    return word, rest


def _message(channel: str, rest: str) -> dict[str, Any]:
    """Return the event for ``CHANNEL [HANDLER] JSON``."""
    handler = "default"
    try:
        payload = json.loads(rest)
    except ValueError:
        handler, rest = _two(rest, "message CHANNEL HANDLER JSON")
        payload = json.loads(rest)
    return {"event": "message", "channel": channel, "handler": handler, "message": {"payload": payload}}


class ManualClientTarget(ClientTarget):
    """A client that a person drives by hand.

    Args:
        lines: the typed lines.
        show: prints a line.
    """

    BASE_PATIENCE_SECONDS = 3600.0

    def __init__(self, lines: Iterator[str], show: Callable[[str], object]) -> None:
        super().__init__(TargetConfig(client="(by hand)"))
        self._console = Console(lines, show)

    @property
    def stated_protocol(self) -> str:
        """The newest version: whoever names a case wants to see what comes of it."""
        return PROTOCOL_VERSION

    def drive(self, trace: Trace, before: Callable[[], None], meanwhile: Callable[[], None]) -> Driver:
        """Let the person be the driver."""
        return Driver(self._console, trace, self.patience, before=before, meanwhile=meanwhile)
