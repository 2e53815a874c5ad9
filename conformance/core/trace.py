"""The wire trace: everything a case sent, received or noticed, with times."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Direction = Literal["sent", "received", "event"]

SHOWN_OCTETS = 512
"""Longest piece kept whole; a 16 MiB frame would drown the report, so beyond it head and tail are kept."""

SHOWN_FRAMES = 20
"""Of frames that were sent in one write, so many are shown one by one; what follows is one entry."""

EXAMPLE = "example "
"""Begins the event that tells which example of a property follows."""
CONNECTED = "connected"
ENDS_SENDING = "ends its sending side"
RESETS = "resets the connection"
"""The events that are deeds of the kit; a script does them again (see :mod:`conformance.report.script`)."""


@dataclass(frozen=True)
class Entry:
    """One line of a trace, kept as it was; how it reads is made up only when somebody wants to read it.

    Attributes:
        at: seconds from the start of the case.
        peer: the letter of the kit's connection.
        octets: how many octets crossed the wire.
        head: the first of them, all unless there are more than ``SHOWN_OCTETS``.
        tail: the last of them, when ``head`` does not have them all.
        event: what happened, if it is not octets.
    """

    at: float
    peer: str
    direction: Direction
    octets: int = 0
    head: bytes = b""
    tail: bytes = b""
    event: str = ""

    @property
    def hex(self) -> str:
        """The octets, or head and tail."""
        return f"{self.head.hex()}...{self.tail.hex()}" if self.tail else self.head.hex()

    @property
    def text(self) -> str:
        """The octets as the text of a body, if that is what they are, or the event."""
        if self.direction == "event":
            return self.event
        is_frame = self.octets >= 4 and int.from_bytes(self.head[:4], "big") == self.octets - 4
        shown = self.head[4:] if is_frame else self.head
        try:
            text = (shown + b" ... " + self.tail if self.tail else shown).decode("utf-8")
        except UnicodeDecodeError:
            text = ""
        if not text.isprintable() or not text:
            text = f"octets {self.hex[:160]}"
        return text if is_frame else f"(not one frame) {text}"

    def as_json(self) -> dict[str, Any]:
        """Return the entry for the results file."""
        names = ("at", "peer", "direction", "octets", "hex", "text")
        return {name: getattr(self, name) for name in names}

    def __str__(self) -> str:
        return _line(self.as_json())


class Trace:
    """Collects the entries of one case."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget everything and begin anew."""
        self.entries: list[Entry] = []
        self._start = time.monotonic()

    def octets(self, peer: str, direction: Direction, data: bytes) -> None:
        """Note octets that crossed the wire, each whole frame in them as an entry of its own."""
        now = self._now()
        for piece in _pieces(data):
            whole = len(piece) <= SHOWN_OCTETS
            head, tail = (piece, b"") if whole else (piece[: SHOWN_OCTETS // 2], piece[-SHOWN_OCTETS // 2 :])
            self.note(Entry(now, peer, direction, len(piece), head, tail))

    def event(self, peer: str, text: str) -> None:
        """Note something that is not octets, such as an end of stream."""
        self.note(Entry(self._now(), peer, "event", event=text))

    def note(self, entry: Entry) -> None:
        """Take an entry in."""
        self.entries.append(entry)

    def as_json(self) -> list[dict[str, Any]]:
        """Return the entries for the results file."""
        return [entry.as_json() for entry in self.entries]

    def _now(self) -> float:
        return round(time.monotonic() - self._start, 6)


def _pieces(data: bytes) -> list[bytes]:
    """Cut off the whole frames that ``data`` begins with, up to a number that a person may want to read."""
    pieces: list[bytes] = []
    start = 0
    while len(pieces) < SHOWN_FRAMES and start + 4 <= len(data):
        end = start + 4 + int.from_bytes(data[start : start + 4], "big")
        if end > len(data):
            break
        pieces.append(data[start:end])
        start = end
    return [*pieces, data[start:]] if start < len(data) else pieces


def render(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the lines of a trace that was stored with :meth:`Trace.as_json`."""
    return [_line(entry) for entry in entries]


def _line(entry: Mapping[str, Any]) -> str:
    arrow = {"sent": "->", "received": "<-", "event": "--"}[entry["direction"]]
    size = f" [{entry['octets']} octets]" if entry["direction"] != "event" else ""
    return f"{entry['at']:9.4f} {entry['peer']} {arrow} {entry['text']}{size}"
