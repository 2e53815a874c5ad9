"""The keywords that the gate can judge, and their subschemas."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import jsonschema_rs

from conformance.gate.schemas.json_pointer import join_pointer
from conformance.protocol.schemas import NAMED

_NESTED = (
    *("additionalProperties", "unevaluatedProperties", "propertyNames", "items", "prefixItems", "unevaluatedItems"),
    *("contains", "allOf", "anyOf", "oneOf", "not", "if", "then", "else"),
)
_PLAIN = (
    *("$ref", "$anchor", "$comment", "title", "description", "examples", "default", "deprecated", "type", "enum"),
    *("const", "required", "dependentRequired", "minProperties", "maxProperties", "minItems", "maxItems"),
    *("uniqueItems", "minContains", "maxContains", "minLength", "maxLength", "pattern", "minimum", "maximum"),
    *("exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
)
_OF_ROOTS = ("$schema", "$id")
_KNOWN = {*NAMED, *_NESTED, *_PLAIN} - {"dependentSchemas"}


def schema_problem(schema: Any) -> str | None:
    """Return why the gate cannot judge a schema, with the place in it, or None if it can."""
    return _problem_of_text(json.dumps(schema))


@lru_cache(maxsize=128)  # most schemas of two versions are equal
def _problem_of_text(text: str) -> str | None:
    schema = json.loads(text)
    if not isinstance(schema.get("$schema", ""), str):
        return f"{json.dumps(schema['$schema'])[:80]} is no name of a dialect (at /$schema)"
    try:
        jsonschema_rs.meta.validate({**schema, "$schema": "https://json-schema.org/draft/2020-12/schema"})
    except jsonschema_rs.ValidationError as error:
        return f"{error.message[:200]} (at {join_pointer(*error.instance_path) or 'the root'})"
    for pointer, each in subschemas(schema):
        for keyword in each:
            if keyword not in _KNOWN and (pointer or keyword not in _OF_ROOTS):
                return f"the gate cannot judge the keyword {keyword} (at {pointer or 'the root'}){_ADVICE}"
        for pattern in [each.get("pattern"), *each.get("patternProperties", {})]:
            if pattern is not None and not _is_pattern(pattern):
                return f"the two validators cannot both read the pattern {pattern!r} (at {pointer or 'the root'})"
    return None


_ADVICE = "; use type, enum, pattern, bounds and similar keywords"


def _is_pattern(pattern: str) -> bool:
    try:
        re.compile(pattern)
        jsonschema_rs.Draft202012Validator({"pattern": pattern})
    except (re.error, ValueError):
        return False
    return True


def subschemas(schema: Any, pointer: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Find a schema and all its subschemas, with their pointers."""
    if isinstance(schema, list):
        for number, each in enumerate(schema):
            yield from subschemas(each, f"{pointer}/{number}")
    elif isinstance(schema, dict):
        yield pointer, schema
        for keyword, value in schema.items():
            inside = f"{pointer}{join_pointer(keyword)}"
            if keyword in NAMED:
                for name, each in value.items():
                    yield from subschemas(each, f"{inside}{join_pointer(name)}")
            elif keyword in _NESTED:
                yield from subschemas(value, inside)
