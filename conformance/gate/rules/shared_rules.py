"""Rules that several modules use; each is listed with the module of its subject."""

from __future__ import annotations

from conformance.gate.model.findings import BOTH, NOBODY, Rule
from conformance.gate.model.version import Step

DEPRECATION_CHANGED = Rule(
    "deprecation-changed",
    NOBODY,
    Step.MINOR,
    "a member or a schema is deprecated, or no longer deprecated",
    "Raise the minor version.",
)
REMOVED_UNANNOUNCED = Rule(
    "removed-unannounced",
    BOTH,
    Step.NEVER,
    "something was removed without being deprecated before, or without reserving its name",
    "Deprecate it in this version; remove it in a later major one, and reserve its name in the table of chapter 14.",
)
SHAPE_REWRITTEN = Rule(
    "shape-rewritten",
    NOBODY,
    Step.PATCH,
    "a schema is written differently and means the same",
    "Raise the patch version.",
)
PROFILE_MEMBER_MOVED = Rule(
    "profile-member-moved",
    BOTH,
    Step.MAJOR,
    "a message, code or channel belongs to another profile",
    "Keep it where it is, and add a new one to the other profile.",
)
CHANNELS_RESERVED = Rule(
    "channels-reserved",
    BOTH,
    Step.MAJOR,
    "a channel or action that was free, or another profile's, becomes reserved",
    "Use the channel without reserving it, or reserve it in a major version; clients may be publishing on it.",
)
PROFILE_EXTENDED = Rule(
    "profile-extended",
    NOBODY,
    Step.MINOR,
    "a profile has a new action, or a new profile has an error code",
    "Raise the minor version.",
)
TABLE_REWORDED = Rule(
    "table-reworded",
    NOBODY,
    Step.PATCH,
    "a cell of a table, or a term, has another wording",
    "Raise the patch version.",
)
