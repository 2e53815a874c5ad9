"""The matrix file: which cells it expects, what surprises it, and the page that follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance import implementations
from conformance.interop.expected import Expectations
from conformance.interop.matrix import Matrix
from conformance.interop.outcome import Cause, Outcome, Verdict
from conformance.interop.page import page
from conformance.interop.stories import STORIES
from conformance.protocol import requirements, schemas
from conformance.targets.config import TargetConfig

ROOT = Path(__file__).parents[3]
BUNDLED = Path(str(implementations.__file__)).with_name("interop.toml")
HEAD = 'clients = ["c.toml"]\nservers = ["s.toml"]\n'
ENTRY = """
[[cause]]
party = "server"
requirement = "REQ-001"
message = "it is silent"
verdict = "broken"
stories = ["request"]
clients = ["our *"]
except_clients = ["our old one"]
reason = "It never answers."
"""
CAUSE = Cause("server", "REQ-001", "it is silent")


@pytest.fixture
def expectations(tmp_path: Path) -> Expectations:
    return read(tmp_path, HEAD + ENTRY)


def read(folder: Path, text: str) -> Expectations:
    file = folder / "interop.toml"
    file.write_text(text, "utf-8")
    return Expectations.from_file(file)


def matrix(*outcomes: Outcome) -> Matrix:
    clients, servers = ({getattr(each, name): None for each in outcomes} for name in ("client", "server"))
    return Matrix(tuple(clients), tuple(servers), tuple(STORIES), outcomes)


def cell(verdict: Verdict, *causes: Cause, client: str = "our new one", story: str = "request") -> Outcome:
    return Outcome(client, "a server", story, verdict, causes)


def test_paths_begin_at_the_folder_of_the_file(expectations: Expectations, tmp_path: Path) -> None:
    assert expectations.clients == (tmp_path / "c.toml",)


@pytest.mark.parametrize(
    ("outcome", "lines"),
    [
        (cell(Verdict.BROKEN, CAUSE), None),
        (cell(Verdict.WORKS, story="publish"), None),
        (cell(Verdict.WORKS, client="our old one"), None),
        (cell(Verdict.WORKS, client="another"), None),
        (cell(Verdict.WORKS), ["expected: broken; found: works", "gone: server: it is silent [REQ-001]"]),
        (cell(Verdict.NOTE, CAUSE), ["expected: broken; found: note"]),
        (cell(Verdict.BROKEN, CAUSE, Cause("client", "", "it is late")), ["new: client: it is late"]),
        (
            cell(Verdict.BROKEN, Cause("client", "REQ-001", "it is silent")),
            ["new: client: it is silent [REQ-001]", "gone: server: it is silent [REQ-001]"],
        ),
    ],
)
def test_changed_cells_are_surprises(expectations: Expectations, outcome: Outcome, lines: list[str] | None) -> None:
    assert expectations.surprises(matrix(outcome)) == ([outcome] if lines else [])
    assert list(expectations.explain(outcome)) == (lines or [])


def test_alternatives_count_as_the_cause(tmp_path: Path) -> None:
    text = HEAD + ENTRY.replace("verdict", 'alternatives = ["it is *"]\nverdict')
    expectations = read(tmp_path, text)
    slow = cell(Verdict.BROKEN, Cause("server", "", "it is slow"), Cause("server", "", "it is silent, too"))
    assert expectations.surprises(matrix(slow)) == []
    assert expectations.named(matrix(slow)).outcomes[0].causes == (CAUSE,)
    other = cell(Verdict.BROKEN, Cause("client", "", "it is slow"))
    assert expectations.surprises(matrix(other)) == [other]
    expectations = read(tmp_path, text.replace('"it is *"', '"client: it is s*"'))
    assert expectations.surprises(matrix(other)) == []
    assert expectations.surprises(matrix(slow)) == [slow]


def test_causes_of_no_cell_are_found(expectations: Expectations) -> None:
    assert [each.cause for each in expectations.idle(matrix(cell(Verdict.WORKS, client="another")))] == [CAUSE]
    assert expectations.idle(matrix(cell(Verdict.WORKS))) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (HEAD + ENTRY.replace('"request"', '"nonsense"'), "there is no story nonsense"),
        (HEAD + ENTRY.replace('"server"', '"nobody"'), "is not one of"),
        *(
            (HEAD + ENTRY.replace("verdict", f'alternatives = ["{pattern}"]\nverdict'), "does not match")
            for pattern in ("", "*", "?*", "client: *", "server: ", "[!x]*", "client: [a-z]*")
        ),
        (HEAD + ENTRY.replace("REQ-001", "REQ-1"), "does not match"),
        (HEAD + ENTRY.replace("REQ-001", "REQ-0011"), "is too long"),
        (HEAD + ENTRY.replace("REQ-001", "silent"), "does not match"),
        (HEAD + ENTRY.replace('reason = "It never answers."', ""), "'reason' is a required property"),
        (ENTRY, "'clients' is a required property"),
    ],
)
def test_wrong_files_are_refused(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=why):
        read(tmp_path, text)


def test_results_survive_a_file(tmp_path: Path) -> None:
    whole = matrix(cell(Verdict.BROKEN, CAUSE), cell(Verdict.WORKS, story="publish"))
    assert schemas.problem("tools/interop", whole.as_json()) is None
    file = tmp_path / "results.json"
    file.write_text(whole.text(), "utf-8")
    assert Matrix.from_file(file) == whole


@pytest.mark.parametrize("pattern", ["*a*", "client: *a", "[ab]c", "it: *", "server: ?x"])
def test_a_pattern_that_some_messages_match_is_taken(pattern: str, tmp_path: Path) -> None:
    assert read(tmp_path, HEAD + ENTRY.replace("verdict", f'alternatives = ["{pattern}"]\nverdict')).causes


@pytest.mark.parametrize("requirement", ["REQ-1", "req-001", "REQ-0011", "nothing"])
def test_results_with_a_requirement_that_is_no_id_are_refused(requirement: str) -> None:
    wrong = matrix(cell(Verdict.BROKEN, Cause("server", requirement, "it is silent")))
    assert schemas.problem("tools/interop", wrong.as_json()) is not None
    none = matrix(cell(Verdict.BROKEN, Cause("server", "", "it is silent")))
    assert schemas.problem("tools/interop", none.as_json()) is None


def test_results_with_an_unknown_story_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text(matrix(cell(Verdict.WORKS)).text().replace('"request"', '"nonsense"'), "utf-8")
    with pytest.raises(ValueError, match="there is no story nonsense"):
        Matrix.from_file(file)


def test_the_page_tells_notes_from_what_broke_a_story(tmp_path: Path) -> None:
    note = Cause("client", "", "it is odd")
    entry = ENTRY.replace("REQ-001", "").replace("server", "client").replace("it is silent", note.message)
    expectations = read(tmp_path, HEAD + entry.replace("broken", "note") + ENTRY)
    expected = expectations.of("our new one", "a server", "request")
    assert (expected.verdict, expected.causes) == (Verdict.BROKEN, (CAUSE, note))
    for outcome in (expected, cell(Verdict.BROKEN, CAUSE, note)):
        text = page(matrix(outcome), expectations)
        odd = text.index("### It is odd (fault of the client)\n")
        silent = text.index("### It is silent ([REQ-001](../spec/05-requests.md#answering), fault of the server)\n")
        assert "- note, `request`: our new one" in text[odd:silent]
        assert "- broken, `request`: our new one" in text[silent:]
        assert "- broken" not in text[odd:silent]


def bundled() -> tuple[Expectations, Matrix]:
    expectations = Expectations.from_file(BUNDLED)
    names = [
        [TargetConfig.from_file(file).title for file in files] for files in (expectations.clients, expectations.servers)
    ]
    return expectations, expectations.matrix(*names)


def test_every_expected_cause_is_one_of_a_cell() -> None:
    expectations, whole = bundled()
    assert expectations.idle(whole) == []
    ids = {each.cause.requirement for each in expectations.causes} - {""}
    assert ids <= set(requirements.load())


def test_the_page_is_that_of_the_expected_matrix() -> None:
    """The session interop-matrix shows that the expected matrix is what really happens."""
    expectations, whole = bundled()
    assert (ROOT / "docs" / "interop.md").read_text("utf-8") == page(whole, expectations)
