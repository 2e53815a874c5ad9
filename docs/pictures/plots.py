"""Draw the plots of two pages as SVG: ``python docs/pictures/plots.py [FOLDER]``; it needs matplotlib.

The figures are those of docs/reference-server.md and docs/interop.md. Each picture also says them in words, by which
a test notices that the page has other ones.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from page_figures import INTEROP, KINDS, PERFORMANCE, Pair, Speeds, amount, pairs, speeds, told

HERE = Path(__file__).parent
INK, QUIET, PAPER, LINE = "#1b1f24", "#57606a", "#ffffff", "#d0d7de"
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # it comes with matplotlib, which measures texts by it
    "font.size": 11,
    "hatch.linewidth": 0.8,
    "legend.fontsize": 10.5,
    "svg.fonttype": "none",  # texts stay texts
    "svg.hashsalt": "plots",
    "text.color": INK,
}
WIDTH = 600
"""The width of the pictures, in points. More would make the letters too small on a phone."""
COLUMN = 13
"""The letters of a line in a column."""
LEADING = 14
"""The distance of lines, in points."""


class Look(NamedTuple):
    """How a bar looks; the hatch tells bars apart without their colours."""

    colour: str
    edge: str
    hatch: str = ""


LOOKS = {
    "work": Look("#a6dcc3", "#1f7a55"),
    "noted": Look("#fff0b3", "#8a6d00", "----"),
    "client": Look("#f4a582", "#9a3412", "////"),
    "server": Look("#c5b5e6", "#4b2e91", "xxxx"),
    "not run": Look("#ffffff", "#57606a", "\\\\\\\\"),
}
BEHIND = {"facecolor": PAPER, "edgecolor": "none", "pad": 1.5}
"""The ground of texts on lines."""
OURS, THEIRS = Look("#2f6db3", "#1d4a7a"), Look("#f9cfa6", "#9a3412", "////")


def main(folder: Path) -> None:
    """Write both pictures."""
    table, matrix = speeds(PERFORMANCE.read_text("utf-8")), pairs(INTEROP.read_text("utf-8"))
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        performance = svg(speed_plot(table), f"Performance of {' and '.join(table.names)}", table.description)
        interop = svg(matrix_plot(matrix), "Which client works with which server", told(matrix))
    (folder / "performance.svg").write_text(performance, "utf-8")
    (folder / "interop.svg").write_text(interop, "utf-8")


def speed_plot(table: Speeds) -> Figure:
    """Return a plot with two bars for each workload, their figures beside them."""
    head, pitch, foot, margin = 60, 62, 42, 14
    height = head + pitch * len(table.workloads) + foot
    figure, page = _page(height)
    _legend(page, (margin, 14), zip(table.names, (OURS, THEIRS), strict=True))
    page.text(margin, 46, table.conditions, color=QUIET, size=10)
    place = (margin / WIDTH, foot / height, 1 - 2 * margin / WIDTH, 1 - (head + foot) / height)
    axes = figure.add_axes(place, xscale="log", ylim=(pitch * len(table.workloads), 0), yticks=[], facecolor="none")
    figures = [amount(text) for each in table.workloads for text in (each.ours, each.theirs)]
    ticks = [10**power for power in range(len(str(min(figures))) - 1, len(str(max(figures))) + 1)]
    least = ticks[0]
    axes.set_xlim(least, max(figures) * 40)
    axes.set_xticks(ticks, [f"{each:,}".replace(",", " ") for each in ticks], color=QUIET, size=10)
    axes.set_xlabel("per second, logarithmic scale", color=QUIET, size=10)
    axes.tick_params(which="both", length=0)
    axes.minorticks_off()
    axes.grid(axis="x", color=LINE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    for number, each in enumerate(table.workloads):
        top = pitch * number
        axes.text(least, top + 14, each.name, weight="bold", bbox=BEHIND)
        for y, text, look in ((top + 28, each.ours, OURS), (top + 45, each.theirs, THEIRS)):
            _bar(axes, (least, y), (amount(text) - least, 15), look)
            said = f"{text} ({each.ratio} times)" if look is OURS else text
            end = (amount(text), y)
            axes.annotate(said, end, (5, 0), textcoords="offset points", va="center_baseline", bbox=BEHIND)
    return figure


def matrix_plot(matrix: Sequence[Pair]) -> Figure:
    """Return a plot with a stacked bar for each pair, in rows of clients and columns of servers, its counts below."""
    clients = list(dict.fromkeys(each.client for each in matrix))
    servers = list(dict.fromkeys(each.server for each in matrix))
    head, pitch, margin, names, gap = 114, 44, 14, 104, 12
    width = (WIDTH - 2 * margin - names + gap) / len(servers)
    figure, page = _page(head + pitch * len(clients))
    used = [kind for kind in KINDS if any(kind in each.counts for each in matrix)]
    _legend(page, (margin, 14), ((KINDS[kind], LOOKS[kind]) for kind in used))
    page.text(margin, 46, "number of stories, for each client with each server", color=QUIET, size=10)
    page.text(margin, head - 16, "client ↓  server →", color=QUIET, size=10)
    for column, server in enumerate(servers):
        lines = _lines(server)
        _write(page, (margin + names + column * width, head - 16 - LEADING * (len(lines) - 1)), lines)
    for row, client in enumerate(clients):
        y = head + row * pitch
        page.axhline(y - 6, margin / WIDTH, 1 - margin / WIDTH, color=LINE, linewidth=0.7)
        lines = _lines(client)
        _write(page, (margin, y + 20 - LEADING / 2 * (len(lines) - 1)), lines)
    for each in matrix:
        x, y = margin + names + servers.index(each.server) * width, head + clients.index(each.client) * pitch
        _stacked(page, (x, y + 9), width - gap, each)
    return figure


def _stacked(page: Axes, place: tuple[float, float], width: float, pair: Pair) -> None:
    """Draw the bar of a pair, and its counts, which stand apart even where the parts of the bar are narrow."""
    x, y = place
    scale = width / sum(pair.counts.values())
    middles: list[float] = []
    for kind, number in pair.counts.items():
        _bar(page, (x, y), (number * scale, 18), LOOKS[kind])
        middles.append(max([x + number * scale / 2, *(each + 11 for each in middles[-1:])]))
        x += number * scale
    over = max(0.0, middles[-1] + 4 - x)
    for middle, number in zip(middles, pair.counts.values(), strict=True):
        page.text(middle - over, y + 21, str(number), ha="center")


def _page(height: float) -> tuple[Figure, Axes]:
    """Return an empty picture, and axes that cover it, in points from the top left corner."""
    figure = Figure(figsize=(WIDTH / 72, height / 72), facecolor=PAPER)
    page = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
    page.set_axis_off()
    return figure, page


def _bar(axes: Axes, place: tuple[float, float], size: tuple[float, float], look: Look) -> None:
    """Draw a bar from the middle of its left side, with a width and a height."""
    bars = axes.barh(place[1], size[0], size[1], place[0], color=look.colour, edgecolor=look.edge, hatch=look.hatch)
    for bar in bars:
        bar.set(linewidth=0.8, clip_on=False)


def _legend(page: Axes, place: tuple[float, float], looks: Iterable[tuple[str, Look]]) -> None:
    patches = [Patch(facecolor=look.colour, edgecolor=look.edge, hatch=look.hatch, label=name) for name, look in looks]
    page.legend(
        handles=patches,
        loc="upper left",
        bbox_to_anchor=place,
        bbox_transform=page.transData,
        ncols=len(patches),
        frameon=False,
        borderpad=0,
        borderaxespad=0,
        columnspacing=1.5,
        handlelength=1.8,
        handleheight=1.1,
    )


def _write(page: Axes, place: tuple[float, float], lines: Iterable[str]) -> None:
    """Write lines below each other, the first one with its baseline at a place."""
    for number, line in enumerate(lines):
        page.text(place[0], place[1] + LEADING * number, line)


def _lines(name: str) -> list[str]:
    """Return a name in lines that are narrow enough for a column."""
    lines = [""]
    for piece in re.findall(r"[^ _]+[ _]?", name):
        if len(lines[-1] + piece.rstrip()) > COLUMN or lines[-1].endswith(", "):
            lines.append("")
        lines[-1] += piece
    return [each.rstrip() for each in lines]


def svg(figure: Figure, title: str, description: str) -> str:
    """Return a plot as SVG that says what it shows in words, too, and loads nothing."""
    octets = io.BytesIO()
    figure.savefig(octets, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    _, head, body = re.split(r"(<svg [^>]+)>\n", octets.getvalue().decode("utf-8"), maxsplit=1)
    words = f"<title>{escape(title)}</title>\n<desc>{escape(description)}</desc>"
    return f'{head} role="img">\n{words}\n' + re.sub(" +$", "", body, flags=re.MULTILINE)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else HERE)
