"""Several actions on one channel: the payload names one as `action`, and its arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from reference_server.handlers import HandlerFunction, Request

Arguments = dict[str, Any]
Action = Callable[[Request, Arguments], Any]
"""What answers one action: plain, or `async` when it has to wait for something."""


class Refused(Exception):
    """The answer to a request that cannot be granted, for the client to read.

    An exception of any other kind is a failure, of which the client learns nothing but `handler_failed`.

    Args:
        code: For programs. The server's own codes where they say it, else one of the application's.
        text: What was wrong, for people.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.payload = {"status": "error", "error": {"code": code, "message": text}}


def handler_of(actions: Mapping[str, Action]) -> HandlerFunction:
    """Return the handler of a channel that has these actions."""

    async def call(request: Request) -> Any:
        try:
            result = _find(actions, request)(request, arguments_of(request.payload))
            return await result if inspect.isawaitable(result) else result
        except Refused as refusal:
            return refusal.payload

    return call


def arguments_of(payload: dict[str, Any]) -> Arguments:
    """Return the arguments of an action from all places where clients put them.

    Those are the payload itself, and in it the objects `query` (where an HTTP proxy puts the query of its URL), `data`
    (its body, or what one service hands to another) and `params`. The later wins.
    """
    found = dict(payload)
    for place in ("query", "data", "params"):
        inner = payload.get(place)
        if isinstance(inner, dict):
            found |= inner
    return found


def required(arguments: Arguments, name: str) -> Any:
    """Return an argument.

    Raises:
        Refused: There is none.
    """
    if name not in arguments:
        raise Refused("invalid_message", f"the argument {name!r} is missing")
    return arguments[name]


def integer(arguments: Arguments, name: str) -> int:
    """Return an argument that is an integer of 0 or more, or its digits as in the query of a URL.

    Raises:
        Refused: It is missing, or something else.
    """
    value = required(arguments, name)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    if type(value) is not int or value < 0:
        raise Refused("invalid_message", f"the argument {name!r} must be an integer of 0 or more")
    return value


def _find(actions: Mapping[str, Action], request: Request) -> Action:
    if not isinstance(request.payload, dict) or not isinstance(name := request.payload.get("action"), str):
        raise Refused("invalid_message", "the payload must be an object with a string 'action'")
    if name not in actions:
        raise Refused("unknown_action", f"channel {request.channel_id!r} has the actions {', '.join(actions)}")
    return actions[name]
