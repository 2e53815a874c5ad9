"""The worked session of the introduction: octets, lengths and texts agree, and the schemas allow its messages."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs
import pytest
from worked_session import Frame, frames, section

from conformance.protocol.schemas import BASE, validator

FRAMES = frames()
TITLES = [frame.title for frame in FRAMES]
MALFORMED = "Malformed frame"

# What each message is, more narrowly than "something that this peer may send".
SCHEMAS = {
    "Connect": "connect-message",
    "Acknowledgement": "acknowledgement-message",
    "Subscribe": "subscribe",
    "Ping": "request",
    "Pong": "response",
    "Publish": "publish",
    "Delivery": "publish",
    "Request": "request",
    "Error answer": "error-message",
    "Fatal error": "error-message",
}

each_frame = pytest.mark.parametrize("frame", FRAMES, ids=TITLES)
each_message = pytest.mark.parametrize(
    "frame", [pytest.param(frame, id=frame.title) for frame in FRAMES if frame.title != MALFORMED]
)


@cache
def registry() -> jsonschema_rs.Registry:
    paths = [path for path in files("ipc_schemas").iterdir() if path.name.endswith(".schema.json")]
    schemas = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return jsonschema_rs.Registry([(schema["$id"], schema) for schema in schemas])


def both_accept(schema: str, message: dict[str, Any]) -> bool:
    """Ask two independent validators; they have to agree."""
    verdict = validator(schema).is_valid(message)
    second = jsonschema_rs.validator_for({"$ref": f"{BASE}{schema}.schema.json"}, registry=registry(), offline=True)
    assert second.is_valid(message) == verdict
    return verdict


def test_every_frame_of_the_page_is_read() -> None:
    assert [title for title in TITLES if title != MALFORMED] == list(SCHEMAS)
    assert section().count("```hex") == len(FRAMES)
    assert section().count("\n### ") == len(FRAMES) + 1, "the last step has no frame"


@each_frame
def test_header_states_the_length(frame: Frame) -> None:
    assert frame.header == frame.length.to_bytes(4, "big")
    assert len(frame.body) == frame.length


@each_frame
def test_octets_are_the_text_shown(frame: Frame) -> None:
    assert frame.body == frame.text.encode()


@each_frame
def test_dump_has_lines_of_32_octets(frame: Frame) -> None:
    assert "\n".join(frame.dump) == "\n".join(
        frame.body[start : start + 32].hex(" ") for start in range(0, frame.length, 32)
    )


@each_message
def test_text_is_compact_json(frame: Frame) -> None:
    assert json.dumps(frame.message, ensure_ascii=False, separators=(",", ":")) == frame.text


@each_message
def test_message_is_valid(frame: Frame) -> None:
    assert both_accept("client-message" if frame.by_client else "server-message", frame.message)
    assert both_accept(SCHEMAS[frame.title], frame.message)


def test_malformed_frame_is_not_json() -> None:
    with pytest.raises(json.JSONDecodeError):
        _ = FRAMES[TITLES.index(MALFORMED)].message


def test_answers_name_what_they_answer() -> None:
    messages = {frame.title: frame.message for frame in FRAMES if frame.title != MALFORMED}
    answered = {title: message["reply_to"] for title, message in messages.items() if message["reply_to"]}
    assert answered == {"Pong": messages["Ping"]["message_id"], "Error answer": messages["Request"]["message_id"]}
    assert messages["Delivery"] == messages["Publish"]


def test_time_passes_and_ids_are_not_used_twice() -> None:
    own = [frame.message for frame in FRAMES if frame.title not in (MALFORMED, "Delivery")]
    timestamps = [message["timestamp"] for message in own]
    assert timestamps == sorted(timestamps)
    assert len({message["message_id"] for message in own}) == len(own)


def test_subscriber_names_its_own_connection() -> None:
    names = {title: FRAMES[TITLES.index(title)].message["payload"]["connection_id"] for title in TITLES[:3]}
    assert set(names.values()) == {"alice"}
