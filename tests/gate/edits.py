"""Edits of protocol 1.0 and what a rule of the gate has to make of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from protocol_tree import Workshop

from conformance.gate.model.findings import BOTH, Direction

Edit = Callable[[Workshop], None]
Pointer = str


@dataclass(frozen=True)
class Hit:
    """Edits that a rule is about.

    Attributes:
        rule: the rule's id.
        edits: what is changed.
        pointer: where the finding has to be.
        breaks: whom it has to say that it breaks.
        before: edits that the version before has already.
    """

    rule: str
    edits: Sequence[Edit]
    pointer: Pointer
    breaks: tuple[Direction, ...] = BOTH
    before: Sequence[Edit] = field(default=())


@dataclass(frozen=True)
class Miss:
    """Edits that are near to what a rule is about, and that it has nothing to say about."""

    rule: str
    edits: Sequence[Edit]
    before: Sequence[Edit] = field(default=())


def text(file: str, old: str, new: str) -> Edit:
    """Replace a text in a chapter."""
    return lambda workshop: workshop.replace(f"spec/{file}", old, new)


def schema(name: str, change: Callable[[Any], object]) -> Edit:
    """Change a schema's document."""
    return _json(f"schemas/{name}.schema.json", change)


def vectors(change: Callable[[list[Any]], object]) -> Edit:
    """Change the list of the vectors about batches."""
    return _json("schemas/vectors/batch.json", lambda document: change(document["vectors"]))


def new_schema(name: str, **further: Any) -> Edit:
    """Add a schema file."""
    document = {"$id": f"https://ipc-framework.example/schemas/1/{name}.schema.json", "type": "object", **further}
    return lambda workshop: workshop.add(f"schemas/{name}.schema.json", json.dumps(document))


def gone(name: str) -> Edit:
    """Delete a schema file."""
    return lambda workshop: workshop.remove(f"schemas/{name}.schema.json")


def moved(name: str, other: str) -> Edit:
    """Give a schema file another name, and its $id too."""

    def edit(workshop: Workshop) -> None:
        path = workshop.root / "schemas" / f"{name}.schema.json"
        content = path.read_text("utf-8").replace(f"/{name}.schema.json", f"/{other}.schema.json", 1)
        path.unlink()
        workshop.add(f"schemas/{other}.schema.json", content)

    return edit


def renamed_chapter(name: str, other: str) -> Edit:
    """Give a chapter's file another name."""

    def edit(workshop: Workshop) -> None:
        (workshop.root / "spec" / name).rename(workshop.root / "spec" / other)

    return edit


def reserve(kind: str, name: str, place: str = "") -> Edit:
    """Reserve a name."""
    mark = "<!-- reserved -->\n| kind | name | place | since |\n|---|---|---|---|\n"
    return text("14-versioning.md", mark, f"{mark}| {kind} | `{name}` | {place} | 2.0 |\n")


def requirement(sentence: str, note: str = "*Since: 1.1.*") -> Edit:
    """Add a requirement to the chapter about the system channel."""
    ending = "Any response with the `reply_to` of the ping"
    return text("11-system.md", ending, f"**[SYS-008]** {sentence}\n\n{note}\n\n{ending}")


def _json(file: str, change: Callable[[Any], object]) -> Edit:
    def edit(workshop: Workshop) -> None:
        path = workshop.root / file
        document = json.loads(path.read_text("utf-8"))
        change(document)
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")

    return edit


def members(document: Any, *names: str) -> Any:
    """Return the properties of an object inside of a schema."""
    for name in names:
        document = document["properties"][name]
    return document["properties"]


def row(name: str, *cells: str) -> str:
    """Return a row of a table whose first cell is a code span."""
    return f"| `{name}` | {' | '.join(cells)} |\n"


def deprecate(*names: str) -> Edit:
    """Deprecate every requirement that names one of these in a code span."""

    def edit(workshop: Workshop) -> None:
        for path in (workshop.root / "spec").glob("[0-9]*.md"):
            paragraphs = path.read_text("utf-8").split("\n\n")
            marked = [
                _deprecated(each) if each.startswith("**[") and any(f"`{name}`" in each for name in names) else each
                for each in paragraphs
            ]
            path.write_text("\n\n".join(marked), "utf-8")

    return edit


def _deprecated(paragraph: str) -> str:
    return f"{paragraph}\n\n*Deprecated: 1.0.*"


OLD_MEMBER = schema("connect", lambda d: members(d, "client")["version"].update(deprecated=True))
ANCHORED = schema("job", lambda d: d["$defs"]["id"].update({"$anchor": "id"}))
DEPRECATED_TIME = text("11-system.md", "offset of zero.\n", "offset of zero.\n\n*Deprecated: 1.0.*\n")
GET_TIME = "| `system` | `get_time` | request | client | `system-request` | `time` | |\n"
WITHDRAWN = requirement("A server MUST be kind.", "*Withdrawn: 1.0.*")
ONE_MORE_CODE = text(
    "17-queue.md", "| `not_leased` | no |", "| `queue_full` | no | the queue is full |\n| `not_leased` | no |"
)
NO_CODE = text("09-errors.md", row("reserved_channel", "no", "only the server publishes on this channel"), "")


def no_batch(workshop: Workshop) -> None:
    """Take the profile batch out of the tables."""
    workshop.replace("spec/12-profiles.md", "| `batch` | [Batch](15-batch.md) | | |\n", "")
    workshop.replace("spec/19-messages.md", BATCH_PROCESS, "")


BATCH_PROCESS = "| any | `batch_process` | request | client | `batch-request` | `batch-response` | batch |\n"


def other_channel(workshop: Workshop) -> None:
    """Call the channel of service discovery by another name, in every row of the table of messages."""
    path = workshop.root / "spec" / "19-messages.md"
    path.write_text(path.read_text("utf-8").replace("| `service_discovery` |", "| `discovery` |"), "utf-8")


CONNECTION_ID = {"description": "Chosen by the client.", "type": "string", "minLength": 1, "maxLength": 128}
PRESENCE = (
    text(
        "12-profiles.md",
        "| `queue` | [Queue]",
        "| `presence` | [Presence](20-presence.md) | | |\n| `queue` | [Queue]",
    ),
    lambda workshop: workshop.add(
        "spec/20-presence.md",
        "# Presence profile (PRE)\n\n**[PRE-001]** A server that announces `presence` MUST say who is there.\n\n"
        "*Since: 1.1.*\n\n<!-- error-codes -->\n| code | fatal | sent when |\n|---|---|---|\n"
        "| `nobody_there` | no | nobody is there |\n",
    ),
)
EXCLUDED = text("11-system.md", 'is `"pong"`.\n', 'is `"pong"`.\n\n*Excluded: nobody looks.*\n')
OTHER_REASON = text("11-system.md", "*Excluded: nobody looks.*", "*Excluded: nobody can look.*")
