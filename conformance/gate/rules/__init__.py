"""All rules of the gate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from difflib import get_close_matches

from conformance.gate.model.findings import Finding, Rule
from conformance.gate.rules import (
    compatibility,
    descriptions,
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

_MODULES = (members, openness, files, messages, table_rows, descriptions, requirements, vectors, reserved_names)
"""The modules whose rules need nothing but the comparison; a new module of rules is one of them."""
RULES: dict[str, Rule] = {
    rule.id: rule for module in (compatibility, *_MODULES, unexplained, versions) for rule in module.RULES
}
"""Every rule by its id."""


def differences(comparison: Comparison, progress: Callable[[str], None]) -> Iterator[Finding]:
    """Find all differences except that of the version."""
    found = list(compatibility.check(comparison, progress))
    for module in _MODULES:
        found += module.check(comparison)
    yield from (*found, *unexplained.check(comparison, found))


def rule_named(name: str) -> Rule:
    """Return the rule with that id. Raises ValueError if there is none; the message names the most similar ids."""
    if name in RULES:
        return RULES[name]
    near = "".join(f"did you mean {each}? " for each in get_close_matches(name.lower(), RULES, 1))
    raise ValueError(f"there is no rule {name!r}; {near}ipc-conformance gate rules lists them")
