"""How the kit finds out that a server has processed what it was sent: by a message whose answer shows it.

A ping is meant for this (SUB-015, SUB-016). A server that does not answer pings can still be tested by something else
that it does answer.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from conformance.protocol import codec, schemas
from conformance.protocol.codec import Message


class Marker(StrEnum):
    """The kinds of messages that mark a moment; the best one that a server answers is used."""

    PING = "ping"
    TIME = "get_time"
    PUBLISH = "publish"
    """A publish on a channel of its own that the connection is subscribed to."""
    ECHO = "conformance.echo"
    """Only the responder's application has this handler."""
    SILENCE = "silence"
    """No answer shows anything: what does not come within a short time does not come."""


MARK = {"mark": "conformance"}


ABILITIES = {Marker.PING: "ping", Marker.TIME: "time", Marker.PUBLISH: "own_delivery", Marker.ECHO: "echo"}
"""The ability of the survey that each marker needs, the best marker first."""


AWAITED = {
    Marker.PING: "the pong",
    Marker.PUBLISH: "the publish",
    Marker.TIME: "the response",
    Marker.ECHO: "the response",
}
"""What answers each marker, for the failure message."""


def is_answer(kind: Marker, message: Message, marker: Message) -> bool:
    """Return true if ``message`` is the server's answer to ``marker``, which is of that kind."""
    name = "message_id" if kind is Marker.PUBLISH else "reply_to"
    return bool(message.get(name) == marker["message_id"])


def payload_of(marker: Marker) -> dict[str, Any]:
    """Return the payload of a marker that is a request."""
    return MARK if marker is Marker.ECHO else {"action": "get_time" if marker is Marker.TIME else "ping"}


def problem(marker: Marker, sent: Message, answer: Message) -> str:
    """Say what is wrong with the answer to a marker that is a request; nothing if it is right."""
    payload = answer["payload"]
    if marker is Marker.ECHO:
        return "" if codec.same(payload, sent["payload"]) else "an echo did not give the payload back"
    if marker is Marker.TIME:
        return "the answer to get_time breaks its schema" if schemas.problem("time", payload) else ""
    return "a ping got something else than a pong (SYS-003)" if schemas.problem("pong", payload) else ""
