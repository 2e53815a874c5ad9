"""Containment: a schema accepts everything that another one accepts, or a value shows that it does not.

jsonschema-rs proves containment. A value that two validators agree about disproves it, even against a proof. Without
either, the question stays open, and the gate treats it as a no.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

from conformance.gate.schemas.plain_patterns import with_plain_patterns
from conformance.gate.schemas.witness_search import samples, validator
from conformance.protocol.codec import identical

EXAMPLES = 1000
"""Examples that Hypothesis tries for one question."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question of containment.

    Attributes:
        holds: it was proved.
        values: the smallest value found that disproves it, or nothing.
        reason: why the question is open, or what refuses the value.
    """

    holds: bool
    values: tuple[Any, ...] = ()
    reason: str = ""


def contains(outer: Any, inner: Any, further: Iterable[Any] = (), *, examples: int = EXAMPLES) -> Answer:
    """Find out if ``outer`` accepts everything that ``inner`` accepts.

    Args:
        outer: a schema without references.
        inner: another schema without references.
        further: values to try, besides those that the schemas suggest.
        examples: number of Hypothesis examples, if neither those values nor a proof decides.
    """
    if identical(outer, inner):
        return Answer(holds=True)
    search = _Search(outer, inner)
    search.among(further)
    search.among(samples(inner))
    search.among(samples(outer))
    if search.found:
        return search.answer()
    plain_outer, plain_inner = with_plain_patterns(outer), with_plain_patterns(inner)
    if identical(plain_outer, plain_inner):
        return Answer(holds=True)
    proof, difference = _prove(plain_outer, plain_inner)
    if proof == "yes":
        return Answer(holds=True)
    if difference is not None:
        search.among(samples(difference))
    if examples and not search.found:
        search.at_length(examples)
    if search.found:
        return search.answer()
    said = "jsonschema-rs denies containment" if proof == "no" else "jsonschema-rs cannot decide"
    return Answer(holds=False, reason=f"{said}, and no example shows a difference")


def _prove(outer: Any, inner: Any) -> tuple[str, Any]:
    """Ask jsonschema-rs; return its answer and, if it has one, a schema of the values that only ``inner`` accepts."""
    try:
        wide, narrow = (jsonschema_rs.canonicalize(each, draft=jsonschema_rs.Draft202012) for each in (outer, inner))
        proof = str(wide.covers(narrow)).rpartition(".")[2].lower()
        return proof, None if proof == "yes" else narrow.subtract(wide).to_json_schema()
    except (jsonschema_rs.canonical.CanonicalizationError, jsonschema_rs.ValidationError, ValueError):
        return "unknown", None


class _Search:
    """Collects values that ``inner`` accepts and ``outer`` does not."""

    def __init__(self, outer: Any, inner: Any) -> None:
        from jsonschema import Draft202012Validator  # noqa: PLC0415 - not needed if all schemas are equal

        self._outer, self._inner = validator(outer), validator(inner)
        self._second = Draft202012Validator(outer), Draft202012Validator(inner)
        self._schema = inner
        self.found: list[Any] = []

    def is_witness(self, value: Any) -> bool:
        """Return true if both validators accept the value under ``inner`` and refuse it under ``outer``."""
        if not self._inner.is_valid(value) or self._outer.is_valid(value):
            return False
        outer, inner = self._second
        return bool(inner.is_valid(value) and not outer.is_valid(value))

    def among(self, values: Iterable[Any]) -> None:
        """Try some values."""
        self.found += [value for value in values if self.is_witness(value)]

    def at_length(self, examples: int) -> None:
        """Search with Hypothesis."""
        from conformance.gate.schemas.long_search import values_of  # noqa: PLC0415 - loads Hypothesis, seldom needed

        self.found += values_of(self._schema, self.is_witness, examples)

    def answer(self) -> Answer:
        """Return the smallest value found, with the validator's error."""
        value = min(self.found, key=lambda each: len(json.dumps(each)))
        error = min(self._second[0].iter_errors(value), key=lambda each: len(each.message))
        place = "/".join(map(str, error.absolute_path)) or "the root"
        return Answer(holds=False, values=(value,), reason=f"{_said(error)} (at {place})")


_COUNTED = {
    "maxItems": ("items", "maximum"),
    "minItems": ("items", "minimum"),
    "maxLength": ("characters", "maximum"),
    "minLength": ("characters", "minimum"),
    "maxProperties": ("members", "maximum"),
    "minProperties": ("members", "minimum"),
}


def _said(error: Any) -> str:
    """Return what is wrong with a value; about its length, without the value."""
    if error.validator in _COUNTED:
        what, bound = _COUNTED[error.validator]
        return f"{len(error.instance)} {what}, {bound} {error.validator_value}"
    return str(error.message)[:200]
