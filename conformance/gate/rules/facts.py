"""The other tables of the spec: header, encoding, limits, error codes, states, precedence, profiles, the responder."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from conformance.gate.finding import BOTH, NOBODY, RECEIVERS, SENDERS, Direction, Finding, Rule
from conformance.gate.pair import Pair
from conformance.gate.rules.members import REMOVED_UNANNOUNCED
from conformance.gate.rules.messages import PROFILE_MEMBER_MOVED, is_announced
from conformance.gate.rules.names import is_reserved
from conformance.gate.tables import Row
from conformance.gate.version import Step
from conformance.gate.wording import is_only_wording

HEADER_CHANGED = Rule(
    "header-changed",
    BOTH,
    Step.MAJOR,
    "frames look different on the wire",
    "Leave the frame as it is; no peer of the old version could read one octet behind the change.",
)
ENCODING_CHANGED = Rule(
    "encoding-changed",
    BOTH,
    Step.MAJOR,
    "bodies are encoded differently",
    "Leave the encoding; what needs another one can travel as a string in a payload.",
)
LIMIT_TIGHTENED = Rule(
    "limit-tightened",
    BOTH,
    Step.MAJOR,
    "a limit asks more of who keeps it than before",
    "Keep the limit, and let implementations that can do better announce it in the acknowledgement.",
)
LIMIT_LOOSENED = Rule(
    "limit-loosened",
    BOTH,
    Step.MAJOR,
    "a limit guarantees less than before",
    "Keep what peers rely on, and announce in the acknowledgement where an implementation differs.",
)
LIMIT_CHANGED = Rule(
    "limit-changed",
    BOTH,
    Step.MAJOR,
    "a limit has another unit, or binds somebody else, or is gone",
    "Keep the row, and add another one.",
)
LIMIT_ADDED = Rule("limit-added", NOBODY, Step.MINOR, "a limit is new", "Nothing; its requirement is judged by itself.")
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
    "Use a code that there is, or let a new profile bring its own.",
)
FATALITY_FLIPPED = Rule(
    "fatality-flipped",
    BOTH,
    Step.MAJOR,
    "an error that was fatal is not any more, or the other way round",
    "Add another code in a new profile; peers decide by the code whether the connection goes on.",
)
ERROR_MEANING_CHANGED = Rule(
    "error-meaning-changed",
    BOTH,
    Step.MAJOR,
    "the table says something else about when a code is sent",
    "Let the code keep its meaning.",
)
STATES_CHANGED = Rule(
    "states-changed",
    BOTH,
    Step.MAJOR,
    "a connection goes through other states",
    "Leave the table as it is; new behaviour inside of a state needs no row.",
)
PRECEDENCE_CHANGED = Rule(
    "precedence-changed",
    BOTH,
    Step.MAJOR,
    "which error comes first changed",
    "Leave the order; say in the chapter of a new profile where its own checks come.",
)
PROFILE_REMOVED = Rule(
    "profile-removed",
    BOTH,
    Step.MAJOR,
    "a profile is no longer defined",
    "Keep its chapter. Remove it in a later major version, and reserve its name.",
)
PROFILE_ADDED = Rule("profile-added", NOBODY, Step.MINOR, "a profile is new", "Nothing; a new minor version says so.")
PROFILE_EXTENDED = Rule(
    "profile-extended",
    NOBODY,
    Step.MINOR,
    "a profile adds an action that there was not, or a new one an error code",
    "Nothing; a new minor version says so.",
)
CHANNELS_RESERVED = Rule(
    "channels-reserved",
    BOTH,
    Step.MAJOR,
    "a profile reserves other channels than before, or adds other actions to system",
    "Let a new profile reserve the channel; clients of the old version may be using it.",
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
    "Nothing; cases that need it are unsupported where it is missing.",
)
TABLE_REWORDED = Rule(
    "table-reworded",
    NOBODY,
    Step.PATCH,
    "a cell of a table has another wording",
    "Nothing; a new patch version says so.",
)
RULES = (
    HEADER_CHANGED,
    ENCODING_CHANGED,
    LIMIT_TIGHTENED,
    LIMIT_LOOSENED,
    LIMIT_CHANGED,
    LIMIT_ADDED,
    ERROR_CODE_DELETED,
    ERROR_CODE_ADDED,
    FATALITY_FLIPPED,
    ERROR_MEANING_CHANGED,
    STATES_CHANGED,
    PRECEDENCE_CHANGED,
    PROFILE_REMOVED,
    PROFILE_ADDED,
    PROFILE_EXTENDED,
    CHANNELS_RESERVED,
    RESPONDER_CHANGED,
    RESPONDER_EXTENDED,
    TABLE_REWORDED,
)

Judge = Callable[[Pair, str, str, Row | None, Row | None], Iterator[Finding]]


def check(pair: Pair) -> Iterator[Finding]:
    """Compare each table row by row."""
    for table, judge in _JUDGES.items():
        old, new = pair.old.tables[table], pair.new.tables[table]
        for key in dict.fromkeys([*old, *new]):
            before, after = old.get(key), new.get(key)
            if before != after:
                yield from judge(pair, f"tables/{table}/{key}", key, before, after)


def _any_difference(rule: Rule, *, added: Rule | None = None) -> Judge:
    """Make a judge of a table in which every difference is against one rule, a new row perhaps aside."""

    def judge(_: Pair, pointer: str, key: str, old: Row | None, new: Row | None) -> Iterator[Finding]:
        if old is None or new is None:
            chosen = added if old is None and added else rule
            yield Finding(chosen, pointer, f"{key} {'is new' if old is None else 'is gone'}", _text(old), _text(new))
        else:
            yield _difference(rule, pointer, key, old, new)

    return judge


def _difference(rule: Rule, pointer: str, key: str, old: Row, new: Row) -> Finding:
    changed = [column for column in dict.fromkeys([*old, *new]) if old.get(column) != new.get(column)]
    what = "; ".join(f"{column} was {old.get(column)!r}, and is {new.get(column)!r}" for column in changed)
    is_wording = all(is_only_wording(old.get(column, ""), new.get(column, "")) for column in changed)
    return Finding(TABLE_REWORDED if is_wording else rule, pointer, f"{key}: {what}", _text(old), _text(new))


def _limit(_: Pair, pointer: str, key: str, old: Row | None, new: Row | None) -> Iterator[Finding]:
    if old is None or new is None:
        rule = LIMIT_ADDED if old is None else LIMIT_CHANGED
        yield Finding(rule, pointer, f"{key} {'is new' if old is None else 'is gone'}", _text(old), _text(new))
        return
    if any(old[column] != new[column] for column in ("unit", "kept by", "as")) or not (
        old["value"].isdecimal() and new["value"].isdecimal()
    ):
        yield _difference(LIMIT_CHANGED, pointer, key, old, new)
    elif old["value"] != new["value"]:
        is_tighter = (int(new["value"]) > int(old["value"])) == (old["bound"] == "at least")
        rule = LIMIT_TIGHTENED if is_tighter else LIMIT_LOOSENED
        what = f"{key}: {old['value']} became {new['value']} {new['unit']}"
        yield Finding(rule, pointer, what, old["value"], new["value"], breaks=_broken_by(old["as"], is_tighter))
    else:
        yield Finding(TABLE_REWORDED, pointer, f"{key}: another requirement states it", old["rule"], new["rule"])


def _broken_by(role: str, is_tighter: bool) -> tuple[Direction, ...]:
    """Who is broken: by a tighter limit whoever keeps it, by a looser one its peer."""
    return SENDERS if (role == "sender") == is_tighter else RECEIVERS


def _error_code(pair: Pair, pointer: str, key: str, old: Row | None, new: Row | None) -> Iterator[Finding]:
    if new is None and old is not None:
        moved = [row for row in pair.new.tables["error-codes"].values() if row["code"] == old["code"]]
        if moved:
            was, now = (row["profile"] or "the core" for row in (old, moved[0]))
            yield Finding(
                PROFILE_MEMBER_MOVED, pointer, f"the code {old['code']} was one of {was}, and is one of {now}"
            )
            return
        yield Finding(ERROR_CODE_DELETED, pointer, f"the code {old['code']} is gone", _text(old))
        if not is_announced(pair.old, old["code"]) or not is_reserved(pair.new, "error code", old["code"]):
            yield Finding(
                REMOVED_UNANNOUNCED, pointer, f"the code {old['code']} went without being deprecated and reserved"
            )
    elif old is None and new is not None:
        if not _came_from_elsewhere(pair, new["code"]):
            is_of_new_profile = new["profile"] and new["profile"] not in pair.old.tables["profiles"]
            rule = PROFILE_EXTENDED if is_of_new_profile else ERROR_CODE_ADDED
            yield Finding(rule, pointer, f"the code {new['code']} is new", after=_text(new))
    elif old is not None and new is not None:
        if old["fatal"] != new["fatal"]:
            what = f"{key}: fatal was {old['fatal']}, and is {new['fatal']}"
            yield Finding(FATALITY_FLIPPED, pointer, what, old["fatal"], new["fatal"])
        if old["sent when"] != new["sent when"]:
            yield _difference(ERROR_MEANING_CHANGED, pointer, key, old, {**new, "fatal": old["fatal"]})


def _came_from_elsewhere(pair: Pair, code: str) -> bool:
    """Tell whether a code left another table, which the finding about that table says."""
    old, new = pair.old.tables["error-codes"], pair.new.tables["error-codes"]
    return any(row["code"] == code and key not in new for key, row in old.items())


def _profile(pair: Pair, pointer: str, key: str, old: Row | None, new: Row | None) -> Iterator[Finding]:
    if old is None:
        yield Finding(PROFILE_ADDED, pointer, f"the profile {key} is new", after=_text(new))
    elif new is None:
        yield Finding(PROFILE_REMOVED, pointer, f"the profile {key} is gone", _text(old))
        if not is_announced(pair.old, key) or not is_reserved(pair.new, "profile", key):
            yield Finding(REMOVED_UNANNOUNCED, pointer, f"the profile {key} went without being deprecated and reserved")
    elif {**old, "chapter": ""} != {**new, "chapter": ""}:
        for column in ("reserves for the server", "adds to `system`"):
            if old.get(column) != new.get(column):
                yield _reservation(pair, pointer, column, old, new)


def _reservation(pair: Pair, pointer: str, column: str, old: Row, new: Row) -> Finding:
    key = new["profile"]
    finding = _difference(CHANNELS_RESERVED, pointer, key, {column: old.get(column, "")}, {column: new.get(column, "")})
    if column != "adds to `system`" or finding.rule is TABLE_REWORDED:
        return finding
    before, after = (_code_spans(row.get(column, "")) for row in (old, new))
    added = after - before
    if before <= after and not added & {row["message"] for row in pair.old.tables["messages"].values()}:
        return Finding(PROFILE_EXTENDED, pointer, finding.what, finding.before, finding.after)
    return finding


def _code_spans(cell: str) -> set[str]:
    return {part.strip(" `") for part in cell.split(",") if part.strip()}


def _text(row: Row | None) -> str | None:
    return None if row is None else " | ".join(row.values())


_JUDGES: dict[str, Judge] = {
    "framing": _any_difference(HEADER_CHANGED),
    "encoding": _any_difference(ENCODING_CHANGED),
    "limits": _limit,
    "error-codes": _error_code,
    "states": _any_difference(STATES_CHANGED),
    "precedence": _any_difference(PRECEDENCE_CHANGED),
    "profiles": _profile,
    "responder": _any_difference(RESPONDER_CHANGED, added=RESPONDER_EXTENDED),
}
