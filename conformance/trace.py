"""The wire trace: everything a case sent, received or noticed, with times."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal

Direction = Literal["sent", "received", "event"]

SHOWN_OCTETS = 512
"""Longest piece kept whole; a 16 MiB frame would drown the report, so beyond it head and tail are kept."""

SHOWN_FRAMES = 20
"""Of frames that were sent in one write, so many are shown one by one; what follows is one entry."""


@dataclass(frozen=True)
class Entry:
    """One line of a trace.

    ``at`` counts seconds from the start of the case; ``peer`` is the letter of the kit's connection.
    """

    at: float
    peer: str
    direction: Direction
    octets: int
    hex: str
    text: str

    def __str__(self) -> str:
        arrow = {"sent": "->", "received": "<-", "event": "--"}[self.direction]
        size = f" [{self.octets} octets]" if self.direction != "event" else ""
        return f"{self.at:9.4f} {self.peer} {arrow} {self.text}{size}"


EXAMPLE = "example "
"""Begins the event that tells which example of a property follows."""
CONNECTED = "connected"
ENDS_SENDING = "ends its sending side"
RESETS = "resets the connection"
"""The events that are deeds of the kit; a script does them again (see :mod:`conformance.report.script`)."""


class Trace:
    """Collects the entries of one case."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget everything and begin anew."""
        self.entries: list[Entry] = []
        self._start = time.monotonic()

    def octets(self, peer: str, direction: Direction, data: bytes) -> None:
        """Note octets that crossed the wire, each whole frame in them as an entry of its own, shown as its JSON."""
        for piece in _pieces(data):
            self.note(Entry(self._now(), peer, direction, len(piece), _hex(piece), _readable(piece)))

    def event(self, peer: str, text: str) -> None:
        """Note something that is not octets, such as an end of stream."""
        self.note(Entry(self._now(), peer, "event", 0, "", text))

    def note(self, entry: Entry) -> None:
        """Take an entry in."""
        self.entries.append(entry)

    def as_json(self) -> list[dict[str, Any]]:
        """Return the entries for the results file."""
        return [dict(vars(entry)) for entry in self.entries]

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


def _hex(data: bytes) -> str:
    if len(data) <= SHOWN_OCTETS:
        return data.hex()
    half = SHOWN_OCTETS // 2
    return f"{data[:half].hex()}...{data[-half:].hex()}"


def _readable(data: bytes) -> str:
    whole_frame = len(data) >= 4 and int.from_bytes(data[:4], "big") == len(data) - 4
    body = data[4:] if whole_frame else data
    shown = body if len(body) <= SHOWN_OCTETS else body[: SHOWN_OCTETS // 2] + b" ... " + body[-SHOWN_OCTETS // 2 :]
    try:
        text = shown.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    if not text.isprintable() or not text:
        text = f"octets {_hex(data)[:160]}"
    return text if whole_frame else f"(not one frame) {text}"


def render(entries: list[dict[str, Any]]) -> list[str]:
    """Return the lines of a trace that was stored with :meth:`Trace.as_json`."""
    return [str(Entry(**entry)) for entry in entries]
