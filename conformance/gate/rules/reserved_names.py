"""The table of reserved names, which are never reused (spec, chapter 14)."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.gate.inputs.table_cells import names_in
from conformance.gate.inputs.table_columns import ADDS, RESERVES
from conformance.gate.model.findings import BOTH, NOBODY, Finding, Rule
from conformance.gate.model.release import Release, ReleaseError
from conformance.gate.model.version import Step
from conformance.gate.rules.comparison import Comparison
from conformance.gate.schemas.views import Views, parts_of

NAME_REUSED = Rule(
    "name-reused",
    BOTH,
    Step.NEVER,
    "a reserved name is in use again",
    "Choose a name that was never used.",
)
RESERVATION_DROPPED = Rule(
    "reservation-dropped",
    BOTH,
    Step.NEVER,
    "a name is no longer reserved",
    "Restore the row; a reservation is permanent.",
)
NAME_RESERVED = Rule(
    "name-reserved",
    NOBODY,
    Step.PATCH,
    "a name is reserved",
    "Raise the patch version. Every removal reserves the name.",
)
PLACE_UNKNOWN = Rule(
    "place-unknown",
    NOBODY,
    Step.NEVER,
    "a member is reserved at a place where no object was",
    "Write the schema and the pointer of the object that had the member, such as connect#/properties/client.",
)
RULES = (NAME_REUSED, RESERVATION_DROPPED, NAME_RESERVED, PLACE_UNKNOWN)


def is_announced(release: Release, name: str) -> bool:
    """Return true if all requirements that name it in a code span are deprecated or withdrawn."""
    spans = f"`{name}`", f'`"{name}"`'
    speaking = [rule for rule in release.requirements.values() if any(span in rule.text for span in spans)]
    return bool(speaking) and not any(rule.is_active for rule in speaking)


def is_reserved(release: Release, kind: str, name: str) -> bool:
    """Return true if the table has a name of that kind."""
    return any(row["kind"] == kind and row["name"] == name for row in release.tables["reserved"].values())


def is_member_reserved(comparison: Comparison, reference: str, name: str) -> bool:
    """Return true if the name of a member is reserved at a place where the old version had it in that schema."""
    files = {each.partition("#")[0] for each in comparison.old_views.reachable(reference)}
    places = (
        row["place"]
        for row in comparison.new.tables["reserved"].values()
        if row["kind"] == "member" and row["name"] == name and row["place"].partition("#")[0] in files
    )
    return any(name in _object_at(comparison.old_views, place) for place in places)


def check(comparison: Comparison) -> Iterator[Finding]:
    """Check that no row of the table was removed and that no reserved name is in use."""
    old, new = comparison.old.tables["reserved"], comparison.new.tables["reserved"]
    for key, row in old.items():
        if key not in new:
            yield Finding(
                RESERVATION_DROPPED, f"tables/reserved/{key}", f"{row['kind']} {row['name']} is no longer reserved"
            )
    for key, row in new.items():
        pointer = f"tables/reserved/{key}"
        if key not in old:
            yield Finding(NAME_RESERVED, pointer, f"{row['kind']} {row['name']} is now reserved")
            if row["kind"] == "member" and not _object_at(comparison.old_views, row["place"]):
                what = f"the place {row['place']!r} of the reserved member {row['name']} was not an object"
                yield Finding(PLACE_UNKNOWN, pointer, what)
        if _is_used(comparison, row["kind"], row["name"], row["place"]):
            yield Finding(NAME_REUSED, pointer, f"{row['kind']} {row['name']} is reserved, but used")


def _is_used(comparison: Comparison, kind: str, name: str, place: str) -> bool:
    release = comparison.new
    cells = [cell for row in release.tables["profiles"].values() for cell in (row.get(RESERVES, ""), row.get(ADDS, ""))]
    if kind in ("action", "channel") and any(name in names_in(cell) for cell in cells):
        return True
    tables = {
        "action": ("messages", "message"),
        "error code": ("error-codes", "code"),
        "channel": ("messages", "channel"),
        "profile": ("profiles", "profile"),
    }
    if kind in tables:
        table, column = tables[kind]
        return any(row[column] == name for row in release.tables[table].values())
    if kind == "schema":
        return name in release.schemas
    return name in _object_at(comparison.new_views, place)


def _object_at(views: Views, place: str) -> set[str]:
    """Return the member names of the object at a place such as ``connect#/properties/client``, if it is an object."""
    try:
        found = list(parts_of(views.receiver(place)))
    except ReleaseError:
        return set()
    return {name for part in found for name in part.get("properties", {})}
