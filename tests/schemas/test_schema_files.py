"""The schema files: 2020-12, offline, and within what the regular expressions of every language share."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import jsonschema_rs
import pytest
from jsonschema import Draft202012Validator
from subschemas import subschemas

BASE = "https://ipc-framework.example/schemas/1/"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
ANNOTATIONS = {"$schema", "$id", "$defs", "$comment", "title", "description", "default", "examples", "deprecated"}
KEYWORDS = {*Draft202012Validator.VALIDATORS, "then", "else", *ANNOTATIONS}
UNPORTABLE = re.compile(r"\\[dDwWsSbBzZA]|\$|\(\?")
"""Classes that mean ASCII here and Unicode there, the end before a line break, and groups that RE2 lacks."""


def test_schema_is_valid_under_its_dialect(schema: Any) -> None:
    assert schema["$schema"] == DIALECT
    Draft202012Validator.check_schema(schema)
    jsonschema_rs.meta.validate(schema)


def test_schema_is_identified_by_its_path(schema: Any, schema_name: str) -> None:
    assert schema["$id"] == f"{BASE}{schema_name}.schema.json"


def test_schema_says_what_it_is_for(schema: Any) -> None:
    assert schema["title"]
    assert schema["description"]


def test_schema_has_no_misspelt_keyword(schema: Any) -> None:
    assert {key for inner in subschemas(schema) for key in inner} <= KEYWORDS


def test_references_resolve_offline(schema: Any, validators: Any) -> None:
    resolver = validators.registry.resolver(base_uri=schema["$id"])
    for inner in subschemas(schema):
        if "$ref" in inner:
            assert isinstance(resolver.lookup(inner["$ref"]).contents, dict)


def test_both_validators_take_the_schema(schema_name: str, validators: Any) -> None:
    python, rust = validators.pair(f"{schema_name}.schema.json")
    assert python.is_valid({}) == rust.is_valid({})


def test_patterns_mean_the_same_in_every_language(schema: Any) -> None:
    patterns = [inner["pattern"] for inner in subschemas(schema) if "pattern" in inner]
    assert not [pattern for pattern in patterns if UNPORTABLE.search(pattern)]


@pytest.mark.parametrize("pattern", [r"\d", r"a\w", "a$", "(?=a)", r"\s+"])
def test_unportable_pattern_is_noticed(pattern: str) -> None:
    assert UNPORTABLE.search(pattern)


def test_error_codes_are_those_of_the_specification(schemas: dict[str, Any]) -> None:
    chapter = (files("ipc_spec") / "09-errors.md").read_text("utf-8")
    table = re.findall(r"^\| `(\w+)` \| (yes|no) \|", chapter, re.MULTILINE)
    fatal, other = (branch["enum"] for branch in schemas["error-code"]["oneOf"])
    assert table == [(code, "yes") for code in fatal] + [(code, "no") for code in other]
