"""The outcome that the specification requires for one body, derived from the schemas and the precedence list.

It is for cases with generated bodies. The golden vectors test it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

from conformance.protocol import codec, schemas
from conformance.protocol.codec import Message
from conformance.protocol.profiles import actions_with, is_reserved
from conformance.protocol.responder import RESPONDER_APP, RESPONDER_PREFIX

PORTABLE_DEPTH = 64  # ENC-009
MAJOR = "1"
QUEUE_ANSWERS = {
    "enqueue": "queue-ok",
    "dequeue": "queue-jobs",
    "get_queue_stats": "queue-stats",
    "job_completed": "",
    "job_failed": "",
    "retry_job": "",
}
"""The actions of queue_manager and the schemas of their answers; none if the answer depends on leases."""


@dataclass(frozen=True)
class Expected:
    """The required outcome of a body.

    Attributes:
        outcome: an ``error``; an ``answer``, valid against the schema ``answer``; ``nothing``; or ``anything``, if the
            specification leaves it to the server.
        code: the error's code.
        answer: a schema's name, or ``acknowledgement``.
        message: the message in the body; None if it has none.
    """

    outcome: Literal["error", "answer", "nothing", "anything"]
    code: str = ""
    answer: str = ""
    message: Message | None = None


def first_message(body: bytes, token: str | None = None) -> Expected:
    """Return the outcome of ``body`` as the first message of a connection (stages 2 to 5 of ERR-011).

    Args:
        body: the octets of the body.
        token: the token that the server requires; None if it requires none.
    """
    expected = _readable(body)
    if expected.message is None:
        return expected
    if schemas.problem("connect-message", expected.message):
        return _error("handshake_required", expected.message)
    if token is not None and expected.message["payload"].get("token") != token:
        return _error("unauthorized", expected.message)
    if expected.message["payload"].get("protocol", "1.0").partition(".")[0] != MAJOR:
        return _error("unsupported_protocol", expected.message)
    return Expected("answer", answer="acknowledgement", message=expected.message)


def later_message(body: bytes, app_id: str, connection_id: str, profiles: Collection[str] = ()) -> Expected:
    """Return the outcome of ``body`` on a connection with that name (stages 2 to 10 of ERR-011).

    Args:
        body: the octets of the body.
        app_id: the application of the connection.
        connection_id: its name.
        profiles: the profiles that the server announces.
    """
    expected = _readable(body)
    message = expected.message
    if message is None:
        return expected
    if schemas.problem("envelope", message):
        return _error("invalid_message", message)
    if message["message_type"] == "response":
        return Expected("nothing", message=message)
    if message["app_id"] != app_id:
        return _error("app_mismatch", message)
    if _breaks_payload_rule(message, profiles):
        return _error("invalid_message", message)
    return _permitted(message, connection_id, profiles)


def _breaks_payload_rule(message: Message, profiles: Collection[str]) -> bool:
    """Return true if a payload breaks a rule of its type, its channel, or a profile (the first part of stage 9)."""
    kind, channel, payload = message["message_type"], message["channel_id"], message["payload"]
    if schemas.problem(kind, message):
        return True
    action = payload.get("action") if isinstance(payload, dict) else None
    if kind != "request" or channel == "system":
        return False
    if action == "batch_process" and "batch" in profiles:
        return schemas.problem("batch-request", payload) is not None
    if channel == "queue_manager" and "queue" in profiles:
        is_unknown = isinstance(action, str) and action not in QUEUE_ANSWERS
        return not is_unknown and schemas.problem("queue-request", payload) is not None
    return False


def _queued(message: Message) -> Expected:
    """Return the outcome of a valid request on queue_manager."""
    action = message["payload"]["action"]
    if action not in QUEUE_ANSWERS:
        return _error("unknown_action", message)
    answer = QUEUE_ANSWERS[action]
    return Expected("answer", answer=answer, message=message) if answer else Expected("anything")


def _permitted(message: Message, connection_id: str, profiles: Collection[str]) -> Expected:
    """Return the outcome of stages 9 and 10, after the schemas."""
    kind, channel, payload = message["message_type"], message["channel_id"], message["payload"]
    if kind in ("subscribe", "unsubscribe") and payload["connection_id"] != connection_id:
        return _error("forbidden", message)
    if kind == "publish" and is_reserved(channel, profiles):
        return _error("reserved_channel", message)
    if kind != "request":
        return Expected("nothing", message=message)
    return _requested(message, profiles)


def _requested(message: Message, profiles: Collection[str]) -> Expected:
    channel = message["channel_id"]
    if channel == "system":
        return _acted(message, profiles)
    if channel == "queue_manager" and "queue" in profiles:
        is_batch = "batch" in profiles and message["payload"]["action"] == "batch_process"
        return Expected("anything") if is_batch else _queued(message)
    if message["app_id"] == RESPONDER_APP and channel.startswith(RESPONDER_PREFIX):
        return Expected("anything")
    return _error("no_handler", message)


def _acted(message: Message, profiles: Collection[str]) -> Expected:
    payload = message["payload"]
    if payload["action"] == "connect":
        return _error("already_connected", message)
    action = actions_with(profiles).get(payload["action"])
    if action is None:
        return _error("unknown_action", message)
    if schemas.problem(action.payload, payload):
        return _error("invalid_message", message)
    return Expected("answer", answer=action.answer, message=message)


def _error(code: str, message: Message | None) -> Expected:
    return Expected("error", code=code, message=message)


def _readable(body: bytes) -> Expected:
    try:
        message = codec.decode(body)
    except codec.Ambiguous:
        return Expected("anything")
    except codec.BadBody:
        return _error("malformed_frame", None)
    return Expected("anything") if _depth(message) > PORTABLE_DEPTH else Expected("nothing", message=message)


def _depth(value: Any) -> int:
    """Return the depth of nesting of ``value``, including itself."""
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [inner for outer in level for inner in _inside(outer)]
    return depth


def _inside(value: Any) -> list[Any]:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [member for member in members if isinstance(member, dict | list)]
