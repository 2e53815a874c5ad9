"""All rules of the gate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from difflib import get_close_matches

from conformance.gate.model.findings import Finding, Rule
from conformance.gate.rules import (
    compatibility,
    files,
    members,
    messages,
    openness,
    requirements,
    reserved_names,
    table_rows,
    unexplained,
    vectors,
    versions,
)
from conformance.gate.rules.comparison import Comparison

_MODULES = (
    compatibility,
    members,
    openness,
    files,
    messages,
    table_rows,
    requirements,
    vectors,
    reserved_names,
    unexplained,
    versions,
)
RULES: dict[str, Rule] = {rule.id: rule for module in _MODULES for rule in module.RULES}
"""Every rule by its id."""


def differences(comparison: Comparison, progress: Callable[[str], None]) -> Iterator[Finding]:
    """Find everything that differs, the version aside."""
    found = list(compatibility.check(comparison, progress))
    for module in (members, openness, files, messages, table_rows, requirements, vectors, reserved_names):
        found += module.check(comparison)
    yield from (*found, *unexplained.check(comparison, found))


def rule_named(name: str) -> Rule:
    """Return the rule of that id. Raises ValueError when there is none; the text names the nearest."""
    if name in RULES:
        return RULES[name]
    near = "".join(f"do you mean {each}? " for each in get_close_matches(name.lower(), RULES, 1))
    raise ValueError(f"there is no rule {name!r}; {near}ipc-conformance gate rules lists them")
