"""What a sender may emit and a receiver has to take, by one schema (spec, chapter 19).

A sender sends the members that its version names and no others, unless the schema says that it may add some; so the
sender's view of an object is closed. A receiver ignores members that it does not know, so its view is the schema itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from referencing import Registry, Resource
from referencing.exceptions import Unresolvable

from conformance.gate.release import Release, ReleaseError
from conformance.schemas import SUFFIX, inlined

ALTERNATIVES = ("oneOf", "anyOf")
CONDITIONALS = ("if", "then", "else")


class Views:
    """The schemas of a release by the names that the spec's tables use, such as ``queue-request#/$defs/enqueue``."""

    def __init__(self, release: Release) -> None:
        self._release = release
        resources = [Resource.from_contents(document) for document in release.schemas.values()]
        self._registry: Registry[Any] = Registry().with_resources((str(each.id()), each) for each in resources)

    def receiver(self, reference: str) -> Any:
        """Return what a receiver has to take.

        Raises ReleaseError when there is no such schema, or one that it refers to is missing.
        """
        name, _, pointer = reference.partition("#")
        if name not in self._release.schemas:
            raise ReleaseError(
                f"version {self._release.version}: there is no schemas/{name}{SUFFIX}, and a table names it"
            )
        base = self._release.schemas[name]["$id"]
        try:
            found = self._registry.resolver().lookup(f"{base}#{pointer}")
            return inlined(found.contents, found.resolver)
        except (Unresolvable, KeyError, RecursionError) as error:
            raise ReleaseError(
                f"version {self._release.version}: the schema {reference} cannot be resolved ({error})"
            ) from None

    def sender(self, reference: str) -> Any:
        """Return what a sender may emit; raises as :meth:`receiver`."""
        return closed(self.receiver(reference))


def closed(schema: Any, names: frozenset[str] = frozenset(), *, is_open: bool = False) -> Any:
    """Return a schema without the members that it does not name, where it does not say that a sender may add some.

    Args:
        schema: a schema without references.
        names: names that a schema around it allows in the same object.
        is_open: whether that one says that a sender may add some.
    """
    if not isinstance(schema, dict):
        return schema
    names = names | set(_names(schema))
    is_open = is_open or any("additionalProperties" in part for part in in_place(schema))
    result = _with_closed_values(schema, _described_twice(schema))
    branches = [key for key in ALTERNATIVES if any(_speaks_of_members(each) for each in schema.get(key, []))]
    for key in branches:
        result[key] = [closed(each, names, is_open=is_open) for each in schema[key]]
    if names and not branches and not is_open and not _has_hidden_branches(schema):
        own = result.get("properties", {})
        result["properties"] = {**{name: True for name in sorted(names) if name not in own}, **own}
        result["additionalProperties"] = False
    return result


def in_place(schema: Any) -> Iterator[dict[str, Any]]:
    """Find the schemas that speak about the same value: itself, and what ``allOf`` and conditions apply to it."""
    if isinstance(schema, dict):
        yield schema
        inner = [*schema.get("allOf", []), *(schema[key] for key in CONDITIONALS if key in schema)]
        for each in inner:
            yield from in_place(each)


def _names(schema: Any) -> Iterator[str]:
    return (name for part in in_place(schema) for name in part.get("properties", {}))


def _described_twice(schema: Any) -> set[str]:
    """Find the members that several parts describe as objects; closing each part would allow too little."""
    described = (
        name
        for part in in_place(schema)
        for name, value in part.get("properties", {}).items()
        if _speaks_of_members(value)
    )
    return {name for name, times in Counter(described).items() if times > 1}


def _speaks_of_members(schema: Any) -> bool:
    return any(
        "properties" in part or any(_speaks_of_members(each) for key in ALTERNATIVES for each in part.get(key, []))
        for part in in_place(schema)
    )


def _has_hidden_branches(schema: Any) -> bool:
    """Tell whether a part other than the schema itself has alternatives that speak of members."""
    parts = list(in_place(schema))[1:]
    return any(_speaks_of_members(each) for part in parts for key in ALTERNATIVES for each in part.get(key, []))


def _with_closed_values(schema: dict[str, Any], left: set[str]) -> dict[str, Any]:
    """Close the values inside of the value, and leave the value itself as it is."""
    result = dict(schema)
    if "properties" in schema:
        result["properties"] = {
            name: value if name in left else closed(value) for name, value in schema["properties"].items()
        }
    for key in ("items", "additionalProperties", "contains"):
        if key in schema:
            result[key] = closed(schema[key])
    if "prefixItems" in schema:
        result["prefixItems"] = [closed(each) for each in schema["prefixItems"]]
    if "allOf" in schema:
        result["allOf"] = [
            _with_closed_values(each, left) if isinstance(each, dict) else each for each in schema["allOf"]
        ]
    for key in ("then", "else"):
        if isinstance(schema.get(key), dict):
            result[key] = _with_closed_values(schema[key], left)
    return result
