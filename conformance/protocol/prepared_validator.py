"""jsonschema's validator with subschemas that are prepared once.

The library makes a new validator for each subschema of each value, which takes most of its time. Here a valid value is
judged by validators that are kept. An invalid one goes to the library's own keywords, which explain what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

_LIBRARY = Draft202012Validator.VALIDATORS
_prepared: dict[int, Any] = {}
"""Validators by the identity of their schemas, which they keep alive."""


def _is_valid(value: Any, schema: Any) -> bool:
    found = _prepared.get(id(schema))
    if found is None:
        found = _prepared[id(schema)] = PreparedValidator(schema)
    return next(found.iter_errors(value), None) is None


def _properties(validator: Any, properties: Mapping[str, Any], instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    if not all(_is_valid(instance[name], each) for name, each in properties.items() if name in instance):
        yield from _LIBRARY["properties"](validator, properties, instance, schema)


def _all_of(validator: Any, subschemas: Sequence[Any], instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not all(_is_valid(instance, each) for each in subschemas):
        yield from _LIBRARY["allOf"](validator, subschemas, instance, schema)


def _any_of(validator: Any, subschemas: Sequence[Any], instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not any(_is_valid(instance, each) for each in subschemas):
        yield from _LIBRARY["anyOf"](validator, subschemas, instance, schema)


def _one_of(validator: Any, subschemas: Sequence[Any], instance: Any, schema: Any) -> Iterator[ValidationError]:
    if sum(_is_valid(instance, each) for each in subschemas) != 1:
        yield from _LIBRARY["oneOf"](validator, subschemas, instance, schema)


def _if(validator: Any, condition: Any, instance: Any, schema: Mapping[str, Any]) -> Iterator[ValidationError]:
    consequence = "then" if _is_valid(instance, condition) else "else"
    if not _is_valid(instance, schema.get(consequence, True)):
        yield from _LIBRARY["if"](validator, condition, instance, schema)


def _not(validator: Any, subschema: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if _is_valid(instance, subschema):
        yield from _LIBRARY["not"](validator, subschema, instance, schema)


_extend: Any = extend  # its types are not in every release of the library's stubs
PreparedValidator: Any = _extend(
    Draft202012Validator,
    {"properties": _properties, "allOf": _all_of, "anyOf": _any_of, "oneOf": _one_of, "if": _if, "not": _not},
)
"""A validator of schemas without references, such as :func:`conformance.protocol.schemas.inlined` makes them."""
