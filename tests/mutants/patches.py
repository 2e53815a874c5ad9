"""Patches that several mutants share. They use private names of the reference server only if there is no public one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from mutation import around

from reference_server.broker import Broker
from reference_server.protocol import connection, validation
from reference_server.protocol.connection import Connection
from reference_server.protocol.errors import ErrorCode, WireError
from reference_server.protocol.events import Message
from reference_server.protocol.frames import encode_frame


def refuse_message(breaks: Callable[[Message], bool], code: ErrorCode = ErrorCode.INVALID_MESSAGE) -> None:
    """Refuse messages with a valid envelope that the specification does not refuse."""

    @around(connection, "read_message")
    def read(original: Any, message: Message, *context: Any) -> Any:
        if validation._ENVELOPE.is_valid(message) and breaks(message):
            raise WireError(code, "", message)
        return original(message, *context)


def refuse_connect(breaks: Callable[[Message], bool], code: ErrorCode = ErrorCode.HANDSHAKE_REQUIRED) -> None:
    """Refuse valid connect messages that the specification does not refuse."""

    @around(connection, "read_connect")
    def read(original: Any, message: Message, capabilities: Any) -> Any:
        event = original(message, capabilities)
        if breaks(message):
            raise WireError(code, "", message)
        return event


def change_message(change: Callable[[Message], Message]) -> None:
    """Replace messages that arrive after the handshake before the server processes them."""

    @around(connection, "read_message")
    def read(original: Any, message: Message, *context: Any) -> Any:
        return original(change(message), *context)


def act_in_spite_of(code: ErrorCode, act: Callable[[Connection, Mapping[str, Any]], object]) -> None:
    """Act on a message even though it is answered with an error."""

    @around(Connection, "_report")
    def report(original: Any, self: Connection, error: WireError) -> None:
        original(self, error)
        if error.code is code:
            act(self, error.about)


def change_acknowledgement(change: Callable[[dict[str, Any]], object]) -> None:
    """Change the payload of every acknowledgement."""

    @around(Connection, "_respond")
    def respond(original: Any, self: Connection, payload: Any, *address: Any, **named: Any) -> None:
        if is_acknowledgement(payload):
            change(payload)
        original(self, payload, *address, **named)


def is_acknowledgement(payload: Any) -> bool:
    """Return true if a payload is that of an acknowledgement."""
    return isinstance(payload, dict) and payload.get("status") == "connected"


def session_of(of: Connection) -> Any:
    """Return the session of a connection."""
    return of._watcher


def broker_of(of: Connection) -> Broker:
    """Return the broker that a connection belongs to."""
    found: Broker = session_of(of)._server.broker
    return found


def holder(of: Connection, connection_id: str) -> Connection | None:
    """Return the current connection with a name, in the application of a connection."""
    application = broker_of(of)._applications.get(of.app_id)
    return application.connections.get(connection_id) if application else None


def publish(of: Connection, message: Mapping[str, Any]) -> None:
    """Deliver a message to the subscribers that its own members name."""
    body = json.dumps(message, ensure_ascii=False).encode()
    broker_of(of).publish(message["app_id"], message["channel_id"], encode_frame(body))
