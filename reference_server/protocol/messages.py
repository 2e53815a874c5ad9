"""Bodies in, JSON objects out, and the way back (chapters ENC and ENV). Opens nothing."""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Iterator
from typing import Any, Final, NoReturn

import msgspec

from reference_server.protocol.errors import MalformedFrameError, UnsendableError
from reference_server.protocol.events import Message
from reference_server.protocol.frames import encode_frame

_decode_json = msgspec.json.Decoder().decode
_encode_json = msgspec.json.Encoder().encode

# binary64 ends below 1.8e308, so an integer of fewer than 309 digits cannot lie outside (ENC-012).
_MANY_DIGITS: Final = b"0" * 309
_DIGITS_TO_ZERO: Final = bytes.maketrans(b"123456789", b"0" * 9)


class ServerMessage(msgspec.Struct, frozen=True, gc=False):
    """A message that the server originates."""

    message_id: str
    app_id: str
    channel_id: str
    message_type: str
    payload: Any
    timestamp: float
    reply_to: str | None


class MessageIds:
    """Makes message ids that nobody can have used before (REQ-004): a random prefix and a counter."""

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(8)
        self._numbers = itertools.count()

    def next(self, unlike: str | None = None) -> str:
        """Return an id that was never returned before and is not `unlike`, which a client may have guessed."""
        made = f"{self._prefix}-{next(self._numbers)}"
        return made if made != unlike else self.next()


def decode_message(frame: bytes, max_depth: int) -> Message:
    """Return the JSON object that the body of a frame encodes.

    Args:
        frame: The frame, header included.
        max_depth: The deepest nesting accepted, the root being level 1.

    Raises:
        MalformedFrameError: Stages 2 to 4 of the precedence list, and ENC-010 to ENC-013.
    """
    body = frame[4:]
    try:
        value = _decode_json(body)
    except UnicodeDecodeError:
        raise MalformedFrameError("the body is not well-formed UTF-8") from None
    except RecursionError:
        _refuse_depth(max_depth)
    except msgspec.DecodeError as error:
        raise MalformedFrameError(f"the body is not a JSON text: {error}") from None
    if type(value) is not dict:
        raise MalformedFrameError("the root is not an object")
    # Every member has a colon of its own. As many colons as members means that no decoded member hides an earlier
    # one of its name; more of them may also stand in strings, which takes a closer look.
    if _count_members(value, max_depth, max_depth) != body.count(b":"):
        _check_duplicates(body)
    if len(body) > len(_MANY_DIGITS) and _MANY_DIGITS in body.translate(_DIGITS_TO_ZERO):
        _check_range(value)
    return value


def _count_members(container: dict[str, Any] | list[Any], levels: int, max_depth: int) -> int:
    """Count the members of all objects in a container, which may be `levels` deep."""
    if not levels:
        _refuse_depth(max_depth)
    values: Any
    if type(container) is dict:
        count, values = len(container), container.values()
    else:
        count, values = 0, container
    for value in values:
        kind = type(value)
        if kind is dict or kind is list:
            count += _count_members(value, levels - 1, max_depth)
    return count


def _refuse_depth(max_depth: int) -> NoReturn:
    raise MalformedFrameError(f"the body is nested deeper than {max_depth} levels")


def _check_duplicates(body: bytes) -> None:
    def collect(members: list[tuple[str, object]]) -> None:
        names = {name for name, _ in members}
        if len(names) != len(members):
            raise MalformedFrameError("an object has a member name twice")

    # Numbers stay text: only names matter here, and int() refuses very long ones.
    json.loads(body, object_pairs_hook=collect, parse_int=str, parse_float=str)


def _check_range(value: Message) -> None:
    for scalar in _scalars(value):
        if type(scalar) is int:
            try:
                float(scalar)
            except OverflowError:
                raise MalformedFrameError("a number lies outside the range of binary64") from None


def _scalars(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for member in value.values():
            yield from _scalars(member)
    elif isinstance(value, list):
        for item in value:
            yield from _scalars(item)
    else:
        yield value


def encode_message(message: ServerMessage, limit: int) -> bytes:
    """Return the frame of a message, its body no longer than `limit` octets (LIM-001).

    Raises:
        UnsendableError: The payload has no JSON form, or the body would be longer than the limit.
    """
    try:
        body = _encode_json(message)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise UnsendableError(f"the payload has no JSON form: {error}") from error
    if len(body) > limit:
        raise UnsendableError(f"the message has {len(body)} octets, the limit is {limit}")
    return encode_frame(body)
