"""Another protocol under the gate: like STOMP, begun with ``gate init``, and changed twenty times."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from conformance.cli.gate import gate

SENTENCES = (
    "A client MUST send `CONNECT` as its first frame.",
    "A server MUST answer `CONNECT` with `CONNECTED`.",
    "A sender MUST end every frame with the octet 0.",
    "A sender MUST write one header on each line.",
    "A receiver MUST ignore a header that it does not know.",
    "A server MUST send a `MESSAGE` to every subscriber of its destination.",
    "A server MUST answer a frame that has a `receipt` with `RECEIPT`.",
    "A server MUST close the connection after `ERROR`.",
    "A client SHOULD send a `heart-beat` every 10 seconds.",
    "A server MUST accept a body of up to 65536 octets.",
)
TEXT = {"type": "string", "minLength": 1}
SCHEMAS = {
    "send": {"properties": {"destination": TEXT, "receipt": TEXT, "body": {"type": "string"}}},
    "subscribe": {"properties": {"destination": TEXT, "ack": {"enum": ["auto", "client"], "default": "auto"}}},
    "message": {"properties": {"destination": TEXT, "message-id": TEXT, "body": {"type": "string"}}},
}
ROWS = {
    "framing": "| end of a frame | the octet 0 |",
    "states": "| new | CONNECT | open |\n| open | ERROR | closed |",
    "error-codes": "| bad-frame | yes | a frame cannot be read |",
    "limits": "| body of a frame | at least | 65536 | octets | server | receiver | MSG-010 |",
    "envelopes": "| SEND | client | `send` |",
    "messages": "| any | SUBSCRIBE | client | subscribe | subscribe |\n| any | MESSAGE | server | publish | message |",
}
VECTOR = {
    "id": "frames/send",
    "description": "A frame.",
    "requirements": ["MSG-003"],
    "state": "open",
    "body": {"text": "SEND\ndestination:/queue/a\n\nhello\u0000"},
    "expect": {"outcome": "accepted"},
}


def run(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(gate, [*arguments, "--tree", str(root)])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The protocol, released as 1.0."""
    tree = tmp_path / "stomp"
    assert CliRunner().invoke(gate, ["init", str(tree)]).exit_code == 0
    chapter = tree / "spec" / "01-messages.md"
    text = chapter.read_text("utf-8")
    _, tables = text.split("\n## The table of ", 1)
    sentences = "\n\n".join(f"**[MSG-{number:03}]** {each}" for number, each in enumerate(SENTENCES, 1))
    text = f"# Messages (MSG)\n\n{sentences}\n\n## The table of {tables}"
    for table, rows in ROWS.items():
        before, after = text.split(f"<!-- {table} -->\n")
        head, rule, *rest = after.split("\n")
        rest = [line for line in rest if not line.startswith("| any | greeting") and "| greeting |" not in line]
        text = f"{before}<!-- {table} -->\n" + "\n".join([head, rule, rows, *rest])
    chapter.write_text(text, "utf-8")
    (tree / "schemas" / "greeting.schema.json").unlink()
    (tree / "schemas" / "vectors" / "greeting.json").unlink()
    (tree / "schemas" / "vectors" / "frames.json").write_text(json.dumps({"vectors": [VECTOR]}), "utf-8")
    for name, schema in SCHEMAS.items():
        required = [member for member in schema["properties"] if member in ("destination", "message-id")]
        identifier = f"https://stomp.example/v1/{name}.schema.json"
        document = {"$id": identifier, "type": "object", "required": required, **schema}
        (tree / "schemas" / f"{name}.schema.json").write_text(json.dumps(document, indent=1), "utf-8")
    (tree / "spec" / "requirements.json").unlink()
    assert run(tree, "freeze", "1.0").stderr == ""
    return tree


def change_schema(root: Path, name: str, members: dict[str, Any], **keywords: Any) -> None:
    path = root / "schemas" / f"{name}.schema.json"
    document = json.loads(path.read_text("utf-8"))
    document["properties"] |= members
    path.write_text(json.dumps(document | keywords, indent=1), "utf-8")


CHAPTER = "01-messages.md"
CHANGES: list[tuple[str, str, Any, int]] = [
    ("a new optional header", "1.1", ("send", {"priority": {"type": "integer"}}, {}), 0),
    ("a new optional header as a patch", "1.0.1", ("send", {"priority": {"type": "integer"}}, {}), 1),
    ("a header that was optional is required", "1.1", ("send", {}, {"required": ["destination", "receipt"]}), 1),
    ("a shorter destination", "1.1", ("subscribe", {"destination": {**TEXT, "maxLength": 64}}, {}), 1),
    ("another default", "1.1", ("subscribe", {"ack": {"enum": ["auto", "client"], "default": "client"}}, {}), 1),
    (
        "the enum in another order",
        "1.0.1",
        ("subscribe", {"ack": {"enum": ["client", "auto"], "default": "auto"}}, {}),
        0,
    ),
    ("a new value that clients may send", "1.1", ("subscribe", {"ack": {"enum": ["auto", "client", "each"]}}, {}), 1),
    ("a message without an id", "1.1", ("message", {}, {"required": ["destination"]}), 1),
    ("a title", "1.0.1", ("message", {}, {"title": "Message"}), 0),
    ("a duty raised", "1.1", ("SHOULD send a `heart-beat`", "MUST send a `heart-beat`"), 1),
    ("a duty lowered", "1.1", ("MUST close the connection", "SHOULD close the connection"), 1),
    ("a duty of another role", "1.1", ("A client MUST send `CONNECT`", "A server MUST send `CONNECT`"), 1),
    ("a comma", "1.0.1", ("send `CONNECT` as", "send `CONNECT`, as"), 0),
    ("a smaller body", "1.1", ("| at least | 65536 |", "| at least | 32768 |"), 1),
    ("an error that is not fatal", "1.1", ("| bad-frame | yes |", "| bad-frame | no |"), 1),
    ("another end of frames", "1.1", ("the octet 0 |", "a line feed |"), 1),
    ("a new code", "1.1", ("| a frame cannot be read |", "| a frame cannot be read |\n| busy | no | later |"), 1),
    ("another state", "1.1", ("| open | ERROR | closed |", "| open | ERROR | open |"), 1),
    ("a message of the other side", "1.1", ("| SUBSCRIBE | client |", "| SUBSCRIBE | server |"), 1),
    ("a table that is gone", "1.1", ("<!-- limits -->", ""), 2),
]


@pytest.mark.parametrize("case", CHANGES, ids=[each[0] for each in CHANGES])
def test_change_of_another_protocol(root: Path, case: tuple[str, str, Any, int]) -> None:
    _, version, change, status = case
    if len(change) == 3:
        name, members, keywords = change
        change_schema(root, name, members, **keywords)
    else:
        chapter = root / "spec" / CHAPTER
        text = chapter.read_text("utf-8")
        assert text.count(change[0]) == 1
        chapter.write_text(text.replace(*change), "utf-8")
    title = root / "spec" / "README.md"
    title.write_text(title.read_text("utf-8").replace("Protocol 1.0", f"Protocol {version}"), "utf-8")
    ids = ", ".join(f"MSG-{number:03}" for number in range(1, 11))
    (root / "CHANGELOG.md").write_text(f"### Protocol {version}\n\n{ids}\n", "utf-8")
    result = run(root)
    assert result.exit_code == status, result.output
    assert "itself failed" not in result.stderr


def test_smallest_tree_is_accepted_and_found_from_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(gate, ["init", "new"]).stdout.splitlines()[-1] == (
        "next: ipc-conformance gate freeze 1.0 --tree new"
    )
    assert run(Path("new"), "freeze", "1.0").exit_code == 0
    monkeypatch.chdir(tmp_path / "new" / "schemas" / "vectors")
    result = CliRunner().invoke(gate, [])
    assert (result.exit_code, result.stdout) == (0, "accepted: 1.0 against release 1.0 (1.0): nothing differs\n")
    again = CliRunner().invoke(gate, ["init", str(tmp_path / "new")])
    assert (again.exit_code, again.stderr) == (2, f"{tmp_path}/new: not empty; name a new folder\n")
    monkeypatch.chdir(tmp_path)
    outside = CliRunner().invoke(gate, [])
    assert outside.exit_code == 2
    assert "--tree names another folder" in outside.stderr


def test_missing_tables_are_told_together_with_their_columns(root: Path) -> None:
    chapter = root / "spec" / CHAPTER
    text = chapter.read_text("utf-8").replace("<!-- limits -->\n", "").replace("<!-- encoding -->\n", "")
    chapter.write_text(text, "utf-8")
    said = run(root).stderr
    assert "<!-- encoding --> with the columns | property | value |, <!-- limits --> with the columns | limit |" in said
    assert len(said.splitlines()) == 1
