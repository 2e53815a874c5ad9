"""The vector files: their form, their ids, and the requirements they name."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

MAX_BODY = 65535
SHOULD_REFUSE = {"ENC-011", "ENC-012", "ENC-013"}
EVERY_CODE = {
    "malformed_frame",
    "handshake_required",
    "unauthorized",
    "unsupported_protocol",
    "invalid_message",
    "app_mismatch",
    "forbidden",
    "reserved_channel",
    "already_connected",
    "unknown_action",
    "no_handler",
}
"""What a body alone can cause; the others need a header, a handler, another connection or time."""


def octets(vector: Any) -> bytes:
    body = vector["body"]
    return body["text"].encode("ascii") if "text" in body else bytes.fromhex(body["hex"])


def repeated(values: list[str]) -> list[str]:
    return [value for value, count in Counter(values).items() if count > 1]


def test_file_is_valid(vector_document: Any, validators: Any) -> None:
    assert validators.accept("tools/vectors", vector_document)


def test_vector_is_named_after_its_file(vector_file: str, vector_document: Any) -> None:
    assert [v["id"] for v in vector_document["vectors"] if not v["id"].startswith(f"{vector_file}/")] == []


def test_ids_are_unique(vectors: list[Any]) -> None:
    assert repeated([vector["id"] for vector in vectors]) == []


def test_bodies_are_unique_within_a_file(vector_document: Any) -> None:
    seen = [f"{v['state']} {octets(v)!r} {v.get('connection_id')}" for v in vector_document["vectors"]]
    assert repeated(seen) == []


def test_connection_ids_are_unique(vectors: list[Any]) -> None:
    """Otherwise two vectors that run at the same time take each other's connection over."""
    assert repeated([vector["connection_id"] for vector in vectors if "connection_id" in vector]) == []


def test_body_is_text_exactly_when_it_is_printable_ascii(vectors: list[Any]) -> None:
    for vector in vectors:
        body = octets(vector)
        assert len(body) <= MAX_BODY
        assert ("text" in vector["body"]) == all(0x20 <= octet <= 0x7E for octet in body), vector["id"]
        again = body.decode("ascii") if "text" in vector["body"] else body.hex()
        assert [again] == list(vector["body"].values()), vector["id"]


def test_requirements_exist_and_bind_a_server(vectors: list[Any], requirements: dict[str, str]) -> None:
    for vector in vectors:
        for requirement in vector["requirements"]:
            assert requirements[requirement].startswith("A server "), (vector["id"], requirement)


def test_requirements_of_a_vector_have_one_level(vectors: list[Any], requirements: dict[str, str]) -> None:
    for vector in vectors:
        levels = {"SHOULD" in requirements[requirement] for requirement in vector["requirements"]}
        assert levels == {vector["requirements"][0] in SHOULD_REFUSE}, vector["id"]


def test_every_code_that_a_body_can_cause_is_expected_somewhere(vectors: list[Any]) -> None:
    assert {vector["expect"]["code"] for vector in vectors if vector["expect"]["outcome"] == "error"} == EVERY_CODE


def test_every_answer_is_expected_somewhere(vectors: list[Any], schemas: dict[str, Any]) -> None:
    answers = {vector["expect"]["answer"] for vector in vectors if vector["expect"]["outcome"] == "accepted"}
    assert answers == set(schemas["tools/vectors"]["$defs"]["accepted"]["properties"]["answer"]["enum"])


def test_no_vector_hears_another(vectors: list[Any]) -> None:
    """Vectors may run side by side, so nothing accepted is published where another one subscribes."""
    channels: dict[str, set[str]] = {"publish": set(), "subscribe": set()}
    for vector in vectors:
        if vector["expect"] == {"outcome": "accepted", "answer": "none"}:
            message = json.loads(octets(vector))
            channels.setdefault(message["message_type"], set()).add(message["channel_id"])
    assert channels["publish"]
    assert channels["subscribe"]
    assert channels["publish"].isdisjoint(channels["subscribe"])
