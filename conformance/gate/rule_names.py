"""Rules by the names that people write."""

from __future__ import annotations

from difflib import get_close_matches

from conformance.gate.model.findings import Rule
from conformance.gate.rules import RULES


def rule_named(name: str) -> Rule:
    """Return the rule of that id. Raises ValueError when there is none; the text names the nearest."""
    if name in RULES:
        return RULES[name]
    near = "".join(f"do you mean {each}? " for each in get_close_matches(name.lower(), RULES, 1))
    raise ValueError(f"there is no rule {name!r}; {near}ipc-conformance gate rules lists them")
