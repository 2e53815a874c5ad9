"""The site of the specification: its links, its ids and its diagrams; the session docs builds it whole."""

from __future__ import annotations

import json
import re
from collections import Counter
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree

import dead_links
import diagrams
import pytest
import staging

from conformance.cases.catalogue import all_cases
from conformance.protocol.requirements import load

ROOT = Path(__file__).parents[2]
INTRODUCTION = files("ipc_spec").joinpath("00-introduction.md").read_text("utf-8")
STORIES = diagrams.sequences(INTRODUCTION)
SVG = "{http://www.w3.org/2000/svg}"
ROWS = [("a", "go", "b"), ("a", "stop", "c"), ("b", "stop", "c")]


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("staged")
    staging.stage(ROOT, folder)
    return folder


def texts(drawing: str) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(drawing).iter(f"{SVG}text")]  # noqa: S314 - ours


def test_pages_of_the_index_are_there_and_every_chapter_and_guide_is_in_it(staged: Path) -> None:
    index = (staged / "index.md").read_text("utf-8")
    trees = re.findall(r"```\{toctree\}\n(?::\w+:[^\n]*\n)+\n(.*?)\n```", index, re.DOTALL)
    listed = {re.sub(r"^.*<(.*)>$", r"\1", line) for tree in trees for line in tree.splitlines()}
    assert [each for each in listed if not (staged / f"{each}.md").exists()] == []
    there = {
        path.relative_to(ROOT).with_suffix("").as_posix()
        for part in ("spec", "docs")
        for path in (ROOT / part).glob("*.md")
    }
    reached = re.findall(r"\]\(([\w/.-]+)\.md\)", index)
    assert there - listed - {*reached} == set()


def test_sources_are_staged_with_their_words(staged: Path) -> None:
    chapter = (ROOT / "spec" / "01-framing.md").read_text("utf-8")
    assert (staged / "spec" / "01-framing.md").read_text("utf-8") == chapter


@pytest.mark.parametrize(
    ("link", "leads"),
    [
        ("01-framing.md#sending-frames", "01-framing.md#sending-frames"),
        ("../schemas/connect.schema.json", "../schemas/connect.schema.md"),
        ("../schemas/tools/target.schema.json", "../schemas/tools/target.schema.md"),
        ("../schemas", "../schemas/README.md"),
        ("../conformance/gate/pages/undecided.md", "../gate-rules.md#undecided"),
        ("../conformance/gate/pages", "../gate-rules.md"),
        ("../noxfile.py", "project-file:noxfile.py.html"),
        ("../conformance/reports", "project-file:conformance/reports.html"),
        ("requirements.json", "project-file:spec/requirements.json"),
        ("https://example.org/a.md", "https://example.org/a.md"),
        ("#here", "#here"),
    ],
)
def test_links_lead_to_pages_of_the_site(link: str, leads: str) -> None:
    pages = {"spec/01-framing.md", "schemas/README.md", "schemas/connect.schema.md"}
    text = f"See [x]({link}), [y]({link}).\n```\n[x]({link})\n```\n"
    found = staging.with_links("spec/page.md", text, ROOT, pages, set())
    assert found == f"See [x]({leads}), [y]({leads}).\n```\n[x]({link})\n```\n"


@pytest.mark.parametrize(
    ("page", "link"),
    [
        ("README.md", "docs/pictures/first-screen.svg"),
        ("docs/interop.md", "pictures/interop.svg"),
        ("docs/reference-server.md", "pictures/performance.svg"),
    ],
)
def test_pictures_are_staged_as_they_are(staged: Path, page: str, link: str) -> None:
    picture = Path(page).parent / link
    assert (staged / picture).read_bytes() == (ROOT / picture).read_bytes()
    assert f"]({link})" in (staged / page).read_text("utf-8")


@pytest.mark.parametrize("link", ["nowhere.md", "../nowhere.py", "../tests/docs/nowhere"])
def test_a_link_to_nothing_is_named(link: str) -> None:
    with pytest.raises(ValueError, match=r"spec/page\.md links to .*nowhere"):
        staging.with_links("spec/page.md", f"[x]({link})", ROOT, set(), set())


def test_files_get_pages_that_show_them_as_text(tmp_path: Path) -> None:
    staging.add_files(ROOT, tmp_path, ["noxfile.py", "conformance/reports", "spec/requirements.json"])
    assert "session.posargs" in (tmp_path / "noxfile.py.html").read_text("utf-8")
    assert "junit.py: " in (tmp_path / "conformance" / "reports.html").read_text("utf-8")
    assert json.loads((tmp_path / "spec" / "requirements.json").read_text("utf-8"))["requirements"]


def test_text_of_a_file_is_no_markup(tmp_path: Path) -> None:
    project, output = tmp_path / "project", tmp_path / "site"
    (project / staging.STYLE).parent.mkdir(parents=True)
    (project / staging.STYLE).touch()
    (project / "a.py").write_text("x = '<b> & co'\n", "utf-8")
    staging.add_files(project, output, ["a.py"])
    shown = (output / "a.py.html").read_text("utf-8")
    assert "&lt;b&gt; &amp; co" in shown
    assert "<b>" not in shown


def test_folder_that_is_no_site_is_not_emptied(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="the session docs has Sphinx")
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(ValueError, match="is not empty and is no site of Sphinx"):
        __import__("build").build(tmp_path)
    assert (tmp_path / "thesis.txt").exists()


def test_every_id_has_one_link() -> None:
    links = Counter(staging.wanted_links())
    assert [each for each, number in links.items() if number > 1] == []
    assert "./spec/01-framing.html#FRM-001" in links
    assert len(links) > 2 * len(load()) + len(all_cases())


def test_error_codes_are_those_of_the_schemas() -> None:
    folder = files("ipc_schemas")
    fatal, others = json.loads(folder.joinpath("error-code.schema.json").read_text("utf-8"))["oneOf"]
    found = staging.error_codes()
    core = [(code, is_fatal) for code, is_fatal, _, profile in found if not profile]
    assert core == [*((code, True) for code in fatal["enum"]), *((code, False) for code in others["enum"])]
    assert {profile for *_, profile in found} == {"", "queue"}


def test_every_rule_of_the_gate_is_a_section(staged: Path) -> None:
    rules = {path.stem for path in (ROOT / "conformance" / "gate" / "pages").glob("*.md")}
    page = (staged / "gate-rules.md").read_text("utf-8")
    assert set(re.findall(r"^## (.+)$", page, re.MULTILINE)) == rules
    assert set(re.findall(r"^\| \[`([\w-]+)`\]", page, re.MULTILINE)) == rules


def test_states_are_drawn_with_every_event_of_the_table() -> None:
    rows = diagrams.states(INTRODUCTION)
    drawing = diagrams.state_diagram(rows)
    shown = Counter(texts(drawing))
    assert shown == Counter([event for _, event, _ in rows]) + Counter({each for row in rows for each in row[::2]})
    told = ElementTree.fromstring(drawing).findtext(f"{SVG}desc") or ""  # noqa: S314 - ours
    assert "From open, peer_ended leads to draining." in told


def test_a_way_back_cannot_be_drawn() -> None:
    assert diagrams.ranks(ROWS) == {"a": 0, "b": 1, "c": 2}
    for back in (("c", "again", "a"), ("a", "again", "a")):
        with pytest.raises(ValueError, match="reached from itself"):
            diagrams.state_diagram([*ROWS, back])


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_a_sequence_has_its_steps_and_names_what_exists(story: diagrams.Story) -> None:
    drawing = diagrams.sequence_diagram(story)
    shown = texts(drawing)
    arrows = [each for each in story.steps if isinstance(each, diagrams.Arrow)]
    assert {name for each in arrows for name in (each.source, each.target)} == set(story.parties)
    assert [each.text for each in arrows if each.text not in shown] == []
    words = " ".join(each if isinstance(each, str) else each.text for each in story.steps)
    assert set(re.findall(r"[A-Z]{3}-\d{3}", words)) <= load().keys()
    codes = {code for code, *_ in staging.error_codes()}
    assert set(re.findall(r"error (\w+_\w+)", words)) <= codes
    page = files("ipc_spec").joinpath(story.page).read_text("utf-8")
    assert staging.directive("diagram", story.id) in staging.with_diagrams(story.page, page)


def test_the_worked_session_is_drawn_frame_by_frame() -> None:
    steps = [each for each in STORIES[diagrams.WORKED_SESSION].steps if isinstance(each, diagrams.Arrow)]
    assert len(steps) == INTRODUCTION.count("```hex\n")
    assert steps[0] == diagrams.Arrow("client", "server", "Connect: request connect")
    assert steps[-1] == diagrams.Arrow("server", "client", "Fatal error: response malformed_frame")


GOOD = (
    '<h1 id="top">x</h1><a href="#top">x</a><a href="b/c.html#d">x</a><a href="https://example.org">x</a>'
    '<img src="i.png">'
)


def site(folder: Path, text: str) -> Path:
    (folder / "b").mkdir()
    (folder / "i.png").touch()
    (folder / "index.html").write_text(text, "utf-8")
    (folder / "b" / "c.html").write_text('<p id="d">x</p><a href="../index.html">x</a>', "utf-8")
    return folder


def test_a_good_site_has_no_problems(tmp_path: Path) -> None:
    assert dead_links.problems(site(tmp_path, GOOD), ["b/c.html#d", "i.png"]) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("#top", "#bottom", "index.html: dead link #bottom"),
        ("c.html#d", "c.html#e", "index.html: dead link b/c.html#e"),
        ("c.html#d", "nowhere.html", "index.html: dead link b/nowhere.html"),
        ("i.png", "nowhere.png", "index.html: loads nowhere.png"),
        ("i.png", "https://example.org/i.png", "index.html: loads https://example.org/i.png"),
        ("i.png", "//example.org/i.png", "index.html: loads //example.org/i.png"),
        ('href="https://example.org"', 'href="file:///tmp"', "index.html: dead link file:///tmp"),
    ],
)
def test_what_is_wrong_with_a_site_is_named(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert dead_links.problems(site(tmp_path, GOOD.replace(old, new, 1))) == [problem]


def test_a_missing_id_is_named(tmp_path: Path) -> None:
    assert dead_links.problems(site(tmp_path, GOOD), ["b/c.html#FRM-001"]) == ["there is no b/c.html#FRM-001"]


def test_a_dead_anchor_of_a_page_fails_the_build(tmp_path: Path) -> None:
    build = pytest.importorskip("sphinx.cmd.build", reason="the session docs has Sphinx")
    source = tmp_path / "source"
    source.mkdir()
    (source / "index.md").write_text("# A page\n\n[x](#a-page)\n", "utf-8")
    options = ["--fail-on-warning", "--quiet", "-c", str(ROOT / "docs" / "site"), str(source), str(tmp_path / "site")]
    assert build.main(options) == 0
    (source / "index.md").write_text("# A page\n\n[x](#no-page)\n", "utf-8")
    assert build.main(options) != 0
