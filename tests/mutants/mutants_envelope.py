"""Mistakes about envelopes (chapter ENV)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from mutation import around, mutant
from patches import act_in_spite_of, broker_of, change_message, publish, refuse_message, session_of

from reference_server import broker
from reference_server.protocol import connection
from reference_server.protocol.connection import Connection
from reference_server.protocol.errors import ErrorCode, WireError
from reference_server.protocol.events import Message, RequestReceived
from reference_server.protocol.frames import HEADER, encode_frame
from reference_server.protocol.messages import ServerMessage

NAMES = {"message_id": 128, "app_id": 255, "channel_id": 255, "reply_to": 128}
"""The members that are names, and how many characters they may have."""
MEMBERS = ("message_id", "app_id", "channel_id", "message_type", "payload", "timestamp", "reply_to")


def _change_names(change: Callable[[str, int], str]) -> None:
    """Change every name of every message, given the name and how long it may be."""

    def changed(message: Message) -> Message:
        return message | {
            name: change(message[name], most) for name, most in NAMES.items() if isinstance(message.get(name), str)
        }

    change_message(changed)


def _change_emitted(**members: Any) -> None:
    """Change members of every message that handlers publish."""

    @around(broker, "encode_message")
    def encode(original: Any, message: ServerMessage, limit: int) -> Any:
        return original(msgspec.structs.replace(message, **members), limit)


@mutant("ENV-001")
def timestamp_as_text() -> None:
    """The timestamp of a message that the server publishes is a string."""
    _change_emitted(timestamp="2026-01-01T00:00:00Z")


@mutant("ENV-001/no-id")
def empty_message_id() -> None:
    """A message that the server publishes has an empty message_id."""
    _change_emitted(message_id="")


@mutant("ENV-002")
def version_added() -> None:
    """A message that the server publishes has a member `version`."""

    @around(broker, "encode_message")
    def encode(original: Any, *arguments: Any) -> bytes:
        message = json.loads(original(*arguments)[HEADER.size :])
        return encode_frame(json.dumps(message | {"version": "1.0"}).encode())


@mutant("ENV-003")
def reply_to_empty() -> None:
    """A message that the server publishes answers the message ''."""
    _change_emitted(reply_to="")


@mutant("ENV-005")
def further_member_ignored() -> None:
    """A member that the envelope does not have is ignored."""
    change_message(lambda message: {name: message[name] for name in MEMBERS if name in message})


@mutant("ENV-005/controls")
def controls_removed() -> None:
    """Control characters in names are removed instead of refused."""
    _change_names(lambda name, _most: "".join(filter(str.isprintable, name)) or name)


@mutant("ENV-005/truth")
def true_is_one() -> None:
    """A timestamp may be true, which Python takes for a number."""

    def change(message: Message) -> Message:
        return message | {"timestamp": 1} if message.get("timestamp") is True else message

    change_message(change)


@mutant("ENV-005/length")
def length_not_checked() -> None:
    """Names may have any length."""
    _change_names(lambda name, most: name[:most])


@mutant("ENV-005/type")
def unknown_type_discarded() -> None:
    """A message of an unknown type is discarded without an answer."""
    known = {"request", "response", "notification", "subscribe", "unsubscribe", "publish"}
    change_message(
        lambda message: message if message.get("message_type") in known else message | {"message_type": "response"}
    )


@mutant("ENV-005/case")
def type_in_any_case() -> None:
    """The type of a message may be in capitals."""

    def lower(message: Message) -> Message:
        kind = message.get("message_type")
        return message | {"message_type": kind.lower()} if isinstance(kind, str) else message

    change_message(lower)


@mutant("ENV-005/missing")
def timestamp_made_up() -> None:
    """A timestamp that is missing is made up."""
    change_message(lambda message: {"timestamp": time.time()} | message)


@mutant("ENV-006")
def delivered_all_the_same() -> None:
    """A publish with a bad envelope is refused and delivered all the same."""

    def act(of: Connection, message: Mapping[str, Any]) -> None:
        if message.get("message_type") == "publish" and isinstance(message.get("channel_id"), str):
            publish(of, message)

    act_in_spite_of(ErrorCode.INVALID_MESSAGE, act)


@mutant("ENV-006/subscribe")
def subscribed_all_the_same() -> None:
    """A subscribe with a bad envelope is refused and takes effect all the same."""

    def act(of: Connection, message: Mapping[str, Any]) -> None:
        if message.get("message_type") == "subscribe":
            broker_of(of).subscribe(of, message["channel_id"])

    act_in_spite_of(ErrorCode.INVALID_MESSAGE, act)


@mutant("ENV-006/request")
def handled_all_the_same() -> None:
    """A request with a bad envelope is refused, and its handler runs all the same."""

    def act(of: Connection, message: Mapping[str, Any]) -> None:
        if message.get("message_type") == "request" and message["channel_id"] != "system":
            session_of(of)._request(
                RequestReceived(message["channel_id"], message["message_id"], message["payload"], 0)
            )

    act_in_spite_of(ErrorCode.INVALID_MESSAGE, act)


@mutant("ENV-007")
def utf_16_counted() -> None:
    """The length of names counts UTF-16 code units."""

    def is_too_long(message: Message) -> bool:
        return any(len((message.get(name) or "").encode("utf-16-le")) > 2 * most for name, most in NAMES.items())

    refuse_message(is_too_long)


@mutant("ENV-007/octets")
def octets_counted() -> None:
    """The length of names counts octets."""
    refuse_message(lambda message: any(len((message.get(name) or "").encode()) > most for name, most in NAMES.items()))


@mutant("ENV-008")
def reply_to_required() -> None:
    """A message without reply_to is refused."""
    refuse_message(lambda message: "reply_to" not in message)


@mutant("ENV-009")
def clocks_compared() -> None:
    """A message whose timestamp is more than a day away from the server's clock is refused."""
    refuse_message(lambda message: abs(message["timestamp"] - time.time()) > 86_400)


@mutant("ENV-010")
def objects_only() -> None:
    """Every payload has to be an object."""
    refuse_message(lambda message: not isinstance(message["payload"], dict))


@mutant("ENV-010/null")
def null_is_missing() -> None:
    """A payload that is null is taken for a missing one."""

    @around(connection, "read_message")
    def read(original: Any, message: Message, *context: Any) -> Any:
        if message.get("payload", 0) is None:
            raise WireError(ErrorCode.INVALID_MESSAGE, "no payload", message)
        return original(message, *context)
