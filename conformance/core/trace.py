"""The wire trace: everything that a case sent, received or observed, with times."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Direction = Literal["sent", "received", "event"]

SHOWN_OCTETS = 512
"""Longest piece that is kept whole. Of longer pieces, such as a 16 MiB frame, only head and tail are kept."""

SHOWN_FRAMES = 20
"""Number of frames of one write that get their own entries; the rest is one entry."""

EXAMPLE = "example "
"""The prefix of the event that announces an example of a property."""
CONNECTED = "connected"
ENDS_SENDING = "ends its sending side"
RESETS = "resets the connection"
"""The events that are actions of the kit; :mod:`conformance.reports.replay_script` repeats them."""


@dataclass(frozen=True)
class Entry:
    """One line of a trace in raw form; its text is only generated on demand.

    Attributes:
        at: seconds from the start of the case.
        peer: the letter of the kit's connection.
        octets: number of octets on the wire.
        head: the first octets; all of them, unless there are more than ``SHOWN_OCTETS``.
        tail: the last octets, if ``head`` does not have all.
        event: the event, if it is not octets.
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
        """The octets, or head and tail, in hexadecimal."""
        return f"{self.head.hex()}...{self.tail.hex()}" if self.tail else self.head.hex()

    @property
    def text(self) -> str:
        """The octets as the text of a body, if they are one, or the event."""
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
        """Record octets on the wire; each whole frame gets its own entry."""
        now = self._now()
        for piece in _pieces(data):
            whole = len(piece) <= SHOWN_OCTETS
            head, tail = (piece, b"") if whole else (piece[: SHOWN_OCTETS // 2], piece[-SHOWN_OCTETS // 2 :])
            self.note(Entry(now, peer, direction, len(piece), head, tail))

    def event(self, peer: str, text: str) -> None:
        """Record something that is not octets, such as an end of stream."""
        self.note(Entry(self._now(), peer, "event", event=text))

    def note(self, entry: Entry) -> None:
        """Add an entry."""
        self.entries.append(entry)

    def as_json(self) -> list[dict[str, Any]]:
        """Return the entries for the results file."""
        return [entry.as_json() for entry in self.entries]

    def _now(self) -> float:
        return round(time.monotonic() - self._start, 6)


def _pieces(data: bytes) -> list[bytes]:
    """Split off the whole frames at the beginning of ``data``, at most ``SHOWN_FRAMES``."""
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
