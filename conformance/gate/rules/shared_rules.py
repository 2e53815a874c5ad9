"""Rules that several modules find broken; each is listed where its matter is."""

from __future__ import annotations

from conformance.gate.model.findings import BOTH, NOBODY, Rule
from conformance.gate.model.version import Step

DEPRECATION_CHANGED = Rule(
    "deprecation-changed",
    NOBODY,
    Step.MINOR,
    "a member or a schema is deprecated, or no longer so",
    "Nothing; a new minor version says so.",
)
REMOVED_UNANNOUNCED = Rule(
    "removed-unannounced",
    BOTH,
    Step.NEVER,
    "something was removed that was not deprecated before, or whose name was not reserved",
    "Deprecate it in this version; remove it in a later major one, and reserve its name in the table of chapter 14.",
)
SHAPE_REWRITTEN = Rule(
    "shape-rewritten",
    NOBODY,
    Step.PATCH,
    "a schema is written differently and means the same",
    "Nothing; a new patch version says that the file changed.",
)
PROFILE_MEMBER_MOVED = Rule(
    "profile-member-moved",
    BOTH,
    Step.MAJOR,
    "a message, code or channel belongs to another profile",
    "Leave it where it is, and add a new one to the other profile.",
)
CHANNELS_RESERVED = Rule(
    "channels-reserved",
    BOTH,
    Step.MAJOR,
    "a channel or action becomes the server's that was free or another profile's",
    "Let a new profile reserve the channel; clients of the old version may be using it.",
)
PROFILE_EXTENDED = Rule(
    "profile-extended",
    NOBODY,
    Step.MINOR,
    "a profile adds an action that there was not, or a new one an error code",
    "Nothing; a new minor version says so.",
)
TABLE_REWORDED = Rule(
    "table-reworded",
    NOBODY,
    Step.PATCH,
    "a cell of a table has another wording",
    "Nothing; a new patch version says so.",
)
