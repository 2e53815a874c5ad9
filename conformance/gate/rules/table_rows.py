"""The marked tables of the spec, row by row; most tables have one rule for all their differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from conformance.gate.model.findings import BOTH, NOBODY, Finding, Rule
from conformance.gate.model.release import Release
from conformance.gate.model.spec_table import Row
from conformance.gate.model.version import Step
from conformance.gate.rules import error_codes, limits, profiles
from conformance.gate.rules.comparison import Comparison
from conformance.gate.rules.error_codes import FATALITY_FLIPPED, judge_error_code
from conformance.gate.rules.limits import judge_limit
from conformance.gate.rules.profiles import judge_profile
from conformance.gate.rules.row_findings import as_text, difference
from conformance.gate.rules.shared_rules import TABLE_REWORDED

HEADER_CHANGED = Rule(
    "header-changed",
    BOTH,
    Step.MAJOR,
    "frames look different on the wire",
    "Keep the frame layout; an old peer could not read anything after the change.",
)
ENCODING_CHANGED = Rule(
    "encoding-changed",
    BOTH,
    Step.MAJOR,
    "bodies are encoded differently",
    "Keep the encoding; data that needs another one can be a string in a payload.",
)
STATES_CHANGED = Rule(
    "states-changed",
    BOTH,
    Step.MAJOR,
    "a connection goes through other states",
    "Keep the table; new behaviour within a state needs no row.",
)
PRECEDENCE_CHANGED = Rule(
    "precedence-changed",
    BOTH,
    Step.MAJOR,
    "the order of the errors changed",
    "Keep the order; a new profile states in its chapter when its own checks apply.",
)
RESPONDER_CHANGED = Rule(
    "responder-changed",
    BOTH,
    Step.MAJOR,
    "the application that servers under test offer does something else",
    "Add a channel to the responder instead.",
)
RESPONDER_EXTENDED = Rule(
    "responder-extended",
    NOBODY,
    Step.MINOR,
    "the responder has a new channel",
    "Raise the minor version. Cases that need the channel are unsupported on servers without it.",
)
RULES = (
    HEADER_CHANGED,
    ENCODING_CHANGED,
    *limits.RULES,
    *error_codes.RULES,
    STATES_CHANGED,
    PRECEDENCE_CHANGED,
    *profiles.RULES,
    RESPONDER_CHANGED,
    RESPONDER_EXTENDED,
    TABLE_REWORDED,
)

Judge = Callable[[Comparison, str, str, Row | None, Row | None], Iterator[Finding]]


def check(comparison: Comparison) -> Iterator[Finding]:
    """Compare each table row by row."""
    for table, judge in _JUDGES.items():
        old, new = comparison.old.tables[table], comparison.new.tables[table]
        for key in dict.fromkeys([*old, *new]):
            before, after = old.get(key), new.get(key)
            if before != after:
                yield from judge(comparison, f"tables/{table}/{key}", key, before, after)
    word = "oneOf" if "oneOf" in comparison.new.schemas.get("error-code", {}) else "anyOf"
    was, is_ = (_branches(release) for release in (comparison.old, comparison.new))
    for code in was:
        if was[code] != is_.get(code) and any(
            row["code"] == code for row in comparison.new.tables["error-codes"].values()
        ):
            what = f"the schema listed {code} as {was[code]}, and now lists it as {is_.get(code, 'nothing')}"
            yield Finding(
                FATALITY_FLIPPED,
                "schemas/error-code#",
                what,
                was[code],
                is_.get(code),
                at=f"schemas/error-code#/{word}",
            )


def _branches(release: Release) -> dict[str, str]:
    """Return the branch of the schema error-code that lists each code: it tells programs which codes are fatal."""
    schema = release.schemas.get("error-code", {})
    branches = schema.get("oneOf", schema.get("anyOf", []))
    return {
        code: f"{number}: {branch.get('title', 'untitled').lower().removesuffix('.')}"
        for number, branch in enumerate(branches)
        if isinstance(branch, dict)
        for code in branch.get("enum", [])
    }


def _any_difference(rule: Rule, *, added: Rule | None = None) -> Judge:
    """Return a judge of a table that has one rule for all differences, except perhaps for a new row."""

    def judge(_: Comparison, pointer: str, key: str, old: Row | None, new: Row | None) -> Iterator[Finding]:
        if old is None or new is None:
            chosen = added if old is None and added else rule
            yield Finding(
                chosen, pointer, f"{key} {'is new' if old is None else 'is gone'}", as_text(old), as_text(new)
            )
        else:
            yield difference(rule, pointer, key, old, new)

    return judge


_JUDGES: dict[str, Judge] = {
    "framing": _any_difference(HEADER_CHANGED),
    "encoding": _any_difference(ENCODING_CHANGED),
    "limits": judge_limit,
    "error-codes": judge_error_code,
    "states": _any_difference(STATES_CHANGED),
    "precedence": _any_difference(PRECEDENCE_CHANGED),
    "profiles": judge_profile,
    "responder": _any_difference(RESPONDER_CHANGED, added=RESPONDER_EXTENDED),
}
