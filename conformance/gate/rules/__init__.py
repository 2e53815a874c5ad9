"""All rules of the gate."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from conformance.gate.finding import Finding, Rule
from conformance.gate.pair import Pair
from conformance.gate.rules import (
    facts,
    files,
    members,
    messages,
    names,
    openness,
    requirements,
    rest,
    shapes,
    vectors,
    versions,
)

_MODULES = (shapes, members, openness, files, messages, facts, requirements, vectors, names, rest, versions)
RULES: dict[str, Rule] = {rule.id: rule for module in _MODULES for rule in module.RULES}
"""Every rule by its id."""


def differences(pair: Pair, progress: Callable[[str], None]) -> Iterator[Finding]:
    """Find everything that differs, the version aside."""
    found = list(shapes.check(pair, progress))
    for module in (members, openness, files, messages, facts, requirements, vectors, names):
        found += module.check(pair)
    yield from (*found, *rest.check(pair, found))
