"""The table of error codes, and the branches of their schema."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.gate.model.findings import BOTH, RECEIVERS, Finding, Rule
from conformance.gate.model.spec_table import Row
from conformance.gate.model.version import Step
from conformance.gate.rules.comparison import Comparison
from conformance.gate.rules.reserved_names import is_announced, is_reserved
from conformance.gate.rules.row_findings import as_text, difference
from conformance.gate.rules.shared_rules import PROFILE_EXTENDED, PROFILE_MEMBER_MOVED, REMOVED_UNANNOUNCED

ERROR_CODE_DELETED = Rule(
    "error-code-deleted",
    BOTH,
    Step.MAJOR,
    "an error code is gone",
    "Keep it in the table. Remove it in a later major version, and reserve its name.",
)
ERROR_CODE_ADDED = Rule(
    "error-code-added",
    RECEIVERS,
    Step.MAJOR,
    "a closed list of error codes has a new one",
    "Use an existing code, or define the new one in a new profile.",
)
FATALITY_FLIPPED = Rule(
    "fatality-flipped",
    BOTH,
    Step.MAJOR,
    "an error became fatal, or is no longer fatal",
    "Add another code in a new profile; peers infer from the code whether the connection stays open.",
)
ERROR_MEANING_CHANGED = Rule(
    "error-meaning-changed",
    BOTH,
    Step.MAJOR,
    "the table describes another reason for sending an error code",
    "Keep the meaning of the code.",
)
RULES = (
    ERROR_CODE_DELETED,
    ERROR_CODE_ADDED,
    FATALITY_FLIPPED,
    ERROR_MEANING_CHANGED,
)


def judge_error_code(
    comparison: Comparison, pointer: str, key: str, old: Row | None, new: Row | None
) -> Iterator[Finding]:
    """Find the differences in a row of the table of error codes."""
    if new is None and old is not None:
        moved = [row for row in comparison.new.tables["error-codes"].values() if row["code"] == old["code"]]
        if moved:
            was, now = (row["profile"] or "the core" for row in (old, moved[0]))
            yield Finding(
                PROFILE_MEMBER_MOVED, pointer, f"the code {old['code']} was one of {was}, and is one of {now}"
            )
            return
        yield Finding(ERROR_CODE_DELETED, pointer, f"the code {old['code']} is gone", as_text(old))
        if not is_announced(comparison.old, old["code"]) or not is_reserved(comparison.new, "error code", old["code"]):
            yield Finding(
                REMOVED_UNANNOUNCED,
                pointer,
                f"the code {old['code']} was removed without being deprecated and reserved",
            )
    elif old is None and new is not None:
        if not _came_from_elsewhere(comparison, new["code"]):
            is_of_new_profile = new["profile"] and new["profile"] not in comparison.old.tables["profiles"]
            rule = PROFILE_EXTENDED if is_of_new_profile else ERROR_CODE_ADDED
            what = f"the code {new['code']} is new"
            yield Finding(rule, pointer, what, after=as_text(new), roles=("client",))
            fatal = {
                row["fatal"] for row in comparison.old.tables["error-codes"].values() if row["code"] == new["code"]
            }
            if fatal and fatal != {new["fatal"]}:
                what = f"{new['code']} is listed again, with another value of fatal: {new['fatal']}"
                yield Finding(FATALITY_FLIPPED, pointer, what, after=new["fatal"])
    elif old is not None and new is not None:
        if old["fatal"] != new["fatal"]:
            what = f"{key}: fatal was {old['fatal']}, and is {new['fatal']}"
            yield Finding(FATALITY_FLIPPED, pointer, what, old["fatal"], new["fatal"])
        if old["sent when"] != new["sent when"]:
            yield difference(ERROR_MEANING_CHANGED, pointer, key, old, {**new, "fatal": old["fatal"]})


def _came_from_elsewhere(comparison: Comparison, code: str) -> bool:
    """Return true if a code was removed from another table, which has its own finding."""
    old, new = comparison.old.tables["error-codes"], comparison.new.tables["error-codes"]
    return any(row["code"] == code and key not in new for key, row in old.items())
