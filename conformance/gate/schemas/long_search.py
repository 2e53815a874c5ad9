"""The long search for a value, by Hypothesis, which takes long to import: import this module when it is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from conformance.gate.schemas.pattern_strings import QUICK, nothing_left
from conformance.gate.schemas.witness_search import all_of, branches, samples

_THOROUGH = settings(QUICK, phases=[Phase.generate, Phase.shrink])


def values_of(schema: Any, is_wanted: Callable[[Any], bool], examples: int) -> list[Any]:
    """Return the smallest wanted value near the edges of a schema, or nothing if so many examples show none."""
    with nothing_left():
        try:
            return [find(_strategy(schema), is_wanted, settings=settings(_THOROUGH, max_examples=examples))]
        except HypothesisException:
            return []


def _strategy(schema: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for values near the edges of a schema, with several members of an object at their edges."""
    ways = [_of_parts(parts) for parts in branches(schema)]
    return st.one_of([*ways, st.sampled_from(samples(schema) or [None])])


def _of_parts(parts: list[dict[str, Any]]) -> st.SearchStrategy[Any]:
    named: dict[str, list[Any]] = {}
    for part in parts:
        for name, value in part.get("properties", {}).items():
            named.setdefault(name, []).append(value)
    required = {name for part in parts for name in part.get("required", [])}
    if named:
        members = {name: _strategy(all_of(values)) for name, values in named.items()}
        needed = {name: members.get(name, st.none()) for name in required}
        return st.fixed_dictionaries(
            needed, optional={name: each for name, each in members.items() if name not in required}
        )
    items = [part["items"] for part in parts if "items" in part]
    if items:
        return st.lists(_strategy(all_of(items)), max_size=5)
    return st.sampled_from(samples(all_of(parts)) or [None])
