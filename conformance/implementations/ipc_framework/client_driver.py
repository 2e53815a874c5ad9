"""A driver for ``FrameworkClient`` of the PyPI package ipc-framework: commands and events as JSON lines.

It uses only the public interface of the package, like any program of a user. That interface has callbacks only for the
messages of a channel. The client reports that it is connected or disconnected when a call returns; the driver then
writes the event. The client does not report a lost connection, or an error that it does not raise. Its output goes to
standard error.
"""

from __future__ import annotations

import json
import operator
import os
import sys
import threading
import traceback
from collections.abc import Callable
from importlib import metadata
from typing import Any

from ipc_framework import (  # type: ignore[import-not-found]  # installed beside this file's program only
    FrameworkClient,
    Message,
)

CRASHED = 70  # EX_SOFTWARE of sysexits.h
WAITING = {"connect", "disconnect", "send_request", "health_check"}
"""Commands that run in a thread. The others run in order; they wait only for the network."""


class Skipped(Exception):
    """The client does not support a command."""


class Driver:
    """Executes commands, and writes events to the standard output at the time of its creation."""

    def __init__(self) -> None:
        self._output = sys.stdout.buffer
        self._writing = threading.RLock()
        self._client: Any = None
        self._handlers: dict[str, str] = {}
        self._is_done = False
        self._commands: dict[str, Callable[..., Any]] = {
            "capabilities": self._capabilities,
            "create": self._create,
            "connect": self._connect,
            "disconnect": self._disconnect,
            "send_request": self._send_request,
            "subscribe": self._subscribe,
            "react": self._react,
            "unsubscribe": self._unsubscribe,
            "publish": lambda channel, payload: self._client.publish(channel_id=channel, data=payload),
            "notify": lambda channel, payload: self._client.notify(channel_id=channel, data=payload),
            "health_check": lambda: {"healthy": self._client.ping()},
            "connection_info": self._connection_info,
            "exit": self._exit,
        }

    def run(self) -> None:
        """Execute commands until ``exit`` or the end of the input; then the client decides if the process ends."""
        while not self._is_done and (line := sys.stdin.buffer.readline()):
            if line.strip():
                self._take(line)
        self._disconnect()

    def crash(self, error: BaseException | None) -> None:
        """Report an uncaught exception, and exit."""
        with self._writing:
            traceback.print_exception(error)
            self._emit(event="crash", error={"message": repr(error)})
            os._exit(CRASHED)

    def _emit(self, **line: Any) -> None:
        try:
            with self._writing:
                self._output.write(json.dumps(line).encode() + b"\n")
                self._output.flush()
        except OSError:  # nobody listens any more
            os._exit(CRASHED)

    def _take(self, line: bytes) -> None:
        identity = None
        try:
            members = json.loads(line)
            identity = operator.index(members.pop("id"))
            name = str(members.pop("command"))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the line
            self._emit(id=identity, error={"message": f"this is no command: {error!r}"})
            return
        if name in WAITING:
            # No daemon: if the client does not end a call when it is disconnected, its user's program hangs, too.
            threading.Thread(target=self._obey, args=(identity, name, members)).start()
        else:
            self._obey(identity, name, members)

    def _obey(self, identity: int, name: str, members: dict[str, Any]) -> None:
        try:
            if name not in self._commands:
                raise ValueError("there is no such command")
            if self._client is None and name not in ("capabilities", "create", "exit"):
                raise RuntimeError("there is no client yet: send the command 'create' first")
            outcome = self._outcome(name, members)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the command
            outcome = {"error": _describe(name, error)}
        self._emit(id=identity, **outcome)

    def _outcome(self, name: str, members: dict[str, Any]) -> dict[str, Any]:
        try:
            result = self._commands[name](**members)
        except Skipped as reason:
            return {"skipped": str(reason)}
        except Exception as error:  # noqa: BLE001 - whatever the client raises
            return {"error": _describe(name, error)}
        return {"result": result if isinstance(result, dict) else {}}

    def _capabilities(self) -> dict[str, Any]:
        name, commands = "ipc-framework", list(self._commands)
        version = metadata.version(name)
        return {"name": name, "version": version, "language": "python", "protocol": "1.0", "commands": commands}

    def _create(self, app_id: str, **members: Any) -> dict[str, Any]:
        if self._client is not None:
            raise RuntimeError("there is a client already")
        # Options that it does not have, such as the attempts to connect again and the interval of pings, are dropped.
        if "path" in members:
            raise Skipped("the client does not connect to unix sockets")
        options = {name: value for name, value in members.items() if name in ("host", "port")}
        if "connection_timeout_ms" in members:
            options["connection_timeout"] = members["connection_timeout_ms"] / 1000
        self._client = FrameworkClient(app_id, **options)
        return {"connection_id": self._client.connection_id}

    def _connect(self) -> dict[str, Any]:
        was_connected = self._client.connected
        connected = self._client.connect()
        if connected and not was_connected:
            self._emit(event="connected")
        return {"connected": connected}

    def _disconnect(self) -> None:
        was_connected = self._client is not None and self._client.connected
        if self._client is not None:
            self._client.disconnect()
        if was_connected:
            self._emit(event="disconnected", reason=None)

    def _exit(self) -> None:
        self._is_done = True
        self._disconnect()

    def _send_request(self, channel: str, payload: Any, timeout_ms: float | None = None) -> dict[str, Any]:
        options = {} if timeout_ms is None else {"timeout": timeout_ms / 1000}
        response = self._client.send_request(channel, payload, **options)
        if response is None:
            raise TimeoutError("the client returned None, which it does when its time is up")
        return {"response": response.to_dict()}

    def _subscribe(self, channel: str, handler: str = "default", fails: bool = False) -> None:
        def fail() -> None:
            if fails:
                raise RuntimeError(f"handler {handler!r} failed, as it was told to")

        self._add_handler(channel, handler, fail)

    def _react(self, channel: str, action: dict[str, Any], handler: str = "default") -> None:
        has_acted = False

        def act() -> None:
            nonlocal has_acted
            if not has_acted:
                has_acted = True
                members = dict(action)
                outcome = self._outcome(members.pop("command"), members)
                self._emit(event="reacted", channel=channel, handler=handler, **outcome)

        self._add_handler(channel, handler, act)

    def _add_handler(self, channel: str, handler: str, then: Callable[[], None]) -> None:
        if self._handlers.get(channel, handler) != handler:
            raise Skipped("the client has one handler for a channel; a second takes the place of the first")

        def report(message: Message) -> None:
            self._emit(event="message", channel=channel, handler=handler, message=message.to_dict())
            then()

        self._client.subscribe(channel, report)
        self._handlers[channel] = handler

    def _unsubscribe(self, channel: str, handler: str | None = None) -> None:
        if handler is not None:
            raise Skipped("the client unsubscribes from channels, not handlers")
        self._client.unsubscribe(channel)
        self._handlers.pop(channel, None)

    def _connection_info(self) -> dict[str, Any]:
        info = self._client.get_connection_info()
        known = {name: info[name] for name in ("connection_id", "connected", "subscribed_channels")}
        return known | {"status": "connected" if info["connected"] else "disconnected"}


def _describe(name: str, error: Exception) -> dict[str, Any]:
    return {"message": f"{name}: {error}", "code": type(error).__name__}


def main() -> None:
    """Drive the client over standard input and output."""
    driver = Driver()
    sys.stdout = sys.stderr  # the client prints
    sys.excepthook = lambda _, error, __: driver.crash(error)
    threading.excepthook = lambda uncaught: driver.crash(uncaught.exc_value)
    driver.run()


if __name__ == "__main__":
    main()
