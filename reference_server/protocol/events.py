"""What a connection reports: messages that passed every check of the precedence list up to stage 9."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

Message = dict[str, Any]
"""A message as it arrived: the JSON object in the body of one frame."""

RunHandler = Callable[[Any], Awaitable[Any]]
"""Runs the handler of a request's channel on a payload, and returns what the handler returns."""


class ConnectReceived(msgspec.Struct, frozen=True):
    """A valid and acceptable connect message; answer it with `Connection.accept` or `Connection.fail`."""

    app_id: str
    connection_id: str


class ActionReceived(msgspec.Struct, frozen=True):
    """A request on the channel `system`, and the payload with which the connection answers it."""

    message_id: str
    answer: dict[str, Any]


class RequestReceived(msgspec.Struct, frozen=True):
    """A request for a handler; answer it with `Connection.answer` or `Connection.refuse`, once.

    `size` is about how many octets it takes in memory.
    """

    channel_id: str
    message_id: str
    payload: Any
    size: int


class ProfileRequestReceived(RequestReceived, frozen=True):
    """A request that a profile answers with the help of the channel's handler.

    `content` is what the profile read from the message; `answer` takes it and returns the payload of the response.
    `at_a_time` is how many calls of the handler may run for it side by side.
    """

    content: Any
    at_a_time: int
    answer: Callable[[Any, RunHandler], Awaitable[Any]]


class NotificationReceived(msgspec.Struct, frozen=True):
    """A notification for a handler; nothing is answered. `size` is about how many octets it takes."""

    channel_id: str
    message_id: str
    payload: Any
    size: int


class SubscribeReceived(msgspec.Struct, frozen=True):
    """The connection wants what is published on a channel."""

    channel_id: str


class UnsubscribeReceived(msgspec.Struct, frozen=True):
    """The connection no longer wants what is published on a channel."""

    channel_id: str


class PublishReceived(msgspec.Struct, frozen=True):
    """A message for the subscribers of a channel; `frame` is to be forwarded octet by octet (SUB-012)."""

    channel_id: str
    frame: bytes


Event = (
    ConnectReceived
    | ActionReceived
    | RequestReceived
    | NotificationReceived
    | SubscribeReceived
    | UnsubscribeReceived
    | PublishReceived
)
