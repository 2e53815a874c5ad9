"""Drives the client for the conformance kit: ``python -m reference_server.client.driver``.

Commands are lines of standard input, answers and events are lines of standard output, each a JSON object. The
driver protocol is described in `node_harness/README.md`. The driver uses only the public interface of the client.
"""

from __future__ import annotations

import asyncio
import json
import operator
import os
import ssl
import sys
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from reference_server.client import Client, Message
from reference_server.version import PROTOCOL, __version__

_CRASHED: Final = 70  # EX_SOFTWARE of sysexits.h
_LONGEST_COMMAND: Final = 1 << 30


class Driver:
    """Executes commands."""

    def __init__(self) -> None:
        self._client: Client | None = None
        self._handlers: dict[tuple[str, str], Callable[[Message], Awaitable[None]]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._commands: dict[str, Callable[..., Any]] = {
            "capabilities": self._capabilities,
            "create": self._create,
            "connect": self._connect,
            "disconnect": self._disconnect,
            "send_request": self._send_request,
            "subscribe": self._subscribe,
            "react": self._react,
            "unsubscribe": self._unsubscribe,
            "publish": self._publish,
            "notify": self._notify,
            "health_check": self._health_check,
            "connection_info": self._connection_info,
            "exit": self._exit,
        }

    async def run(self) -> None:
        """Execute commands until the end of the input, or the command `exit`."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: _crash(context.get("exception"), context["message"]))
        lines = asyncio.StreamReader(limit=_LONGEST_COMMAND)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin.buffer)
        while line := await lines.readline():
            if line.strip() and await self._take(line):
                return
        await self._disconnect()

    async def _take(self, line: bytes) -> bool:
        """Execute a command, without waiting for its end; return true if it is the last one."""
        identity = None
        try:
            members = json.loads(line)
            identity = operator.index(members.pop("id"))
            name = members.pop("command")
            command = self._commands[name]
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the line
            _emit(id=identity, error={"message": f"this is no command: {error!r}"})
            return False
        if name == "exit":
            await self._answer(identity, command, members)
            return True
        task = asyncio.create_task(self._answer(identity, command, members))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return False

    async def _answer(self, identity: int, command: Callable[..., Any], members: dict[str, Any]) -> None:
        try:
            result = await command(**members)
        except Exception as error:  # noqa: BLE001 - whatever the client raises
            _emit(id=identity, error=_describe(error))
        else:
            _emit(id=identity, result=result or {})

    @property
    def _made(self) -> Client:
        if self._client is None:
            raise RuntimeError("there is no client yet: send the command 'create' first")
        return self._client

    async def _capabilities(self) -> dict[str, Any]:
        return {
            "name": "ipc-conformance-python-client",
            "version": __version__,
            "language": "python",
            "protocol": PROTOCOL,
            "commands": list(self._commands),
        }

    async def _create(self, app_id: str, **members: Any) -> dict[str, Any]:
        if self._client is not None:
            raise RuntimeError("there is a client already")
        given = {_OPTIONS[name]: value for name, value in members.items() if name in _OPTIONS}
        given |= {_SECONDS[name]: value / 1000 for name, value in members.items() if name in _SECONDS}
        if isinstance(tls := members.get("tls"), dict):
            given |= {"tls": ssl.create_default_context(cadata=tls.get("ca"))}
            given |= {"server_hostname": tls["servername"]} if "servername" in tls else {}
        client = self._client = Client(app_id, **given)
        client.on_connected(lambda: _emit(event="connected"))
        client.on_disconnected(lambda reason: _emit(event="disconnected", reason=reason and str(reason)))
        client.on_error(lambda error: _emit(event="error", error=_describe(error)))
        return {"connection_id": client.connection_id}

    async def _connect(self) -> dict[str, Any]:
        await self._made.connect()
        return {"connected": True}  # otherwise it raises

    async def _disconnect(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def _exit(self) -> None:
        await self._disconnect()
        if self._running:
            await asyncio.wait(self._running)

    async def _send_request(self, channel: str, payload: Any, timeout_ms: float | None = None) -> dict[str, Any]:
        options = {} if timeout_ms is None else {"timeout": timeout_ms / 1000}
        return {"response": msgspec.structs.asdict(await self._made.request(channel, payload, **options))}

    async def _subscribe(self, channel: str, handler: str = "default", fails: bool = False) -> None:
        async def fail() -> None:
            if fails:
                raise RuntimeError(f"handler {handler!r} failed, as it was told to")

        await self._add_handler(channel, handler, fail)

    async def _react(self, channel: str, action: dict[str, Any], handler: str = "default") -> None:
        has_acted = False

        async def act() -> None:
            nonlocal has_acted
            if not has_acted:
                has_acted = True
                _emit(event="reacted", channel=channel, handler=handler, **await self._outcome(**action))

        await self._add_handler(channel, handler, act)

    async def _outcome(self, command: str, **members: Any) -> dict[str, Any]:
        try:
            return {"result": await self._commands[command](**members) or {}}
        except Exception as error:  # noqa: BLE001 - whatever the client raises
            return {"error": _describe(error)}

    async def _add_handler(self, channel: str, handler: str, then: Callable[[], Awaitable[None]]) -> None:
        """Add a handler that reports each message, and then does something."""
        if (channel, handler) in self._handlers:
            raise RuntimeError(f"channel {channel!r} has a handler {handler!r} already")

        async def report(message: Message) -> None:
            _emit(event="message", channel=channel, handler=handler, message=msgspec.structs.asdict(message))
            await then()

        self._handlers[channel, handler] = report
        try:
            await self._made.add_handler(channel, report)
        except BaseException:
            del self._handlers[channel, handler]
            raise

    async def _unsubscribe(self, channel: str, handler: str | None = None) -> None:
        self._made.remove_handler(channel, None if handler is None else self._handlers[channel, handler])
        for key in [each for each in self._handlers if each[0] == channel and handler in (None, each[1])]:
            del self._handlers[key]

    async def _publish(self, channel: str, payload: Any) -> None:
        await self._made.publish(channel, payload)

    async def _notify(self, channel: str, payload: Any) -> None:
        await self._made.notify(channel, payload)

    async def _health_check(self) -> dict[str, Any]:
        return {"healthy": bool(await self._made.health_check())}

    async def _connection_info(self) -> dict[str, Any]:
        info = self._made.info
        return {
            "connection_id": info.connection_id,
            "connected": info.connected,
            "status": info.status,
            "subscribed_channels": list(info.subscribed_channels),
        }


_OPTIONS: Final = {name: name for name in ("host", "port", "path", "tls", "token", "reconnect_attempts")}
_SECONDS: Final = {
    "connection_timeout_ms": "connect_timeout",
    "reconnect_delay_ms": "reconnect_delay",
    "heartbeat_interval_ms": "heartbeat_interval",
}


def _describe(error: Exception) -> dict[str, Any]:
    return {"message": str(error), "code": getattr(error, "code", type(error).__name__)}


def _emit(**line: Any) -> None:
    try:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
    except OSError:  # nobody reads any more
        os._exit(_CRASHED)


def _crash(error: BaseException | None, what: str) -> None:
    traceback.print_exception(error)
    _emit(event="crash", error={"message": f"{what}: {error!r}"})
    os._exit(_CRASHED)


if __name__ == "__main__":
    asyncio.run(Driver().run())
