"""The pictures of the pages: programs draw them from results and tables, and they need nothing else to be seen."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import page_figures
import pytest

from conformance.core.verdicts import Verdict
from conformance.results.case_result import CaseResult
from conformance.results.run import Run

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
SVG = "{http://www.w3.org/2000/svg}"
DRAW = "the page has other figures than its picture; python docs/pictures/plots.py draws it again"
SPEEDS = """\
| workload (here) | mine | `theirs` | ratio |
|---|---|---|---|
| requests/s | 1 200 | 60 | 20 |

More.
"""
MATRIX = """\
| client | s, bare | s |
|---|---|---|
| c | 3 work | 2 broken, 1 not run |
| c 2 | 1 noted, 2 work | 1 broken, 2 work |

### It is slow (fault of the client)

- note, `a`: c 2 with s, bare
- broken, `b`: c with s

### It is silent ([REQ-001](#x), fault of the server)

- broken, `a`: c, c 2 with s
"""


def texts(picture: Path) -> str:
    return "\n".join(each.text or "" for each in root_of(picture).iter(f"{SVG}text")).replace("\xa0", " ")


def root_of(picture: Path) -> ET.Element:
    return ET.parse(picture).getroot()  # noqa: S314 - a file of our own


def test_picture_of_the_readme_is_the_first_screen_and_loads_nothing() -> None:
    picture = PICTURES / "first-screen.svg"
    assert picture.relative_to(ROOT).as_posix() in (ROOT / "README.md").read_text("utf-8")
    seen = texts(picture)
    assert "ipc-framework 1.1.2: not conformant" in seen
    assert re.search(r"survey +yes", seen)
    assert re.search(r"^ +cases  cause", seen, re.MULTILINE)
    assert "CAUSE no-errors: The server sends no error answers." in seen
    assert re.findall(r"https?://[^\"' ]+", picture.read_text("utf-8")) == [SVG.strip("{}")]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")
def test_program_draws_what_the_kit_shows(tmp_path: Path) -> None:
    failed = CaseResult(
        "system/ping", ["SYS-003"], "must", Verdict.FAIL, False, 1.0, message="there was no <pong> & more"
    )
    Run("server", 1, target_name="mine", results=[failed], selected=1).write(tmp_path / "results.json")
    command = [sys.executable, *map(str, (PICTURES / "first_screen.py", tmp_path / "results.json", tmp_path / "a.svg"))]
    subprocess.run(command, check=True, timeout=60)
    seen = texts(tmp_path / "a.svg")
    assert "mine: not conformant" in seen
    assert "FAIL system/ping" in seen
    assert "there was no <pong> & more" in seen


def test_plot_of_the_performance_shows_the_table_of_its_page() -> None:
    table = page_figures.speeds(page_figures.PERFORMANCE.read_text("utf-8"))
    picture = PICTURES / "performance.svg"
    assert root_of(picture).findtext(f"{SVG}desc") == table.description, DRAW
    shown = texts(picture).splitlines()
    for each in table.workloads:
        place = shown.index(each.name)
        assert shown[place + 1 : place + 3] == [f"{each.ours} ({each.ratio} times)", each.theirs], DRAW
    assert set(table.names) <= set(shown)


def test_plot_of_the_matrix_shows_that_of_its_page_and_whose_fault_it_is() -> None:
    matrix = page_figures.pairs(page_figures.INTEROP.read_text("utf-8"))
    picture = PICTURES / "interop.svg"
    assert root_of(picture).findtext(f"{SVG}desc") == page_figures.told(matrix), DRAW
    shown = [each for each in texts(picture).splitlines() if each.isdecimal()]
    assert shown == [str(number) for each in matrix for number in each.counts.values()], DRAW
    assert len(matrix) == 25


@pytest.mark.parametrize("page", [page_figures.PERFORMANCE, page_figures.INTEROP], ids=["performance", "interop"])
def test_plot_is_on_its_page_and_small_and_loads_nothing(page: Path) -> None:
    name = "performance" if page == page_figures.PERFORMANCE else "interop"
    picture = PICTURES / f"{name}.svg"
    assert re.search(rf"^!\[.+\]\(pictures/{name}\.svg\)$", page.read_text("utf-8"), re.MULTILINE)
    assert picture.stat().st_size < 60_000
    text = picture.read_text("utf-8")
    assert set(re.findall(r"\w+://[^\"' ]+", text)) == {SVG.strip("{}"), "http://www.w3.org/1999/xlink"}
    assert set(re.findall(r"href=\"(.)|url\((.)", text)) <= {("#", ""), ("", "#")}
    assert root_of(picture).findtext(f"{SVG}title")


def test_figures_are_read_as_the_pages_write_them() -> None:
    table = page_figures.speeds(SPEEDS)
    assert table.description == "Measured: here. requests/s: mine 1 200, theirs 60."
    assert [page_figures.amount(each.ours) for each in table.workloads] == [1200]
    found = {(each.client, each.server): each.counts for each in page_figures.pairs(MATRIX)}
    assert found == {
        ("c", "s, bare"): {"work": 3},
        ("c", "s"): {"client": 1, "server": 1, "not run": 1},
        ("c 2", "s, bare"): {"work": 2, "noted": 1},
        ("c 2", "s"): {"work": 2, "server": 1},
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [("2 broken", "1 broken"), ("2 broken, ", ""), ("c, c 2 with s", "c with s"), ("fault of the server", "REQ-002")],
)
def test_causes_that_do_not_fit_the_matrix_are_refused(old: str, new: str) -> None:
    with pytest.raises(ValueError, match="with s: the causes do not fit"):
        page_figures.pairs(MATRIX.replace(old, new))


def test_page_without_its_table_is_refused() -> None:
    for read in (page_figures.speeds, page_figures.pairs):
        with pytest.raises(ValueError, match="there is no"):
            read("# A page\n")


def test_plots_drawn_again_are_the_same(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the session picture has matplotlib")
    command = [sys.executable, str(PICTURES / "plots.py"), str(tmp_path)]
    subprocess.run(command, check=True, timeout=120)
    drawn = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    assert drawn == {name: (PICTURES / name).read_bytes() for name in ("interop.svg", "performance.svg")}
