"""What the user of a server registers, and what a handler receives."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from reference_server.protocol.schemas import check_name

Kind = Literal["request", "notification"]


class Request(msgspec.Struct, frozen=True, eq=False):
    """A request or a notification, as its handler sees it.

    Attributes:
        payload: The payload as Python values, to be read only.
        app_id: The application of the connection.
        channel_id: The channel of the message.
        message_id: The message's own name, chosen by the client.
        connection_id: Which connection of the application sent it.
        session: A number that no other connection of this server has, nor had.
    """

    payload: Any
    app_id: str
    channel_id: str
    message_id: str
    connection_id: str
    session: int
    _drop: Callable[[], object]

    def drop_connection(self) -> None:
        """End the connection that sent this, without answering anything any more. Works in any thread."""
        self._drop()


class HandlerFailedError(Exception):
    """A handler raised an exception. The log has it; the text of this one is all that the client is told (REQ-014)."""

    def __init__(self, channel_id: str) -> None:
        super().__init__(channel_id)
        self.channel_id = channel_id

    def __str__(self) -> str:
        return f"the handler of {self.channel_id!r} failed"


HandlerFunction = Callable[[Request], Any]


@dataclass(frozen=True, slots=True)
class Handler:
    """A function and how it is to be called."""

    function: HandlerFunction
    in_thread: bool


class HandlerTable:
    """Finds the handler of a channel, one of the application before one of every application."""

    def __init__(self) -> None:
        # kind -> channel -> application, or None for all of them -> handler
        self._handlers: dict[Kind, dict[str, dict[str | None, Handler]]] = {"request": {}, "notification": {}}

    def add(self, function: HandlerFunction, channel_id: str, kind: Kind, app_id: str | None) -> None:
        """Register a function.

        Raises:
            ValueError: The kind is unknown, the channel or application cannot have a handler, or has one already.
        """
        if kind not in ("request", "notification"):
            raise ValueError(f"kind is {kind!r}, allowed are 'request' and 'notification'")
        check_name("channel_id", channel_id)
        if app_id is not None:
            check_name("app_id", app_id)
        handlers = self._handlers[kind].setdefault(channel_id, {})
        if app_id in handlers:
            raise ValueError(f"channel {channel_id!r} has a handler for {kind}s already")
        in_thread = not inspect.iscoroutinefunction(function) and not _is_async_callable(function)
        handlers[app_id] = Handler(function, in_thread)

    def find(self, kind: Kind, app_id: str, channel_id: str) -> Handler | None:
        """Return the handler for a message, None when there is none."""
        handlers = self._handlers[kind].get(channel_id)
        return (handlers.get(app_id) or handlers.get(None)) if handlers else None


def _is_async_callable(function: HandlerFunction) -> bool:
    return inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004 - an object with async __call__
