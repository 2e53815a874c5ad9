"""The published JSON Schemas, compiled.

The server has no other copy of a rule that a schema states.
"""

from __future__ import annotations

import functools
import importlib.resources
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import jsonschema_rs

BASE: Final = "https://ipc-framework.example/schemas/1/"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

# An error names what broke which rule; the value itself may be megabytes, or a secret.
_MASK: Final = "the value"
_LONGEST_EXPLANATION: Final = 300

# What an explanation looks at of an invalid value. Names and strings stay longer than any schema allows (255), so that
# a string that is too long still is. The rest is more than a client that makes a mistake sends.
_LONGEST_STRING: Final = 300
_MOST_MEMBERS: Final = 16
_MOST_LEVELS: Final = 4


@functools.cache
def _registry() -> jsonschema_rs.Registry:
    return jsonschema_rs.Registry([(document["$id"], document) for document in _documents()])


@functools.cache
def _documents() -> list[dict[str, Any]]:
    files = importlib.resources.files("ipc_schemas").iterdir()
    return [json.loads(file.read_text("utf-8")) for file in files if file.name.endswith(".schema.json")]


@functools.cache
def validator(name: str) -> jsonschema_rs.Draft202012Validator:
    """Return the validator of a published schema, compiled without network.

    Args:
        name: A schema such as ``envelope``, or a part of one such as ``common#/$defs/message_id``.
    """
    file, _, part = name.partition("#")
    reference = f"{BASE}{file}.schema.json#{part}"
    schema = {"$schema": DIALECT, "$ref": reference}
    return jsonschema_rs.Draft202012Validator(schema, registry=_registry(), mask=_MASK, offline=True)


def explain(schema: jsonschema_rs.Draft202012Validator, instance: Mapping[str, Any] | object) -> str:
    """Say in one line, of bounded length, which rule of the schema an invalid instance breaks first.

    The work is bounded too, however long the instance is. An error of the library holds copies of parts of what it is
    about, and one value may have very many errors, so the library gets to see an outline only.
    """
    error = next(iter(schema.iter_errors(outline(instance))), None)
    if error is None:
        return "a value breaks a rule, behind the first ones of its array or object"
    where = ".".join(map(str, error.instance_path))
    line = f"{where}: {error.message}" if where else error.message
    return line if len(line) <= _LONGEST_EXPLANATION else line[:_LONGEST_EXPLANATION] + "..."


def outline(value: object, levels: int = _MOST_LEVELS) -> object:
    """Return a value of bounded size that breaks the rules of the published schemas where the given one does.

    The beginnings of long strings, arrays and objects stay, and of objects also every member that a schema names.
    """
    if isinstance(value, str):
        return value[:_LONGEST_STRING]
    if isinstance(value, dict):
        names = dict.fromkeys(itertools.islice(value, _MOST_MEMBERS if levels else 0))
        if levels and len(value) > _MOST_MEMBERS:
            names |= dict.fromkeys(_named_members() & value.keys())
        return {name[:_LONGEST_STRING]: outline(value[name], levels - 1) for name in names}
    if isinstance(value, list):
        return [outline(item, levels - 1) for item in value[: _MOST_MEMBERS if levels else 0]]
    return value


@functools.cache
def _named_members() -> frozenset[str]:
    """Return the names of all members that the published schemas name."""
    return frozenset(name for document in _documents() for name in _names_in(document))


def _names_in(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", ())
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            yield from _names_in(part)


def check(name: str, value: object, what: str) -> None:
    """Raise `ValueError`, which calls the value `what`, when a published schema (as in `validator`) refuses it."""
    schema = validator(name)
    if not schema.is_valid(value):
        raise ValueError(f"{what} {outline(value)!r} is not valid: {explain(schema, value)}")


def check_name(kind: str, name: object) -> None:
    """Raise `ValueError` when a value cannot be a name of that kind, such as `channel_id`."""
    check(f"common#/$defs/{kind}", name, kind)
