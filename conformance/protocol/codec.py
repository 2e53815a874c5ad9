"""The kit's own codec for frames and strict JSON; it shares no code with any server.

It is slow and literal on purpose: as the oracle, it spells out each rule of the chapters FRM and ENC.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

HEADER_BYTES = 4
SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")

Message = dict[str, Any]


class BadBody(ValueError):
    """A body breaks a rule of the chapter ENC; the message says which."""


class Ambiguous(BadBody):
    """A body is JSON that decoders read differently (ENC-003), or is nested too deep for this decoder."""


def frame(body: bytes) -> bytes:
    """Return the frame of ``body``: header and body (FRM-001)."""
    return header(len(body)) + body


def header(length: int) -> bytes:
    """Return the header that states ``length`` octets, true or not (FRM-001)."""
    return length.to_bytes(HEADER_BYTES, "big")


def stated_length(head: bytes | bytearray) -> int:
    """Return the length that a header of four octets states."""
    return int.from_bytes(head, "big")


def are_frames(data: bytes) -> bool:
    """Return true if ``data`` consists of whole frames only."""
    start = 0
    while start < len(data):
        start += HEADER_BYTES + stated_length(data[start : start + HEADER_BYTES])
    return start == len(data)


def encode(message: Any) -> bytes:
    """Return a body: compact JSON in UTF-8 with only the necessary escapes (ENC-001, ENC-002)."""
    return json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def decode(body: bytes) -> Message:
    """Return the message in a body.

    Raises:
        BadBody: the body breaks ENC-001 or ENC-002.
        Ambiguous: it breaks ENC-003, and perhaps ENC-001 after that.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadBody(f"the body is not UTF-8 (ENC-002): {error}") from None
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_integer
        )
    except json.JSONDecodeError as error:
        raise BadBody(f"the body is not one JSON text (ENC-001): {error}") from None
    except RecursionError:
        raise Ambiguous("the body is nested too deep for the kit to read") from None
    if not isinstance(value, dict):
        raise BadBody(f"the root of the body is not an object (ENC-001): {shorten(value)}")
    if SURROGATE_ESCAPE.search(text) and _has_lone_surrogate(value):
        raise Ambiguous("the body has an escape of a lone surrogate (ENC-003)")
    return value


CONTRASTED = 160
"""Characters of each of two different texts that :func:`contrast` shows."""


class Shortened(str):
    """A value as JSON, shortened in the middle, that remembers the whole text for :func:`contrast`."""

    whole: str


def shorten(value: Any, limit: int = 300) -> Shortened:
    """Return ``value`` as JSON; shorten it in the middle if it is longer than ``limit`` characters."""
    text = json.dumps(value, ensure_ascii=True)
    half = (limit - 20) // 2
    is_long = len(text) > limit
    shown = Shortened(f"{text[:half]} ... {len(text) - 2 * half} more ... {text[-half:]}" if is_long else text)
    shown.whole = text
    return shown


def contrast(left: str, right: str) -> tuple[str, str]:
    """Return two texts of :func:`shorten` for one above the other: long ones around the first difference.

    They are plain texts, which another process can be sent.
    """
    if not isinstance(left, Shortened) or not isinstance(right, Shortened) or left.whole == right.whole:
        return str(left), str(right)
    texts = left.whole, right.whole
    if max(map(len, texts)) <= CONTRASTED:
        return str(left), str(right)
    place = next((at for at, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), min(map(len, texts)))
    start, end = max(0, place - CONTRASTED // 2), place + CONTRASTED // 2
    shown = [
        f"{'... ' * (start > 0)}{text[start:end]}{' ...' * (end < len(text))} "
        f"({len(text)} characters; the difference begins at character {place + 1})"
        for text in texts
    ]
    return shown[0], shown[1]


def same(left: Any, right: Any) -> bool:
    """Return true if two decoded values are the same JSON value: 1 and 1.0 are, 1 and true are not.

    Numbers are the same if their nearest binary64 values are (ENC-016). A decoder that keeps every number as binary64
    writes 66431448003972648 back as 66431448003972650, the shortest text of the same value.
    """
    if isinstance(left, str):
        return bool(left == right)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(map(same, left.values(), map(right.__getitem__, left)))
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, int | float) and isinstance(right, int | float):
        return float(left) == float(right)
    return bool(left == right)


def identical(left: Any, right: Any) -> bool:
    """Return true if two decoded values are equal to the last digit, and 1 is not taken for true."""
    return bool(left == right) and same(left, right)


def _has_lone_surrogate(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Ambiguous("an object has a member name twice (ENC-003)")
    return members


def _constant(name: str) -> NoReturn:
    raise BadBody(f"the body has the token {name}, which is not JSON (ENC-001)")


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise Ambiguous(f"the number {text[:40]} is outside the range of binary64 (ENC-003)")
    return value


def _integer(text: str) -> int:
    _float(text)
    return int(text)
