"""Bodies in, JSON objects out, and the way back (chapters ENC and ENV). Opens nothing."""

from __future__ import annotations

import gc
import itertools
import math
import re
import secrets
from typing import Any, Final, NoReturn

import msgspec

from reference_server.protocol.errors import MalformedFrameError, UnsendableError
from reference_server.protocol.events import Message
from reference_server.protocol.frames import encode_frame
from reference_server.protocol.json_text import nesting, occurrences, outside_strings

_decode_json = msgspec.json.Decoder().decode
_encode_json = msgspec.json.Encoder().encode

# binary64 ends below 1.8e308, so an integer of fewer than 309 digits cannot lie outside (ENC-012).
_MANY_DIGITS: Final = b"0" * 309
_NUMBER_FORMS: Final = bytes.maketrans(b"123456789E", b"0" * 9 + b"e")
_LONG_INTEGER: Final = re.compile(rb"(?<![0-9.eE])(?<![eE][+-])[0-9]{309,}+(?![.eE])")

# Of that many digits in a row, this many are seen where a text is looked at in steps of so many octets.
_STEP: Final = 25
_SEEN_DIGITS: Final = b"0" * (309 // _STEP)

# Longer bodies with more commas, so with many values, are checked by functions written in C only; they cost more than
# a walk through a few values.
_LARGE: Final = 4096
_FEW_COMMAS: Final = 64
# msgspec parses most numbers in 30 ns, but 1e23 in 600 ns, and one from 1e290 on in 10 000 ns. These are the
# forms of their exponents, without a plus sign. A few of them cost nothing.
_HARD_NUMBERS: Final = (b"e00", b"e-000")
_FEW_EXPONENTS: Final = 64


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
    length = len(body)
    is_large = length > _LARGE and occurrences(body, b",") > _FEW_COMMAS
    try:
        value = _decode_large(body) if is_large else _decode_json(body)
    except UnicodeDecodeError:
        raise MalformedFrameError("the body is not well-formed UTF-8") from None
    except RecursionError:
        _refuse_depth(max_depth)
    except msgspec.DecodeError as error:
        raise MalformedFrameError(f"the body is not a JSON text: {error}") from None
    if type(value) is not dict:
        raise MalformedFrameError("the root is not an object")
    if is_large:
        # A walk through the values would take several times as long as decoding them.
        if nesting(body, max_depth) > max_depth:
            _refuse_depth(max_depth)
        _check_duplicates(value, body)
    elif _count_members(value, max_depth, max_depth) != (
        body.count(b":") if length <= _LARGE else occurrences(body, b":")
    ):
        # Every member has a colon of its own. More of them may also stand in strings, which takes a closer look.
        _check_duplicates(value, body)
    if length > len(_MANY_DIGITS) and _has_many_digits(body):
        _check_range(body)
    return value


def _has_many_digits(body: bytes) -> bool:
    # Most bodies have no long rows of digits, which a few of their octets show.
    return _SEEN_DIGITS in body[::_STEP].translate(_NUMBER_FORMS) and _MANY_DIGITS in body.translate(_NUMBER_FORMS)


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


def _decode_large(body: bytes) -> Any:
    """Decode a body that could hold enough values to keep the garbage collector or the number parser busy."""
    decode = _decode_hard_numbers if _may_have_hard_numbers(body) else _decode_json
    if not gc.isenabled():
        return decode(body)
    # What a decoder makes has no cycles. Looking for some while it works multiplies its time by up to five.
    gc.disable()
    try:
        return decode(body)
    finally:
        gc.enable()


def _may_have_hard_numbers(body: bytes) -> bool:
    if occurrences(body, b"e") + occurrences(body, b"E") < _FEW_EXPONENTS:
        return False
    forms = body.translate(_NUMBER_FORMS, b"+")
    return any(hard in forms for hard in _HARD_NUMBERS)


def _refuse_depth(max_depth: int) -> NoReturn:
    raise MalformedFrameError(f"the body is nested deeper than {max_depth} levels")


def _check_duplicates(value: Message, body: bytes) -> None:
    """Raise `MalformedFrameError` if a decoded member hides an earlier one of its name (ENC-013).

    A member has one colon of its own. A body and the encoded form of its value have the same colons unless the value
    lacks a member, except that an escaped colon becomes a plain one.
    """
    colons = occurrences(body, b":")
    if b"\\u003" in body:
        escapes = body.replace(b"\\\\", b"")
        colons += escapes.count(b"\\u003a") + escapes.count(b"\\u003A")
    if colons == len(value) + sum(len(member) for member in value.values() if type(member) is dict):
        return  # the outermost objects have all of them, so there is nothing to encode
    if _encode_json(value).count(b":") != colons:
        raise MalformedFrameError("an object has a member name twice")


def _check_range(body: bytes) -> None:
    """Raise `MalformedFrameError` if an integer of a JSON text lies outside binary64 (ENC-012)."""
    for integer in _LONG_INTEGER.finditer(outside_strings(body)):
        if float(integer[0]) == math.inf:
            raise MalformedFrameError("a number lies outside the range of binary64")


def _binary64(literal: str) -> float:
    number = float(literal)
    if math.isinf(number):
        raise ValueError("Number out of range")
    return number


_decode_hard_numbers = msgspec.json.Decoder(float_hook=_binary64).decode


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
