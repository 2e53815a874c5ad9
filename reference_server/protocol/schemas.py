"""The published JSON Schemas, compiled.

The server has no other copy of a rule that a schema states.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from collections.abc import Mapping
from typing import Any, Final

import jsonschema_rs

BASE: Final = "https://ipc-framework.example/schemas/1/"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

# An error names what broke which rule; the value itself may be megabytes, or a secret.
_MASK: Final = "the value"
_LONGEST_EXPLANATION: Final = 300


@functools.cache
def _registry() -> jsonschema_rs.Registry:
    files = importlib.resources.files("ipc_schemas").iterdir()
    documents = [json.loads(file.read_text("utf-8")) for file in files if file.name.endswith(".schema.json")]
    return jsonschema_rs.Registry([(document["$id"], document) for document in documents])


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
    """Say in one line, of bounded length, which rule of the schema an invalid instance breaks first."""
    error = next(iter(schema.iter_errors(instance)))
    where = ".".join(map(str, error.instance_path))
    line = f"{where}: {error.message}" if where else error.message
    return line if len(line) <= _LONGEST_EXPLANATION else line[:_LONGEST_EXPLANATION] + "..."


def check(name: str, value: object, what: str) -> None:
    """Raise `ValueError`, which calls the value `what`, when a published schema (as in `validator`) refuses it."""
    schema = validator(name)
    if not schema.is_valid(value):
        raise ValueError(f"{what} {value!r} is not valid: {explain(schema, value)}")


def check_name(kind: str, name: object) -> None:
    """Raise `ValueError` when a value cannot be a name of that kind, such as `channel_id`."""
    check(f"common#/$defs/{kind}", name, kind)
