"""The published schemas, for the package ``jsonschema``; nothing is downloaded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any

from referencing import Registry, Resource
from referencing._core import Resolver
from referencing.jsonschema import DRAFT202012

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

SUFFIX = ".schema.json"
BASE = "https://ipc-framework.example/schemas/1/"
NAMED = ("properties", "patternProperties", "$defs", "dependentSchemas")
"""Keywords whose values are schemas under freely chosen names."""
_VALUES = ("const", "enum", "default", "examples")
_IDLE = ("$ref", "$id", "$defs", "$schema", "title", "description")
"""Keywords that have no effect on validation after their schema is inlined."""


def problem(schema: str, instance: Any) -> str | None:
    """Return why ``instance`` breaks the schema of that name, or None if it is valid.

    Args:
        schema: file name without ``.schema.json``, such as ``"envelope"`` or ``"tools/results"``, optionally with
            ``#`` and a pointer into it.
        instance: a decoded JSON value.
    """
    error = next(iter(validator(schema).iter_errors(instance)), None)
    if error is None:
        return None
    while error.context:
        error = max(error.context, key=lambda each: len(each.absolute_path))
    place = "/".join(map(str, error.absolute_path)) or "the root"
    return f"{error.message[:300]} (at {place}, schema {schema})"


@cache
def validator(schema: str) -> Validator:
    """Return the validator of a schema by its name, as for :func:`problem`."""
    from conformance.protocol.prepared_validator import PreparedValidator  # noqa: PLC0415 - loads jsonschema

    made: Validator = PreparedValidator(whole(schema))
    return made


def whole(schema: str) -> Any:
    """Return a schema by its name, as for :func:`problem`, without references and texts."""
    name, mark, pointer = schema.partition("#")
    found = _registry().resolver().lookup(f"{BASE}{name}{SUFFIX}{mark}{pointer}")
    return inlined(found.contents, found.resolver)


def document(schema: str) -> dict[str, Any]:
    """Return the content of a schema file by its name, as for :func:`problem`."""
    content: dict[str, Any] = _registry().contents(f"{BASE}{schema}{SUFFIX}")
    return content


def wire_schemas() -> list[str]:
    """Return the names of the wire schemas."""
    found = (file.name for file in files("ipc_schemas").iterdir() if file.name.endswith(SUFFIX))
    return sorted(name.removesuffix(SUFFIX) for name in found)


def inlined(schema: Any, resolver: Resolver[Any]) -> Any:
    """Return ``schema`` with every reference replaced by its target, and without texts.

    Resolving references takes most of the validator's time, and no schema here refers to itself.

    Args:
        schema: a schema, or a part of one.
        resolver: resolves its references.

    Raises:
        referencing.exceptions.Unresolvable: the target of a reference does not exist.
        RecursionError: a schema refers to itself.
    """
    if isinstance(schema, list):
        return [inlined(each, resolver) for each in schema]
    if not isinstance(schema, dict):
        return schema
    rest = {name: _keyword(name, value, resolver) for name, value in schema.items() if name not in _IDLE}
    if "$ref" not in schema:
        return rest
    found = resolver.lookup(schema["$ref"])
    referred = inlined(found.contents, found.resolver)
    return rest | {"allOf": [referred, *rest.get("allOf", [])]} if rest else referred


def _keyword(name: str, value: Any, resolver: Resolver[Any]) -> Any:
    if name in _VALUES:
        return value
    if name in NAMED:
        return {key: inlined(each, resolver) for key, each in value.items()}
    return inlined(value, resolver)


def use(documents: Mapping[str, Any]) -> None:
    """Replace published schemas, or add schemas, for the rest of this process.

    Args:
        documents: the schemas by name.

    Raises:
        ValueError: one of them has no ``$id``.
    """
    for name, document in documents.items():
        if not isinstance(document.get("$id"), str):
            raise ValueError(f"the schema {name} has no $id")
    _overlaid.update(documents)
    _registry.cache_clear()
    validator.cache_clear()


_overlaid: dict[str, Any] = {}


@cache
def _registry() -> Registry[Any]:
    published = (json.loads(file.read_text("utf-8")) for file in _schema_files())
    documents = (*published, *_overlaid.values())
    return Registry().with_resources((document["$id"], resource(document)) for document in documents)


def resource(document: Any) -> Resource[Any]:
    """Return a schema as a resource for a registry; the default dialect is 2020-12."""
    return Resource.from_contents(document, default_specification=DRAFT202012)


def _schema_files() -> Iterator[Traversable]:
    folder = files("ipc_schemas")
    for place in (folder, folder / "tools"):
        yield from (file for file in place.iterdir() if file.name.endswith(SUFFIX))
