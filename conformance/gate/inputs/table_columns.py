"""The columns of the spec's marked tables, and the values of their cells."""

from __future__ import annotations

import re

KEYS: dict[str, tuple[str, ...]] = {
    "framing": ("property",),
    "encoding": ("property",),
    "states": ("state", "event"),
    "error-codes": ("code", "profile"),
    "precedence": ("stage",),
    "limits": ("limit", "bound"),
    "profiles": ("profile",),
    "responder": ("channel",),
    "envelopes": ("message", "from"),
    "messages": ("channel", "message", "from"),
    "reserved": ("kind", "name", "place"),
}
"""Every marked table, with the columns that together identify a row."""

REQUIRED = tuple(name for name in KEYS if name != "responder")
"""The tables that every tree has; the responder is for the conformance suite of this protocol."""

OTHERS: dict[str, tuple[str, ...]] = {
    "framing": ("value",),
    "encoding": ("value",),
    "states": ("next state",),
    "error-codes": ("fatal", "sent when"),
    "limits": ("value", "unit", "kept by", "as", "rule"),
    "profiles": ("chapter",),
    "envelopes": ("schema",),
    "messages": ("type", "payload"),
}
"""Further required columns: the rules compare them."""

PARTS = {"envelopes": ("schema",), "messages": ("payload", "answer")}
"""The tables of messages, with the columns that name schemas."""

RESERVES, ADDS = "reserves for the server", "adds to `system`"
"""Columns of the table of profiles that name channels and actions."""

FREE: dict[str, tuple[str, ...]] = {
    "precedence": ("checked", "error"),
    "states": ("what the server does",),
    "profiles": (RESERVES, ADDS),
    "messages": ("answer", "profile"),
    "responder": ("takes", "does"),
    "reserved": ("since",),
}
"""Optional columns. No rule would see a change in any other column."""

FILLED = {"messages": ("answer", "profile")}
"""Optional columns that the rules read; a table without one has it empty."""

WORDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("error-codes", "fatal"): ("yes", "no"),
    ("limits", "bound"): ("at least", "at most"),
    ("limits", "kept by"): ("server", "client"),
    ("limits", "as"): ("sender", "receiver"),
    ("envelopes", "from"): ("client", "server"),
    ("messages", "from"): ("client", "server"),
    ("messages", "type"): ("request", "response", "notification", "subscribe", "unsubscribe", "publish"),
    ("reserved", "kind"): ("member", "action", "error code", "channel", "profile", "schema"),
}
"""Columns whose cells have one of a few values."""

FORMS: dict[tuple[str, str], tuple[re.Pattern[str], str]] = {
    ("messages", "channel"): (
        re.compile(r"[^\s`,]+|`[^\s`]+:` and a name"),
        "any, a name, or a beginning `x:` and a name",
    ),
    ("limits", "rule"): (re.compile(r"[A-Z]{3}-[0-9]{3}(, [A-Z]{3}-[0-9]{3})*"), "an id, or several with commas"),
    ("limits", "value"): (re.compile(r"[0-9]+"), "a number in digits"),
    ("error-codes", "code"): (
        re.compile(r"[\w.-]+"),
        "one code, in letters, digits and . _ -",
    ),
    ("profiles", "chapter"): (re.compile(r"[^\s/]+\.md"), "a link to a chapter"),
}
"""Columns whose cells have a form, with a description of the form."""


def needed(table: str) -> list[str]:
    """Return the required columns of a table; the profile of an error code is that of its chapter."""
    return [each for each in (*KEYS[table], *OTHERS.get(table, ())) if (table, each) != ("error-codes", "profile")]


def header(table: str) -> str:
    """Return the first line of a table with its required columns."""
    return f"| {' | '.join(needed(table))} |"


def allowed(table: str) -> set[str]:
    """Return the allowed columns of a table."""
    return {*needed(table), *FREE.get(table, ())}


def wanted(table: str, column: str, cell: str) -> str | None:
    """Return the required form of a cell, or None if the cell has it."""
    words = WORDS.get((table, column))
    if words:
        return None if cell in words else " or ".join(words)
    form, name = FORMS.get((table, column), (None, ""))
    return name if form and not form.fullmatch(cell) else None
