"""The golden vectors: each promises an outcome for a sequence of octets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from conformance.gate.model.findings import BOTH, NOBODY, Finding, Rule
from conformance.gate.model.release import Release
from conformance.gate.model.version import Step
from conformance.gate.rules.comparison import Comparison
from conformance.protocol.codec import BadBody, decode, same, shorten

VECTOR_EDITED = Rule(
    "vector-edited",
    BOTH,
    Step.NEVER,
    "a vector sends something else under the same name",
    "Restore the vector, and give the new one its own name.",
)
VECTOR_VERDICT_FLIPPED = Rule(
    "vector-verdict-flipped",
    BOTH,
    Step.NEVER,
    "a vector has another outcome under the same name",
    "Restore the outcome. If a major version needs another one, delete the vector and add one with another name.",
)
VECTOR_DELETED = Rule(
    "vector-deleted",
    BOTH,
    Step.MAJOR,
    "a vector is gone",
    "Restore it; it shows what was promised.",
)
VECTOR_CONTRADICTED = Rule(
    "vector-contradicted",
    BOTH,
    Step.MAJOR,
    "a new vector expects another outcome for octets that already have one",
    "Find out which is right; one body in one state has one outcome.",
)
VECTOR_ADDED = Rule(
    "vector-added",
    NOBODY,
    Step.PATCH,
    "a vector is new",
    "Raise the patch version. The vector shows an existing rule.",
)
VECTOR_REWORDED = Rule(
    "vector-reworded",
    NOBODY,
    Step.PATCH,
    "a vector is described differently, or names other requirements",
    "Raise the patch version. Body and outcome are unchanged.",
)
RULES = (VECTOR_EDITED, VECTOR_VERDICT_FLIPPED, VECTOR_DELETED, VECTOR_CONTRADICTED, VECTOR_ADDED, VECTOR_REWORDED)

_LEVELS = {True: "a duty", False: "a recommendation"}
_SITUATION = ("body", "state", "profile", "connection_id")


def check(comparison: Comparison) -> Iterator[Finding]:
    """Compare the vectors by their names."""
    for id_, old in comparison.old.vectors.items():
        new, pointer = comparison.new.vectors.get(id_), f"vectors/{id_}"
        if new is None:
            yield Finding(VECTOR_DELETED, pointer, f"{id_} was removed", before=shorten(old))
        elif id_ in comparison.changed_vectors:
            yield from _kept(pointer, old, new)
            was, is_ = (_binds(release, each) for release, each in ((comparison.old, old), (comparison.new, new)))
            if was != is_:
                what = f"{id_} showed {_LEVELS[was]}, and shows {_LEVELS[is_]}"
                yield Finding(VECTOR_VERDICT_FLIPPED, pointer, what)
    added = [new for id_, new in comparison.new.vectors.items() if id_ not in comparison.old.vectors]
    known = {_meaning(vector): vector for vector in comparison.old.vectors.values()} if added else {}
    for new in added:
        yield _added(new, known.get(_meaning(new)))


def _binds(release: Release, vector: Any) -> bool:
    """Return true if a deviation from a vector is a failure, and false if it is a warning."""
    return any(release.requirements[id_].is_must for id_ in vector["requirements"] if id_ in release.requirements)


def _kept(pointer: str, old: Any, new: Any) -> Iterator[Finding]:
    if _octets(old) != _octets(new) or _situation(old)[1:] != _situation(new)[1:]:
        parts = [{name: vector.get(name) for name in _SITUATION} for vector in (old, new)]
        before, after = map(shorten, parts)
        yield Finding(VECTOR_EDITED, pointer, f"{new['id']} sends something else", before, after)
    if not same(old["expect"], new["expect"]):
        before, after = (shorten(vector["expect"]) for vector in (old, new))
        yield Finding(VECTOR_VERDICT_FLIPPED, pointer, f"{new['id']} has another outcome", before, after)
    if any(old[name] != new[name] for name in ("description", "requirements")):
        yield Finding(VECTOR_REWORDED, pointer, f"{new['id']} is described differently")


def _added(new: Any, twin: Any) -> Finding:
    pointer = f"vectors/{new['id']}"
    if twin is not None and not same(twin["expect"], new["expect"]):
        before, after = (shorten(vector["expect"]) for vector in (twin, new))
        return Finding(VECTOR_CONTRADICTED, pointer, f"{new['id']} contradicts {twin['id']}", before, after)
    return Finding(VECTOR_ADDED, pointer, f"{new['id']} is new")


def _situation(vector: Any) -> tuple[Any, ...]:
    return (_octets(vector), vector["state"], vector.get("profile"), vector.get("connection_id"))


def _meaning(vector: Any) -> tuple[Any, ...]:
    """Return what determines the outcome: the situation and the message, or its octets if they are not a message."""
    try:
        message = json.dumps(decode(bytes.fromhex(_octets(vector))), sort_keys=True)
    except BadBody:  # or ambiguous: the octets matter
        message = _octets(vector)
    return (message, *_situation(vector)[1:])


def _octets(vector: Any) -> str:
    body = vector["body"]
    return str(body["hex"]).lower() if "hex" in body else body["text"].encode().hex()
