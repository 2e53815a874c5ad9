"""Every vector's expectation, found a second time: strict JSON, the schemas, and the precedence list (ERR-011)."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import pytest

APPLICATION = "conformance"
NO_APPLICATION = "system"
TOKEN = "the token of the server"  # noqa: S105 - of no server
CONNECTION = "a fresh connection_id of the runner"
ANSWERS = {"ping": "pong", "get_time": "time"}
ANSWERS_OF = {"discovery": {"list_services": "services", "get_service_instances": "service-instances"}}
RESERVED_BY = {"discovery": ("service_discovery", "service_instances"), "queue": ("queue_manager", "queue:")}
QUEUE_ANSWERS = {"enqueue": "queue-ok", "dequeue": "queue-jobs", "get_queue_stats": "queue-stats"}
QUEUE_ACTIONS = {*QUEUE_ANSWERS, "job_completed", "job_failed", "retry_job"}


@dataclass(frozen=True)
class Verdict:
    """What becomes of a body: an error with the requirement that decides it, or an answer."""

    code: str | None = None
    rule: str | None = None
    answer: str = "none"


class MalformedError(Exception):
    """The body is no message; the argument is the requirement that says so."""


def decode(vector: Any) -> dict[str, Any]:
    """Return the message that a body encodes, or raise :exc:`MalformedError`: stages 2 to 4."""
    body = vector["body"]
    octets = body["text"].encode() if "text" in body else bytes.fromhex(body["hex"])
    if not octets:
        raise MalformedError("ENC-006")
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedError("ENC-004") from None
    doubts: list[str] = []
    root = parse(text, doubts)
    if not isinstance(root, dict):
        raise MalformedError("ENC-007")
    if doubts:
        raise MalformedError(doubts[0])
    return root


def parse(text: str, doubts: list[str]) -> Any:
    """Return the value of a JSON text; add the requirement of each break of I-JSON to ``doubts``."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(pairs) != len(dict(pairs)):
            doubts.append("ENC-013")
        return dict(pairs)

    def number(digits: str) -> float | int:
        if not math.isfinite(float(digits)):
            doubts.append("ENC-012")
            return 0
        return float(digits) if set(digits) & set(".eE") else int(digits)

    def literal(name: str) -> Any:
        raise ValueError(name)

    try:
        root = json.loads(text, object_pairs_hook=members, parse_float=number, parse_int=number, parse_constant=literal)
    except ValueError:
        raise MalformedError("ENC-005") from None
    if any("\ud800" <= character <= "\udfff" for character in json.dumps(root, ensure_ascii=False)):
        doubts.append("ENC-011")
    return root


def judge_first(message: Any, own: str, validators: Any, profile: str | None) -> Verdict:
    """Stage 5: before the handshake."""
    if not validators.accept("connect-message", message):
        return Verdict("handshake_required", "HSK-013")
    if profile == "security" and message["payload"].get("token") != TOKEN:
        return Verdict("unauthorized", "SEC-002")
    if message["payload"].get("protocol", "1.0").partition(".")[0] != "1":
        return Verdict("unsupported_protocol", "HSK-014")
    assert message["payload"]["connection_id"] == own, "the vector does not name the connection it makes"
    return Verdict(answer="acknowledgement")


def broken_payload_rule(message: Any, profile: str | None, validators: Any) -> str | None:
    """Return the requirement that a payload breaks by its type, channel or profile: the first part of stage 9."""
    kind, channel, payload = message["message_type"], message["channel_id"], message["payload"]
    if not validators.accept(kind, message):
        return "SYS-001" if kind == "request" else "SUB-002"
    is_batch = kind == "request" and channel != "system" and isinstance(payload, dict)
    if profile == "batch" and is_batch and payload.get("action") == "batch_process":
        return None if validators.accept("batch-request", payload) else "BAT-001"
    if profile == "discovery" and kind == "request" and channel == "system":
        asks = payload["action"] == "get_service_instances"
        return "DSC-003" if asks and not validators.accept("service-instances-request", payload) else None
    if profile == "queue" and kind == "request" and channel == "queue_manager" and not is_unknown(payload):
        return None if validators.accept("queue-request", payload) else "QUE-001"
    return None


def is_unknown(payload: Any) -> bool:
    """Tell whether a request on queue_manager has an action that the profile queue does not have."""
    action = payload.get("action") if isinstance(payload, dict) else None
    return isinstance(action, str) and action not in QUEUE_ACTIONS


def is_reserved(channel: str, profile: str | None) -> bool:
    """Tell whether only the server publishes on a channel; a name with a colon stands for all that begin so."""
    names = ("system", *RESERVED_BY.get(profile or "", ()))
    return any(channel == name or (name.endswith(":") and channel.startswith(name)) for name in names)


def judge(message: Any, own: str, validators: Any, profile: str | None = None) -> Verdict:
    """Stages 6 to 10: on an open connection."""
    if not validators.accept("envelope", message):
        return Verdict("invalid_message", "ENV-005")
    kind = message["message_type"]
    if kind == "response":
        return Verdict()
    if message["app_id"] != APPLICATION:
        return Verdict("app_mismatch", "ISO-001")
    if rule := broken_payload_rule(message, profile, validators):
        return Verdict("invalid_message", rule)
    if kind.endswith("subscribe"):
        return Verdict() if message["payload"]["connection_id"] == own else Verdict("forbidden", "SUB-003")
    return judge_channel(kind, message, profile)


def judge_channel(kind: str, message: Any, profile: str | None) -> Verdict:
    """Stage 10: reserved, then the action, then the handler, of which there is none."""
    if kind == "publish":
        return Verdict("reserved_channel", "ISO-004") if is_reserved(message["channel_id"], profile) else Verdict()
    if kind == "notification":
        return Verdict()
    if message["channel_id"] == "queue_manager" and profile == "queue":
        answer = QUEUE_ANSWERS.get(message["payload"]["action"])
        return Verdict(answer=answer) if answer else Verdict("unknown_action", "QUE-002")
    if message["channel_id"] != "system":
        return Verdict("no_handler", "REQ-012")
    if message["payload"]["action"] == "connect":
        return Verdict("already_connected", "HSK-019")
    answer = (ANSWERS | ANSWERS_OF.get(profile or "", {})).get(message["payload"]["action"])
    return Verdict(answer=answer) if answer else Verdict("unknown_action", "SYS-002")


def verdict_of(vector: Any, validators: Any) -> tuple[Verdict, Any]:
    """Return what becomes of the vector's body, and the message in it (an empty one when there is none)."""
    try:
        message = decode(vector)
    except MalformedError as malformed:
        return Verdict("malformed_frame", str(malformed)), {}
    own = vector.get("connection_id", CONNECTION)
    if vector["state"] == "awaiting_connect":
        return judge_first(message, own, validators, vector.get("profile")), message
    return judge(message, own, validators, vector.get("profile")), message


def address(message: Any, validators: Any) -> dict[str, Any]:
    """Return where an error answer to the message points (ERR-002, ERR-003)."""

    def readable(member: str) -> bool:
        return member in message and validators.accept("common", message[member], fragment=f"#/$defs/{member}")

    if not readable("message_id"):
        return {"reply_to": None, "channel_id": "system"}
    return {
        "reply_to": message["message_id"],
        "channel_id": message["channel_id"] if readable("channel_id") else "system",
    }


def test_expectation_follows_from_the_specification(vector: Any, validators: Any, fatal_codes: frozenset[str]) -> None:
    verdict, message = verdict_of(vector, validators)
    if verdict.code is None:
        assert vector["expect"] == {"outcome": "accepted", "answer": verdict.answer}
        return
    assert vector["expect"] == {
        "outcome": "error",
        "code": verdict.code,
        "fatal": verdict.code in fatal_codes,
        "app_id": NO_APPLICATION if vector["state"] == "awaiting_connect" else APPLICATION,
        **address(message, validators),
    }
    assert vector["requirements"][0] == verdict.rule


@pytest.mark.parametrize("topic", ["precedence", "subscriptions", "system"])
def test_schema_of_client_messages_draws_the_same_line(topic: str, vectors: list[Any], validators: Any) -> None:
    """The topics are those in which payload rules decide."""
    for vector in vectors:
        if vector["state"] == "awaiting_connect" or not vector["id"].startswith(f"{topic}/"):
            continue
        verdict, message = verdict_of(vector, validators)
        if verdict.code not in {"malformed_frame", "app_mismatch"}:
            assert validators.accept("client-message", message) is (verdict.code != "invalid_message"), vector["id"]
