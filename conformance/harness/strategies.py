"""What Hypothesis draws from: JSON values, envelopes, ways to write them, and bodies that are almost right.

This module loads Hypothesis, so a property imports it when it runs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from conformance.protocol.codec import Message

LARGEST_EXACT = 2**53 - 1  # ENC-016
ENVELOPE = ("message_id", "app_id", "channel_id", "message_type", "payload", "timestamp", "reply_to")

characters = st.characters(exclude_categories=["Cs"])
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-LARGEST_EXACT, LARGEST_EXACT)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(characters, max_size=20),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text("abé😀\x00", max_size=4), children, max_size=4)
    ),
    max_leaves=12,
)
timestamps = st.integers(0, LARGEST_EXACT) | st.floats(0, allow_nan=False, allow_infinity=False)
names = st.text(characters, min_size=1, max_size=128)


@st.composite
def envelope_members(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the members of an envelope that a sender is free in, ``reply_to`` perhaps left out."""
    members = {"message_id": draw(names), "payload": draw(json_values), "timestamp": draw(timestamps)}
    reply_to = draw(st.none() | st.just(...) | names)
    return members if reply_to is ... else members | {"reply_to": reply_to}


@dataclass(frozen=True)
class Writing:
    """A way to write a message as JSON (ENC-008): the order of its members, what is escaped, white space."""

    order: tuple[str, ...]
    is_escaped: bool
    indent: str | None
    separators: tuple[str, str]

    def write(self, message: Message) -> bytes:
        """Return the body."""
        members = {name: message[name] for name in self.order if name in message}
        style: dict[str, Any] = {"indent": self.indent, "separators": self.separators}
        return json.dumps(members, allow_nan=False, ensure_ascii=self.is_escaped, **style).encode()


writings = st.builds(
    Writing,
    st.permutations(ENVELOPE).map(tuple),
    st.booleans(),
    st.none() | st.sampled_from(["", "\t", "\r\n "]),
    st.sampled_from([(",", ":"), (" , ", " :\n")]),
)

ODD_VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 1.5, "", "x", "connect", "ping", "system", "\x00", "y" * 129, "z" * 256, [], {}, [{}]]
)
MEMBERS = (*ENVELOPE, "action", "further")
ODD_OCTETS = st.sampled_from(
    [b"", b"\x00", b"\xff", b"\xc3", b'"', b"{", b"}", b",", b"\\", b"1", b" ", b"\xef\xbb\xbf"]
)


@st.composite
def bodies(draw: st.DrawFn, messages: st.SearchStrategy[Message]) -> bytes:
    """Draw a body: one of ``messages``, its members and then its octets changed a little or not at all."""
    message = dict(draw(messages))
    for _ in range(draw(st.integers(0, 2))):
        place = message
        if isinstance(message.get("payload"), dict) and draw(st.booleans()):
            place = message["payload"] = dict(message["payload"])
        name = draw(st.sampled_from([*place, *MEMBERS]))
        value = draw(st.just(...) | ODD_VALUES)
        place.pop(name, None) if value is ... else place.update({name: value})
    body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        start = draw(st.integers(0, len(body)))
        end = start + draw(st.integers(0, 3))
        body = body[:start] + draw(ODD_OCTETS) + body[end:]
    return body
