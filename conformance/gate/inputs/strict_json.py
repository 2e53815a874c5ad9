"""Files read strictly: what two programs may read differently, or the gate cannot judge, is refused with its place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import jsonschema_rs

from conformance.gate.model.release import ReleaseError
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


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8 without a byte order mark. Raises ReleaseError when it is none."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReleaseError(f"{path}: cannot be read ({error})") from None
    if text.startswith("\ufeff"):
        raise ReleaseError(f"{path}:1: begins with a byte order mark; save it without")
    return text


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file. Raises ReleaseError when it is none, or not the same to every parser."""
    return parse_object(read_text(path), str(path))


def parse_object(text: str, name: str) -> dict[str, Any]:
    """Return the object that a JSON text is.

    Args:
        text: the text.
        name: where it is from, for the error.

    Raises:
        ReleaseError: it is no JSON object, names a member twice, or has a number or string that not every parser takes.
    """
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError:
        raise ReleaseError(f"{name}: nested too deep to be read") from None
    except ValueError as error:
        raise ReleaseError(f"{name}: not JSON that every parser reads alike ({error})") from None
    if not isinstance(value, dict):
        raise ReleaseError(f"{name}: not an object")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        twice = next(name for number, (name, _) in enumerate(pairs) if name in dict(pairs[:number]))
        raise ValueError(f"an object has the member {twice!r} twice")
    return members


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def schema_problem(schema: Any) -> str | None:
    """Return why the gate cannot judge a schema, with the place in it, or None when it can."""
    try:
        jsonschema_rs.meta.validate({**schema, "$schema": "https://json-schema.org/draft/2020-12/schema"})
    except jsonschema_rs.ValidationError as error:
        return f"{error.message[:200]} (at {join_pointer(*error.instance_path) or 'the root'})"
    for pointer, each in subschemas(schema):
        for keyword in each:
            if keyword not in _KNOWN and (pointer or keyword not in _OF_ROOTS):
                return f"the keyword {keyword} (at {pointer or 'the root'}) is none that the gate can judge{_ADVICE}"
        for pattern in [each.get("pattern"), *each.get("patternProperties", {})]:
            if pattern is not None and not _is_pattern(pattern):
                return f"the pattern {pattern!r} (at {pointer or 'the root'}) is none that both validators read"
    return None


_ADVICE = "; say it with type, enum, pattern, bounds and the like"


def _is_pattern(pattern: str) -> bool:
    try:
        re.compile(pattern)
        jsonschema_rs.Draft202012Validator({"pattern": pattern})
    except (re.error, ValueError):
        return False
    return True


def subschemas(schema: Any, pointer: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Find a schema and all inside of it, with their pointers."""
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
