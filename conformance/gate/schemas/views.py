"""What a sender may emit and a receiver has to take, by one schema (spec, chapter 19).

A sender sends the members that its version names and no others, unless the schema says that it may add some; so its
view of an object is closed. A receiver ignores members that it does not know, so its view is the schema itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from referencing import Registry
from referencing.exceptions import Unresolvable

from conformance.gate.model.release import Release, ReleaseError
from conformance.gate.schemas.keywords import schema_problem
from conformance.protocol.schemas import SUFFIX, inlined, resource

ALTERNATIVES = ("oneOf", "anyOf")
CONDITIONALS = ("if", "then", "else")


class Views:
    """The schemas of a release by the names that the spec's tables use, such as ``queue-request#/$defs/enqueue``."""

    def __init__(self, release: Release) -> None:
        for name, document in release.schemas.items():
            wrong = schema_problem(document)
            if wrong:
                raise ReleaseError(f"version {release.version}: schemas/{name}{SUFFIX}: {wrong}")
        self._release = release
        self._receivers: dict[str, Any] = {}
        self._registry: Registry[Any] = Registry().with_resources(
            (document["$id"], resource(document)) for document in release.schemas.values()
        )

    def receiver(self, reference: str) -> Any:
        """Return what a receiver has to take.

        Raises ReleaseError when there is no such schema, or what it refers to is missing or is itself.
        """
        if reference not in self._receivers:
            self._receivers[reference] = self._resolved(reference)
        return self._receivers[reference]

    def _resolved(self, reference: str) -> Any:
        name, _, pointer = reference.partition("#")
        if name not in self._release.schemas:
            raise ReleaseError(f"version {self._release.version} has no schemas/{name}{SUFFIX}")
        base = self._release.schemas[name]["$id"]
        try:
            found = self._registry.resolver().lookup(f"{base}#{pointer}")
            return inlined(found.contents, found.resolver)
        except Unresolvable as error:
            raise ReleaseError(f"schemas/{name}{SUFFIX}: a reference leads nowhere: {error.ref}") from None
        except RecursionError:
            raise ReleaseError(f"schemas/{name}{SUFFIX}: refers to itself, which no schema here may") from None

    def document(self, name: str) -> Any:
        """Return a schema as its file has it."""
        return self._release.schemas[name]


def closed(schema: Any, beside: Sequence[Any] = ()) -> Any:
    """Return a schema without the members that nothing names, where it does not say that a sender may add some.

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
    """Find the schemas that speak about the same value: itself, and what ``allOf`` and conditions apply to it."""
    if isinstance(schema, dict):
        yield schema
        for each in [*schema.get("allOf", []), *(schema[key] for key in CONDITIONALS if key in schema)]:
            yield from in_place(each)


def parts_of(schema: Any) -> Iterator[dict[str, Any]]:
    """Find the schemas that may speak about a value: itself, what applies to it, and what alternatives offer."""
    for part in in_place(schema):
        yield part
        for key in ALTERNATIVES:
            for each in part.get(key, []):
                yield from parts_of(each)


def _is_open(parts: list[dict[str, Any]]) -> bool:
    """Tell whether each part that speaks of members says whether there may be others."""
    return all("additionalProperties" in part for part in parts if "properties" in part)


def _alternatives(schema: dict[str, Any]) -> list[str]:
    """Return the keywords with alternatives that differ in their members; each is then closed by itself."""
    return [key for key in ALTERNATIVES if any(_speaks_of_members(each) for each in schema.get(key, []))]


def _speaks_of_members(schema: Any) -> bool:
    return any("properties" in part or _alternatives(part) for part in in_place(schema))


def _with_closed_values(schema: Any, whole: list[dict[str, Any]]) -> Any:
    """Close the values inside of a value, and leave the value itself as it is.

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
    """Return what alternatives name together; who sends one of them may add what another one names."""
    parts = [part for each in alternatives for part in in_place(each)]
    deeper = {name for part in parts for key in _alternatives(part) for name in _named(part[key])}
    return deeper | {name for part in parts for name in part.get("properties", {})}


def _definitions(parts: list[dict[str, Any]], name: str) -> list[Any]:
    return [part["properties"][name] for part in parts if name in part.get("properties", {})]
