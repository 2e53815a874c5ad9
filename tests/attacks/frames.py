"""Frames that attackers send; made by hand, since the kit makes only what a client may say.

The application is that of the responder: in any other one, its channels have no handlers.
"""

from __future__ import annotations

import itertools
import json
import struct
from typing import Any

_numbers = itertools.count(1)


def frame(body: bytes) -> bytes:
    """Return a body behind its length."""
    return struct.pack(">I", len(body)) + body


def message(kind: str, channel: str, payload: Any) -> bytes:
    """Return the frame of a valid message."""
    envelope = {
        "message_id": f"m{next(_numbers)}",
        "app_id": "conformance",
        "channel_id": channel,
        "message_type": kind,
        "payload": payload,
        "timestamp": 1.0,
    }
    return frame(json.dumps(envelope).encode())


def connect(name: str, **more: Any) -> bytes:
    """Return the frame of a connect message."""
    return message("request", "system", {"action": "connect", "connection_id": name, **more})


def ping() -> bytes:
    """Return the frame of a ping."""
    return message("request", "system", {"action": "ping"})


def subscribe(name: str, channel: str) -> bytes:
    """Return the frame of a subscription."""
    return message("subscribe", channel, {"connection_id": name})


# Bodies of about `size` octets that take the most memory or time for their length, all without a valid envelope.
def nested_lists(size: int) -> bytes:
    """Return lists of lists, each level with many."""
    return b'{"payload":[' + b",".join([b"[[],[[],[]]]"] * (size // 13)) + b"]}"


def numbers(size: int) -> bytes:
    """Return a list of numbers with one digit."""
    return b'{"payload":[' + b",".join([b"1"] * (size // 2)) + b"]}"


def members(size: int) -> bytes:
    """Return an object with very many members."""
    return b'{"payload":{' + b",".join(b'"%x":0' % number for number in range(size // 9)) + b"}}"


def escapes(size: int) -> bytes:
    """Return a text of escape sequences."""
    return b'{"payload":"' + b"\\u00e9" * (size // 6) + b'"}'


def blanks(size: int) -> bytes:
    """Return white space with very little in it."""
    return b"[" + b" " * size + b"1]"


BODIES = (nested_lists, numbers, members, escapes, blanks)
