"""The kit's oracle says of every golden vector what the vector says."""

from __future__ import annotations

import pytest

from conformance.protocol import oracle
from conformance.protocol.vectors import Vector, load

VECTORS = load()
LEFT_OPEN = {"ENC-011", "ENC-012", "ENC-013"}


@pytest.mark.parametrize("vector", VECTORS, ids=[vector.id for vector in VECTORS])
def test_oracle_agrees_with_vector(vector: Vector) -> None:
    if vector.state == "open":
        profiles = [vector.profile] if vector.profile else []
        said = oracle.later_message(vector.body, "conformance", vector.connection_id or "nobody else", profiles)
    else:
        said = oracle.first_message(vector.body, "the token" if vector.profile == "security" else None)
    if said.outcome == "anything":
        assert LEFT_OPEN & set(vector.requirements) or b"[" * 64 in vector.body
    elif vector.expect["outcome"] == "error":
        assert (said.outcome, said.code) == ("error", vector.expect["code"])
    else:
        answer = vector.expect["answer"]
        assert (said.outcome, said.answer) == (("nothing", "") if answer == "none" else ("answer", answer))


def test_oracle_leaves_open_what_the_responder_does() -> None:
    body = (
        b'{"message_id":"m","app_id":"%s","channel_id":"conformance.echo","message_type":"request","timestamp":1,'
        b'"payload":1}'
    )
    assert oracle.later_message(body % b"conformance", "conformance", "me").outcome == "anything"
    assert oracle.later_message(body % b"other", "other", "me").code == "no_handler"


@pytest.mark.parametrize(("levels", "outcome"), [(64, "answer"), (65, "anything"), (100_000, "anything")])
def test_oracle_leaves_open_what_is_deeper_than_everybody_has_to_read(levels: int, outcome: str) -> None:
    body = (
        b'{"message_id":"m","app_id":"a","channel_id":"system","message_type":"request","timestamp":1,'
        b'"payload":{"action":"ping","deep":' + b"[" * (levels - 2) + b"]" * (levels - 2) + b"}}"
    )
    assert oracle.later_message(body, "a", "me").outcome == outcome


def test_oracle_takes_a_batch_of_queue_requests_for_a_batch() -> None:
    body = (
        b'{"message_id":"m","app_id":"a","channel_id":"queue_manager","message_type":"request","timestamp":1,'
        b'"payload":{"action":"batch_process"%s}}'
    )
    whole, broken = body % b',"requests":[{"payload":1}]', body % b""
    assert oracle.later_message(whole, "a", "me", ["batch", "queue"]).outcome == "anything"
    assert oracle.later_message(broken, "a", "me", ["batch", "queue"]).code == "invalid_message"
    assert oracle.later_message(whole, "a", "me", ["queue"]).code == "unknown_action"
    assert oracle.later_message(broken, "a", "me", ["batch"]).code == "invalid_message"
    assert oracle.later_message(whole, "a", "me", ["batch"]).code == "no_handler"
