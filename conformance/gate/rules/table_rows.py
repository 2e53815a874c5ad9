"""The other tables of the spec: header, encoding, limits, error codes, states, precedence, profiles, the responder."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from conformance.gate.inputs.table_columns import ADDS, RESERVES
from conformance.gate.model.findings import BOTH, NOBODY, RECEIVERS, SENDERS, Direction, Finding, Rule
from conformance.gate.model.release import Release
from conformance.gate.model.spec_table import Row
from conformance.gate.model.version import Step
from conformance.gate.rules.comparison import Pair
from conformance.gate.rules.members import REMOVED_UNANNOUNCED
from conformance.gate.rules.messages import CHANNELS_RESERVED, PROFILE_MEMBER_MOVED, is_announced
from conformance.gate.rules.reserved_names import is_reserved
from conformance.gate.rules.table_cells import channels_in, is_same_channel, names_in, says_more_than_names
from conformance.gate.rules.wording import is_only_wording

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
    was, is_ = (_branches(release) for release in (pair.old, pair.new))
    for code in was:
        if was[code] != is_.get(code) and any(row["code"] == code for row in pair.new.tables["error-codes"].values()):
            what = f"{code} was listed in the schema as {was[code]}, and is as {is_.get(code, 'nothing')}"
            yield Finding(FATALITY_FLIPPED, "schemas/error-code#", what, was[code], is_.get(code))


def _branches(release: Release) -> dict[str, str]:
    """Return for each error code the branch of the schema error-code that lists it: programs tell fatal ones by it."""
    branches = release.schemas.get("error-code", {}).get("oneOf", [])
    return {
        code: f"{number}: {branch.get('title', 'untitled').lower().removesuffix('.')}"
        for number, branch in enumerate(branches)
        if isinstance(branch, dict)
        for code in branch.get("enum", [])
    }


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
    cells = [(old.get(column, ""), new.get(column, "")) for column in changed]
    is_wording = all(" " in before and is_only_wording(before, after) for before, after in cells)
    return Finding(TABLE_REWORDED if is_wording else rule, pointer, f"{key}: {what}", _text(old), _text(new))


def _limit(pair: Pair, pointer: str, key: str, old: Row | None, new: Row | None) -> Iterator[Finding]:
    if old is None:
        rule = LIMIT_ADDED if new and _is_limit_of_something_new(pair, new) else LIMIT_CHANGED
        yield Finding(rule, pointer, f"{key} is new", after=_text(new))
    elif new is None:
        yield Finding(LIMIT_CHANGED, pointer, f"{key} is gone", before=_text(old))
    elif any(old[column] != new[column] for column in ("unit", "kept by", "as")):
        yield _difference(LIMIT_CHANGED, pointer, key, old, new)
    elif old["value"] != new["value"]:
        is_tighter = (int(new["value"]) > int(old["value"])) == (old["bound"] == "at least")
        rule = LIMIT_TIGHTENED if is_tighter else LIMIT_LOOSENED
        what = f"{key}: {old['value']} became {new['value']} {new['unit']}"
        yield Finding(rule, pointer, what, old["value"], new["value"], breaks=_broken_by(old["as"], is_tighter))
    else:
        is_as_strict = _levels(pair.old, old) == _levels(pair.new, new)
        rule = TABLE_REWORDED if is_as_strict else LIMIT_CHANGED
        yield Finding(rule, pointer, f"{key}: another requirement states it", old["rule"], new["rule"])


def _is_limit_of_something_new(pair: Pair, row: Row) -> bool:
    """Tell whether the old version neither had a bound of that name nor the requirement that states the new one."""
    bounded = {each["limit"].lower() for each in pair.old.tables["limits"].values()}
    return row["limit"].lower() not in bounded and pair.old.requirements.keys().isdisjoint(row["rule"].split(", "))


def _levels(release: Release, row: Row) -> set[str]:
    return {release.requirements[id_].level for id_ in row["rule"].split(", ") if id_ in release.requirements}


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
            fatal = {row["fatal"] for row in pair.old.tables["error-codes"].values() if row["code"] == new["code"]}
            if fatal and fatal != {new["fatal"]}:
                what = f"{new['code']} is listed again with fatal {new['fatal']}, which it was not"
                yield Finding(FATALITY_FLIPPED, pointer, what, after=new["fatal"])
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
    if old is None and new is not None:
        yield Finding(PROFILE_ADDED, pointer, f"the profile {key} is new", after=_text(new))
        yield from _taken(pair, pointer, new)
    elif new is None and old is not None:
        yield Finding(PROFILE_REMOVED, pointer, f"the profile {key} is gone", _text(old))
        if not is_announced(pair.old, key) or not is_reserved(pair.new, "profile", key):
            yield Finding(REMOVED_UNANNOUNCED, pointer, f"the profile {key} went without being deprecated and reserved")
    elif old is not None and new is not None:
        if old["chapter"] != new["chapter"]:
            yield _chapter(pair, pointer, old, new)
        for column in (RESERVES, ADDS):
            if old.get(column) != new.get(column):
                yield _reservation(pair, pointer, column, old, new)


def _taken(pair: Pair, pointer: str, new: Row) -> Iterator[Finding]:
    """Find what a new profile takes that the old version had already."""
    reserved, added = (new.get(column, "") for column in (RESERVES, ADDS))
    rows = pair.old.tables["messages"].values()
    cells = [row.get(RESERVES, "") for row in pair.old.tables["profiles"].values()]
    channels = {row["channel"] for row in rows} - {"any"} | {each for cell in cells for each in channels_in(cell)}
    taken = [each for each in channels_in(reserved) if any(is_same_channel(each, channel) for channel in channels)]
    taken += sorted(set(names_in(added)) & {row["message"] for row in rows})
    if taken:
        what = f"the new profile {new['profile']} takes {', '.join(taken)}, which the old version had"
        yield Finding(CHANNELS_RESERVED, pointer, what, after=_text(new))
    for cell in (reserved, added):
        if says_more_than_names(cell):
            what = f"the gate cannot read what the new profile {new['profile']} takes: {cell}"
            yield Finding(CHANNELS_RESERVED, pointer, what, after=cell)


def _chapter(pair: Pair, pointer: str, old: Row, new: Row) -> Finding:
    """Judge a profile with another chapter: the old one under another name, or one about something else."""
    what = f"the chapter of the profile {new['profile']} was {old['chapter']}, and is {new['chapter']}"
    before, after = (_families(release, row["chapter"]) for release, row in ((pair.old, old), (pair.new, new)))
    rule = TABLE_REWORDED if before == after else PROFILE_MEMBER_MOVED
    return Finding(rule, pointer, what, old["chapter"], new["chapter"])


def _families(release: Release, chapter: str) -> set[str]:
    """Return the families of the requirements in a chapter, such as FRM."""
    sections = ((id_, rule.section.partition("#")[0]) for id_, rule in release.requirements.items())
    return {id_.partition("-")[0] for id_, section in sections if f"{section}.md" == chapter}


def _reservation(pair: Pair, pointer: str, column: str, old: Row, new: Row) -> Finding:
    before, after = (row.get(column, "") for row in (old, new))
    finding = _difference(CHANNELS_RESERVED, pointer, new["profile"], {column: before}, {column: after})
    if column != ADDS or finding.rule is TABLE_REWORDED or says_more_than_names(after):
        return finding
    added = set(names_in(after)) - set(names_in(before))
    messages = {row["message"] for row in pair.old.tables["messages"].values()}
    if set(names_in(before)) <= set(names_in(after)) and not added & messages:
        return Finding(PROFILE_EXTENDED, pointer, finding.what, finding.before, finding.after)
    return finding


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
