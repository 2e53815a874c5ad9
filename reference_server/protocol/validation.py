"""What a message means: stages 5 to 10 of the specification's precedence list (ERR-011), one after the other.

Stage 1 is in `frames`, stages 2 to 4 are in `messages`; whether a channel has a handler is seen where the handlers are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import jsonschema_rs

from reference_server.protocol.capabilities import SYSTEM, Capabilities
from reference_server.protocol.errors import ErrorCode, WireError
from reference_server.protocol.events import (
    ActionReceived,
    ConnectReceived,
    Event,
    Message,
    NotificationReceived,
    PublishReceived,
    RequestReceived,
    SubscribeReceived,
    UnsubscribeReceived,
)
from reference_server.protocol.json_text import decoded_octets
from reference_server.protocol.schemas import explain, validator
from reference_server.version import PROTOCOL

# What becomes of a frame up to this length is not estimated: its handler takes more than that.
_SHORT: Final = 1024

_MAJOR: Final = PROTOCOL.partition(".")[0]

_ENVELOPE: Final = validator("envelope")
_CONNECT_MESSAGE: Final = validator("connect-message")
_SUBSCRIPTION: Final = validator("subscription")
_SYSTEM_REQUEST: Final = validator("system-request")


def read_connect(message: Message, capabilities: Capabilities) -> ConnectReceived:
    """Return what the first message of a connection asks for (stage 5).

    Raises:
        WireError: It is not a valid connect message (HSK-013), or not an acceptable one (SEC-002, HSK-014).
    """
    if not _CONNECT_MESSAGE.is_valid(message):
        raise WireError(ErrorCode.HANDSHAKE_REQUIRED, explain(_CONNECT_MESSAGE, message), message)
    payload = message["payload"]
    if not capabilities.admits(payload.get("token")):
        raise WireError(ErrorCode.UNAUTHORIZED, "", message)
    protocol = payload.get("protocol", PROTOCOL)
    if protocol.partition(".")[0] != _MAJOR:
        detail = f"the client speaks {protocol}, this server {PROTOCOL}"
        raise WireError(ErrorCode.UNSUPPORTED_PROTOCOL, detail, message)
    return ConnectReceived(message["app_id"], payload["connection_id"])


def read_message(
    message: Message, frame: bytes, app_id: str, connection_id: str, capabilities: Capabilities
) -> Event | None:
    """Return what a later message asks for, None when it is to be discarded (stages 6 to 10).

    Args:
        message: The message.
        frame: Its frame, header included.
        app_id: The application of the connection.
        connection_id: The connection's name inside it.
        capabilities: What the server offers.

    Raises:
        WireError: It breaks a rule.
    """
    if not _ENVELOPE.is_valid(message):
        raise WireError(ErrorCode.INVALID_MESSAGE, explain(_ENVELOPE, message), message)
    kind = message["message_type"]
    if kind == "response":
        return None  # REQ-015
    if message["app_id"] != app_id:
        raise WireError(ErrorCode.APP_MISMATCH, f"this connection belongs to {app_id!r}", message)
    return _READERS[kind](message, frame, connection_id, capabilities)


def _read_request(message: Message, frame: bytes, _connection_id: str, capabilities: Capabilities) -> Event:
    channel_id = message["channel_id"]
    if channel_id == SYSTEM:
        return _read_action(message, capabilities)
    if (size := len(frame)) > _SHORT:
        size = decoded_octets(frame)
    return RequestReceived(channel_id, message["message_id"], message["payload"], size)


def _read_action(message: Message, capabilities: Capabilities) -> ActionReceived:
    _check_payload(_SYSTEM_REQUEST, message)
    name = message["payload"]["action"]
    if name == "connect":
        raise WireError(ErrorCode.ALREADY_CONNECTED, "this connection has completed its handshake", message)
    action = capabilities.actions.get(name)
    if action is None:
        raise WireError(ErrorCode.UNKNOWN_ACTION, f"known are connect, {', '.join(capabilities.actions)}", message)
    return ActionReceived(message["message_id"], action(message))


def _read_notification(message: Message, frame: bytes, _connection_id: str, _capabilities: Capabilities) -> Event:
    if (size := len(frame)) > _SHORT:
        size = decoded_octets(frame)
    return NotificationReceived(message["channel_id"], message["message_id"], message["payload"], size)


def _read_publish(message: Message, frame: bytes, _connection_id: str, capabilities: Capabilities) -> Event:
    channel_id = message["channel_id"]
    if capabilities.reserves(channel_id):
        raise WireError(ErrorCode.RESERVED_CHANNEL, f"only the server publishes on {channel_id!r}", message)  # ISO-004
    return PublishReceived(channel_id, frame)


def _read_subscribe(message: Message, _frame: bytes, connection_id: str, _capabilities: Capabilities) -> Event:
    _check_subscription(message, connection_id)
    return SubscribeReceived(message["channel_id"])


def _read_unsubscribe(message: Message, _frame: bytes, connection_id: str, _capabilities: Capabilities) -> Event:
    _check_subscription(message, connection_id)
    return UnsubscribeReceived(message["channel_id"])


def _check_subscription(message: Message, connection_id: str) -> None:
    _check_payload(_SUBSCRIPTION, message)
    if message["payload"]["connection_id"] != connection_id:
        raise WireError(ErrorCode.FORBIDDEN, "the payload's connection_id names another connection", message)


def _check_payload(schema: jsonschema_rs.Draft202012Validator, message: Message) -> None:
    payload = message["payload"]
    if not schema.is_valid(payload):
        raise WireError(ErrorCode.INVALID_MESSAGE, f"payload: {explain(schema, payload)}", message)


_READERS: Final[dict[str, Callable[[Message, bytes, str, Capabilities], Event]]] = {
    "request": _read_request,
    "notification": _read_notification,
    "publish": _read_publish,
    "subscribe": _read_subscribe,
    "unsubscribe": _read_unsubscribe,
}
