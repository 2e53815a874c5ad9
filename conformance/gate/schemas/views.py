"""The messages that a sender may send and a receiver must accept under a schema (spec, chapter 19).

A sender sends only the members that its version names, unless the schema says that it may add some; so its view of an
object is closed. A receiver ignores members that it does not know, so its view is the schema itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Self

from referencing import Registry
from referencing.exceptions import Unresolvable

from conformance.gate.model.release import Release, ReleaseError
from conformance.gate.model.version import Version
from conformance.gate.schemas.keywords import schema_problem
from conformance.gate.schemas.references import is_recursive, reachable
from conformance.protocol.schemas import SUFFIX, inlined, resource

ALTERNATIVES = ("oneOf", "anyOf")
CONDITIONALS = ("if", "then", "else")


class Views:
    """The schemas of a release by the names that the spec's tables use, such as ``queue-request#/$defs/enqueue``.

    Never change a schema that it returns: releases with equal schemas share it.
    """

    def __init__(self, version: Version, schemas: Mapping[str, Any]) -> None:
        for name, document in schemas.items():
            wrong = schema_problem(document)
            if wrong:
                raise ReleaseError(f"version {version}: schemas/{name}{SUFFIX}: {wrong}")
        self._version, self._schemas = version, schemas
        self._receivers: dict[str, Any] = {}
        self._reachable: dict[str, list[str]] = {}
        self._registry: Registry[Any] = Registry().with_resources(
            (document["$id"], resource(document)) for document in schemas.values()
        )

    @classmethod
    def of(cls, release: Release) -> Self:
        """Return the views of a release. Raises ReleaseError if the gate cannot judge one of its schemas."""
        return cls._of_text(release.version, json.dumps(release.schemas))

    @classmethod
    @lru_cache(maxsize=4)  # the two sides of a comparison, each with what a tree was read for before
    def _of_text(cls, version: Version, schemas: str) -> Self:
        return cls(version, json.loads(schemas))

    def receiver(self, reference: str) -> Any:
        """Return the schema of the values that a receiver must accept.

        Raises ReleaseError if there is no such schema, or if it refers to itself or to a missing schema.
        """
        if reference not in self._receivers:
            self._receivers[reference] = self._resolved(reference)
        return self._receivers[reference]

    def _resolved(self, reference: str) -> Any:
        name, _, pointer = reference.partition("#")
        if name not in self._schemas:
            raise ReleaseError(f"version {self._version} has no schemas/{name}{SUFFIX}")
        base = self._schemas[name]["$id"]
        recursive = f"schemas/{name}{SUFFIX}: refers to itself; the gate cannot compare such a schema"
        if is_recursive(self._schemas, reference):  # a library panics in a deep recursion
            raise ReleaseError(recursive)
        try:
            found = self._registry.resolver().lookup(f"{base}#{pointer}")
            return inlined(found.contents, found.resolver)
        except Unresolvable as error:
            raise ReleaseError(f"schemas/{name}{SUFFIX}: a reference leads nowhere: {error.ref}") from None
        except RecursionError:
            raise ReleaseError(recursive) from None

    def document(self, name: str) -> Any:
        """Return a schema as in its file."""
        return self._schemas[name]

    def reachable(self, reference: str) -> list[str]:
        """Return the schema of that name and all schemas that it refers to, as names with pointers."""
        if reference not in self._reachable:
            self._reachable[reference] = reachable(self._schemas, reference)
        return self._reachable[reference]


def closed(schema: Any, beside: Sequence[Any] = ()) -> Any:
    """Close a schema: forbid members that nothing names, unless it says that a sender may add some.

    Args:
        schema: a schema without references.
        beside: further schemas that apply to the same value; what they name is named.
    """
    if not isinstance(schema, dict):
        return schema
    whole = [part for each in (schema, *beside) for part in in_place(each)]
    result = _with_closed_values(schema, whole)
    names = sorted({name for part in whole for name in part.get("properties", {})})
    if names and not _is_open(whole) and not any(_alternatives(part) for part in in_place(schema)):
        own = result.get("properties", {})
        result["properties"] = {**{name: True for name in names if name not in own}, **own}
        result["additionalProperties"] = False
    return result


def in_place(schema: Any) -> Iterator[dict[str, Any]]:
    """Find the schemas that apply to the same value: itself, and those in ``allOf`` and conditions."""
    if isinstance(schema, dict):
        yield schema
        for each in [*schema.get("allOf", []), *(schema[key] for key in CONDITIONALS if key in schema)]:
            yield from in_place(each)


def parts_of(schema: Any) -> Iterator[dict[str, Any]]:
    """Find the schemas that may apply to a value: itself, those that apply to it, and its alternatives."""
    for part in in_place(schema):
        yield part
        for key in ALTERNATIVES:
            for each in part.get(key, []):
                yield from parts_of(each)


def _is_open(parts: list[dict[str, Any]]) -> bool:
    """Return true if each part that names members also says whether others are allowed."""
    return all("additionalProperties" in part for part in parts if "properties" in part)


def _alternatives(schema: dict[str, Any]) -> list[str]:
    """Return the keywords whose alternatives differ in their members; each alternative is then closed separately."""
    return [key for key in ALTERNATIVES if any(_speaks_of_members(each) for each in schema.get(key, []))]


def _speaks_of_members(schema: Any) -> bool:
    return any("properties" in part or _alternatives(part) for part in in_place(schema))


def _with_closed_values(schema: Any, whole: list[dict[str, Any]]) -> Any:
    """Close the values inside a value, but not the value itself.

    Args:
        schema: one of the schemas that apply to the value.
        whole: all of them.
    """
    if not isinstance(schema, dict):
        return schema
    result = dict(schema)
    if "properties" in schema:
        result["properties"] = {
            name: closed(value, [other for other in _definitions(whole, name) if other is not value])
            for name, value in schema["properties"].items()
        }
    for key in ("items", "additionalProperties", "contains"):
        if key in schema:
            result[key] = closed(schema[key])
    if "prefixItems" in schema:
        result["prefixItems"] = [closed(each) for each in schema["prefixItems"]]
    if "allOf" in schema:
        result["allOf"] = [_with_closed_values(each, whole) for each in schema["allOf"]]
    for key in ("then", "else"):
        if key in schema:
            result[key] = _with_closed_values(schema[key], whole)
    for key in _alternatives(schema):
        others = {"properties": dict.fromkeys(_named(schema[key]), True), "additionalProperties": True}
        beside = [*whole, others]
        result[key] = [closed(each, beside) for each in schema[key]]
    return result


def _named(alternatives: list[Any]) -> set[str]:
    """Return the members of all alternatives; a sender of one may add the members of another."""
    parts = [part for each in alternatives for part in in_place(each)]
    deeper = {name for part in parts for key in _alternatives(part) for name in _named(part[key])}
    return deeper | {name for part in parts for name in part.get("properties", {})}


def _definitions(parts: list[dict[str, Any]], name: str) -> list[Any]:
    return [part["properties"][name] for part in parts if name in part.get("properties", {})]
