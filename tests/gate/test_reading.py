"""What the gate refuses to read, since it could not judge it, and that it says which file, where and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from protocol_tree import Workshop

from conformance.gate.inputs.working_tree import Tree
from conformance.gate.model.release import ReleaseError
from conformance.gate.schemas.keywords import schema_problem

PONG = "schemas/pong.schema.json"
VECTORS = "schemas/vectors/batch.json"
OF_VECTORS = r"batch\.json: .*; see schemas/tools/vectors"


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path, vectors=("batch",))


def refused(workshop: Workshop, said: str) -> None:
    with pytest.raises(ReleaseError, match=said) as raised:
        Tree.read(workshop.root)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff", r"pong\.schema\.json: cannot be read"),
        (b"\xef\xbb\xbf{}", r"pong\.schema\.json:1: begins with a byte order mark"),
        (b'{"required": ["a"], "required": []}', r"pong\.schema\.json: .*the member 'required' twice"),
        (b'{"maximum": NaN}', r"pong\.schema\.json: .*NaN is not a number in JSON"),
        (b'{"maximum": 1e400}', r"pong\.schema\.json: not JSON that every parser reads the same way"),
        (b'{"title": "\\ud800"}', r"pong\.schema\.json: not JSON that every parser reads the same way"),
        (b'{"a":' * 100_000, r"pong\.schema\.json: nested too deep"),
    ],
)
def test_json_that_parsers_read_differently(workshop: Workshop, content: bytes, said: str) -> None:
    (workshop.root / PONG).write_bytes(content)
    refused(workshop, said)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "strng"}, "not valid under any of the given schemas|strng"),
        ({"required": 3}, r"/required"),
        ({"$schema": {}}, r"is no name of a dialect \(at /\$schema\)"),
        ({"properties": []}, r"/properties"),
        ({"properties": {"a": {"$ref": 5}}}, r"/properties/a/\$ref"),
        ({"properties": {"a": {"pattern": "("}}}, r"/properties/a"),
        (
            {"properties": {"a": {"pattern": r"\p{L}"}}},
            r"cannot both read the pattern .* \(at /properties/a\)",
        ),
        ({"patternProperties": {r"\p{L}": True}}, r"the pattern .* \(at the root\)"),
        ({"format": "uuid"}, r"the gate cannot judge the keyword format \(at the root\)"),
        ({"allOf": [{"dependentSchemas": {}}]}, r"the keyword dependentSchemas \(at /allOf/0\)"),
        ({"items": {"$dynamicRef": "#a"}}, r"the keyword \$dynamicRef \(at /items\)"),
        ({"properties": {"a": {"$id": "https://other.example/"}}}, r"the keyword \$id \(at /properties/a\)"),
        ({"$vocabulary": {}}, r"\$vocabulary"),
        ({"x-unit": "seconds"}, r"the keyword x-unit"),
    ],
)
def test_schema_that_the_gate_cannot_judge(workshop: Workshop, change: dict[str, Any], said: str) -> None:
    document = json.loads((workshop.root / PONG).read_text("utf-8"))
    (workshop.root / PONG).write_text(json.dumps(document | change), "utf-8")
    refused(workshop, rf"pong\.schema\.json: .*({said})")


def test_members_and_values_may_have_any_name() -> None:
    names = {
        "format": True,
        "$ref": True,
        "$id": {"type": "string"},
        "enum": True,
        "pattern": {"type": "string"},
        "x": {"enum": [{"format": 1}], "default": {"format": 1}},
    }
    assert schema_problem({"$id": "https://a.example/", "properties": names, "$defs": names}) is None


def test_id_that_two_files_have(workshop: Workshop) -> None:
    workshop.add("schemas/hello.schema.json", (workshop.root / PONG).read_text("utf-8"))
    refused(workshop, r"pong\.schema\.json: has the same \$id as hello\.schema\.json")


@pytest.mark.parametrize("target", ["gone.schema.json", "common.schema.json#/$defs/gone", "#/$defs/gone"])
def test_reference_that_leads_nowhere(workshop: Workshop, target: str) -> None:
    workshop.replace(PONG, '"properties": {', f'"properties": {{"a": {{"$ref": "{target}"}},')
    refused(workshop, r"pong\.schema\.json: a reference leads nowhere: .*gone")


def test_schema_that_refers_to_itself(workshop: Workshop) -> None:
    workshop.replace(PONG, '"properties": {', '"properties": {"a": {"$ref": "#"},')
    refused(workshop, r"pong\.schema\.json: refers to itself")


def test_schemas_that_refer_to_each_other(workshop: Workshop) -> None:
    workshop.replace(PONG, '"properties": {', '"properties": {"a": {"$ref": "time.schema.json#/properties/b"},')
    path = workshop.root / "schemas" / "time.schema.json"
    document = json.loads(path.read_text("utf-8"))
    document["properties"]["b"] = {"allOf": [{"$ref": "pong.schema.json"}]}
    path.write_text(json.dumps(document), "utf-8")
    refused(workshop, r"schemas/(pong|time)\.schema\.json: refers to itself")


def change_vector(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def changed(document: Any) -> Any:
        change(document["vectors"][0])
        return document

    return changed


@pytest.mark.parametrize(
    "change",
    [
        lambda _: {},
        lambda _: {"vectors": 3},
        lambda _: {"vectors": [{}]},
        change_vector(lambda v: v.pop("description")),
        change_vector(lambda v: v.update(skip=True)),
        change_vector(lambda v: v.update(body={"txt": "x"})),
        change_vector(lambda v: v.update(body={"hex": "zz"})),
        change_vector(lambda v: v.update(body={"text": "x", "hex": "78"})),
        change_vector(lambda v: v.update(expect="accepted")),
        change_vector(lambda v: v["expect"].update(fatal={})),
        change_vector(lambda v: v["expect"].update(fatal=0)),
        change_vector(lambda v: v["expect"].update(code=[])),
        change_vector(lambda v: v["expect"].update(reply_to=1)),
        change_vector(lambda v: v["expect"].pop("outcome")),
    ],
)
def test_vectors_of_another_form(workshop: Workshop, change: Callable[[Any], Any]) -> None:
    document = json.loads((workshop.root / VECTORS).read_text("utf-8"))
    (workshop.root / VECTORS).write_text(json.dumps(change(document)), "utf-8")
    refused(workshop, OF_VECTORS)


@pytest.mark.parametrize("file", ["CHANGELOG.md", "spec/README.md", "spec/09-errors.md"])
@pytest.mark.parametrize(("beginning", "said"), [(b"\xef\xbb\xbf", "byte order mark"), (b"\xff", "cannot be read")])
def test_text_that_is_no_plain_utf8(workshop: Workshop, file: str, beginning: bytes, said: str) -> None:
    path = workshop.root / file
    path.write_bytes(beginning + path.read_bytes())
    refused(workshop, rf"{path.name}(:1)?: .*{said}")


def test_chapter_that_is_empty(workshop: Workshop) -> None:
    (workshop.root / "spec" / "19-messages.md").write_text("", "utf-8")
    refused(workshop, "no chapter has a table marked <!-- envelopes -->")


def test_row_without_its_first_mark(workshop: Workshop) -> None:
    path = workshop.root / "spec" / "12-profiles.md"
    text = path.read_text("utf-8")
    row = next(line for line in text.splitlines() if line.startswith("| `security`"))
    path.write_text(text.replace(row, f"{row}\n`all` | [All](20-all.md) | | |"), "utf-8")
    refused(workshop, r"12-profiles\.md:\d+: follows the table profiles like a row")


def test_table_that_looks_like_a_marked_one(workshop: Workshop) -> None:
    workshop.append("spec/11-system.md", "\n| code | fatal | sent when |\n|---|---|---|\n| `again` | yes | twice |\n")
    refused(workshop, r"11-system\.md:\d+: a table without a mark has the columns of a marked one")


def test_readme_may_have_comments_of_other_tools(workshop: Workshop) -> None:
    table = "| code | fatal | sent when |\n|---|---|---|\n| `again` | yes | twice |\n"
    before = Tree.read(workshop.root).release
    workshop.append("spec/README.md", f"\n<!-- toc -->\n\n<!-- tocstop: end -->\n\n<!-- prettier-ignore -->\n{table}")
    assert Tree.read(workshop.root).release == before


def test_requirement_that_is_commented_out(workshop: Workshop) -> None:
    workshop.replace("spec/11-system.md", "**[SYS-003]**", "<!--\n\n**[SYS-003]**")
    refused(workshop, r"11-system\.md:\d+: a comment must end in its paragraph")


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (
            "19-messages.md",
            "`ping` | request |",
            "`ping` | reqest |",
            "the cell type in the table messages is 'reqest'; write request or",
        ),
        (
            "19-messages.md",
            "`ping` | request | client |",
            "`ping` | request | both |",
            "the cell from in the table messages is 'both'",
        ),
        (
            "19-messages.md",
            "| `service_instances` | `instance_added`",
            "| `a`, `b` | `instance_added`",
            "the cell channel in the table",
        ),
        (
            "19-messages.md",
            "`batch-response` | batch |",
            "`batch-response` | batches |",
            "the profile batches is not in",
        ),
        (
            "19-messages.md",
            "`system-request` | `time` |",
            "`system-request` | `tim` |",
            r"19-messages\.md:39: answer 'tim' is not a schema",
        ),
        (
            "09-errors.md",
            "| `no_handler` | no |",
            "| `no_handler` | maybe |",
            "the cell fatal in the table error-codes is 'maybe'; write yes or no",
        ),
        (
            "10-limits.md",
            "| 1073741824 |",
            "| 1 GiB |",
            "the cell value in the table limits is '1 GiB'; write a number in digits",
        ),
        (
            "12-profiles.md",
            "[Batch](15-batch.md)",
            "",
            "the cell chapter in the table profiles is ''; write a link to a chapter",
        ),
        (
            "09-errors.md",
            "| sent when |\n|---|",
            "| sent when | only |\n|---|---|",
            "a column 'only' that no gate rule covers",
        ),
    ],
)
def test_cell_that_is_none_of_its_words(workshop: Workshop, file: str, old: str, new: str, said: str) -> None:
    workshop.replace(f"spec/{file}", old, new)
    refused(workshop, said)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("<!-- term: live -->", "<!-- word: live -->", r"04-handshake\.md:\d+: there is no mark word; the marks are"),
        ("<!-- term: live -->", "<!-- members: connect -->", "there is no table below the mark <!-- members: connect"),
        ("<!-- term: live -->", "<!-- term: valid connect message -->", "is described a second time"),
        ("<!-- members: connect -->\n| member |", "<!-- members: connect -->\n| name |", "first column .* member"),
        ("<!-- members: connect -->\n", "<!-- actions: connect -->\n", "the table of actions lacks the column members"),
    ],
)
def test_mark_that_is_none(workshop: Workshop, old: str, new: str, said: str) -> None:
    workshop.replace("spec/04-handshake.md", old, new)
    refused(workshop, said)
