"""Diagrams as SVG, whose colours are CSS variables: the states of a connection, and sequences of messages."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

SEQUENCES = Path(__file__).with_name("sequences.toml")
WORKED_SESSION = "worked-session"
LETTER = 8
"""The width of a letter of the labels, in pixels."""
BOX_WIDTH, BOX_HEIGHT = 170, 36
LANE = 28

_STATE = re.compile(r"^\| `(\w+)` \| `(\w+)` \| `(\w+)` \| (.+) \|$", re.MULTILINE)
_FRAME = re.compile(
    r"^### \d+\. ([^\n]+)\n\n.*?\n\*\*([CS]) → [CS]\*\*.*?```(?:json|text)\n([^\n]+)\n```", re.MULTILINE | re.DOTALL
)
_STEP = re.compile(r"(\w+) (->|x) (\w+): (.+)")


@dataclass(frozen=True)
class Arrow:
    """A message from one party to another one; if it is a loss, the connection between them breaks."""

    source: str
    target: str
    text: str
    is_loss: bool = False


@dataclass(frozen=True)
class Story:
    """A sequence diagram.

    Attributes:
        id: its name.
        title: what it shows, in a few words.
        page: the chapter to which it belongs, below ``spec``.
        heading: the line of the heading under which it stands.
        parties: ids and names of those who send and receive.
        steps: arrows, and notes as strings.
    """

    id: str
    title: str
    page: str
    heading: str
    parties: dict[str, str]
    steps: tuple[Arrow | str, ...]

    @property
    def description(self) -> str:
        """The same as sentences, for those who do not see it."""
        names = self.parties
        return " ".join(
            f"{each}."
            if isinstance(each, str)
            else f"{names[each.source]} {'loses' if each.is_loss else 'to'} {names[each.target]}: {each.text}."
            for each in self.steps
        )


def states(chapter: str) -> list[tuple[str, str, str]]:
    """Return the rows of the chapter's table of states: state, event, next state.

    Raises ValueError if there is none.
    """
    found = [(state, event, then) for state, event, then, _ in _STATE.findall(chapter)]
    if not found:
        raise ValueError("the chapter has no table of states")
    return found


def ranks(rows: Sequence[tuple[str, str, str]]) -> dict[str, int]:
    """Return how far each state is from the first one, on the longest way.

    Raises ValueError if a way leads back.
    """
    found = {each: 0 for state, _, then in rows for each in (state, then)}
    for _ in found:
        for state, _, then in rows:
            found[then] = max(found[then], found[state] + 1)
    if any(found[then] <= found[state] for state, _, then in rows) or max(found.values()) >= len(found):
        raise ValueError("a state can be reached from itself; the diagram cannot show that")
    return found


def state_diagram(rows: Sequence[tuple[str, str, str]]) -> str:
    """Return the states as boxes below each other; ways that pass a state run beside them, to the right or left."""
    rank = ranks(rows)
    order = sorted(rank, key=lambda each: rank[each])
    events: dict[tuple[str, str], list[str]] = {}
    for state, event, then in rows:
        events.setdefault((state, then), []).append(event)
    long_ways = {then: None for state, then in events if order.index(then) - order.index(state) > 1}
    sides = {then: -1 if number % 2 == 0 else 1 for number, then in enumerate(sorted(long_ways, key=order.index))}
    longest = max(len(event) for _, event, _ in rows) * LETTER
    reach = BOX_WIDTH / 2 + longest + 24
    middle = reach + LANE
    pitch = BOX_HEIGHT + 24 + 18 * max(map(len, events.values()))
    top = {state: 12 + number * pitch for number, state in enumerate(order)}
    parts = []
    for (state, then), names in events.items():
        if order.index(then) - order.index(state) == 1:
            parts.append(_straight(middle, top[state] + BOX_HEIGHT, top[then], names))
        else:
            parts.append(_around(middle, sides[then] * reach, (top[state], top[then]), names))
    parts += [_box(state, middle, top[state]) for state in order]
    height = top[order[-1]] + BOX_HEIGHT + 12
    told = " ".join(f"From {state}, {' or '.join(names)} leads to {then}." for (state, then), names in events.items())
    return _svg("states", "The states of a connection", told, (2 * middle, height), parts)


def sequences(introduction: str) -> dict[str, Story]:
    """Return all sequence diagrams by id: those of the file, and the worked session of the introduction."""
    found = {WORKED_SESSION: _worked_session(introduction)}
    for each in tomllib.loads(SEQUENCES.read_text("utf-8"))["sequence"]:
        steps = tuple(_step(text) for text in each["steps"])
        found[each["id"]] = Story(each["id"], each["title"], each["page"], each["heading"], each["parties"], steps)
    return found


def sequence_diagram(wanted: Story) -> str:
    """Return a diagram with a line for each party, and an arrow or a note for each step."""
    longest = max(len(each.text) for each in wanted.steps if isinstance(each, Arrow)) * LETTER + 40
    distance = max(230.0, longest)
    places = {party: BOX_WIDTH / 2 + 4 + number * distance for number, party in enumerate(wanted.parties)}
    y = 12.0 + BOX_HEIGHT + 34
    parts: list[str] = []
    width = max(places.values()) + BOX_WIDTH / 2 + 4
    for step in wanted.steps:
        if isinstance(step, str):
            lines = _wrapped(step, int((width - 30) / LETTER))
            parts.append(
                f'<rect class="note" x="4" y="{y - 16:g}" width="{width - 8:g}" height="{18 * len(lines) + 8}" rx="4"/>'
            )
            parts += [_text(width / 2, y + 18 * number, line, "quiet") for number, line in enumerate(lines)]
            y += 18 * len(lines) + 26
        else:
            parts += _arrow(places[step.source], places[step.target], y, step)
            y += 42
    lines = [f'<path class="life" d="M{x:g} {12 + BOX_HEIGHT} V{y - 16:g}"/>' for x in places.values()]
    boxes = [_box(name, places[party], 12) for party, name in wanted.parties.items()]
    return _svg(wanted.id, wanted.title, wanted.description, (width, y), [*lines, *parts, *boxes])


def _worked_session(introduction: str) -> Story:
    steps = []
    for title, sender, text in _FRAME.findall(introduction):
        source, target = ("client", "server") if sender == "C" else ("server", "client")
        steps.append(Arrow(source, target, f"{title}: {_told(text)}"))
    if not steps:
        raise ValueError("the introduction has no frames")
    parties = {"client": "client", "server": "server"}
    heading = "## A session, octet by octet"
    return Story(WORKED_SESSION, "The session of this page", "00-introduction.md", heading, parties, tuple(steps))


def _told(text: str) -> str:
    """Return what a body says, in a few words."""
    try:
        message = json.loads(text)
    except ValueError:
        return text
    payload = message["payload"]
    error = payload.get("error")
    said = error["code"] if error else payload.get("action") or payload.get("status") or message["channel_id"]
    return f"{message['message_type']} {said}"


def _step(text: str) -> Arrow | str:
    found = _STEP.fullmatch(text)
    return Arrow(found[1], found[3], found[4], found[2] == "x") if found else text


def _svg(name: str, title: str, told: str, size: tuple[float, float], parts: Sequence[str]) -> str:
    width, height = size
    return (
        f'<svg class="diagram" role="img" aria-labelledby="{name}-title {name}-told" viewBox="0 0 {width:g} {height:g}"'
        f' width="{width:g}" xmlns="http://www.w3.org/2000/svg">'
        f'<title id="{name}-title" class="nohighlight">{escape(title)}</title>'
        f'<desc id="{name}-told" class="nohighlight">{escape(told)}</desc>'
        f'<defs><marker id="{name}-head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8"'
        f' orient="auto-start-reverse"><path class="head" d="M0 0 L8 4 L0 8 z"/></marker></defs>'
        + "".join(parts).replace("url(#head)", f"url(#{name}-head)")
        + "</svg>"
    )


def _text(x: float, y: float, text: str, kind: str = "", *, anchor: str = "middle") -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'


def _box(name: str, x: float, y: float) -> str:
    box = f'<rect class="box" x="{x - BOX_WIDTH / 2:g}" y="{y:g}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6"/>'
    return box + _text(x, y + BOX_HEIGHT / 2 + 5, name, "name")


def _straight(x: float, y: float, then: float, names: Sequence[str]) -> str:
    way = f'<path class="way" d="M{x:g} {y:g} V{then:g}" marker-end="url(#head)"/>'
    first = (y + then) / 2 - 9 * (len(names) - 1) + 4
    return way + "".join(_text(x + 10, first + 18 * number, each, anchor="start") for number, each in enumerate(names))


def _around(middle: float, reach: float, tops: tuple[float, float], names: Sequence[str]) -> str:
    """Draw a way that leaves a box at its side, runs beside the boxes, and ends at the side of another box."""
    side = 1 if reach > 0 else -1
    edge, lane = middle + side * BOX_WIDTH / 2, middle + reach
    start, end = (each + BOX_HEIGHT / 2 for each in tops)
    way = f'<path class="way" d="M{edge:g} {start:g} H{lane:g} V{end:g} H{edge:g}" marker-end="url(#head)"/>'
    where = edge + side * 12
    anchor = "start" if side > 0 else "end"
    return way + "".join(_text(where, start + 16 + 18 * n, each, anchor=anchor) for n, each in enumerate(names))


def _arrow(source: float, target: float, y: float, step: Arrow) -> list[str]:
    if step.is_loss:
        middle = (source + target) / 2
        cross = f"M{middle - 7:g} {y - 7:g} l14 14 m0 -14 l-14 14"
        way = f'<path class="loss" d="M{source:g} {y:g} H{target:g}"/><path class="cross" d="{cross}"/>'
        return [way, _text(middle, y - 12, step.text, "bad")]
    way = f'<path class="way" d="M{source:g} {y:g} H{target:g}" marker-end="url(#head)"/>'
    return [way, _text((source + target) / 2, y - 8, step.text)]


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
