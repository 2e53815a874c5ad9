"""The kit's validator takes a shortcut; what it says is what jsonschema's own validator says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from conformance.protocol import codec, schemas
from conformance.protocol.prepared_validator import PreparedValidator
from conformance.protocol.vectors import load

SCHEMAS = schemas.wire_schemas()


def instances() -> list[Any]:
    """Return the messages of the golden vectors and their payloads, each once."""
    found = {}
    for vector in load():
        try:
            message = codec.decode(vector.body)
        except codec.BadBody:
            continue
        for each in (message, message.get("payload")):
            found[json.dumps(each)] = each
    return list(found.values())


INSTANCES = instances()


@pytest.mark.parametrize("name", SCHEMAS)
def test_shortcut_finds_the_same_errors(name: str) -> None:
    prepared = schemas.validator(name)
    library = Draft202012Validator(prepared.schema)
    assert len(INSTANCES) > 1000
    for instance in INSTANCES[SCHEMAS.index(name) % 4 :: 4]:
        wanted = [(error.json_path, error.message) for error in library.iter_errors(instance)]
        assert [(error.json_path, error.message) for error in prepared.iter_errors(instance)] == wanted


@pytest.mark.parametrize("value", [1, "a", None, {}, {"a": 1}, {"a": "x", "b": True}, [1, 2]])
@pytest.mark.parametrize(
    "schema",
    [
        True,
        False,
        {"properties": {"a": {"type": "string"}, "b": False}},
        {"allOf": [{"type": "object"}, {"required": ["a"]}]},
        {"anyOf": [{"type": "integer"}, {"type": "object", "properties": {"a": {"const": 1}}}]},
        {"oneOf": [{"type": ["integer", "string"]}, {"type": ["integer", "null"]}]},
        {"if": {"type": "object"}, "then": {"required": ["a"]}, "else": {"type": "integer"}},
        {"if": {"type": "object"}, "else": False},
        {"not": {"type": "object"}},
        {"allOf": [{"properties": {"a": True}}], "unevaluatedProperties": False},
    ],
)
def test_each_keyword_says_what_the_library_says(schema: Any, value: Any) -> None:
    wanted = [error.message for error in Draft202012Validator(schema).iter_errors(value)]
    assert [error.message for error in PreparedValidator(schema).iter_errors(value)] == wanted
