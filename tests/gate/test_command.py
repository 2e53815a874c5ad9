"""``ipc-conformance gate``: what it prints and writes, its exit status, drafts, waivers, and what cannot be read."""

from __future__ import annotations

import datetime
import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result
from junit_shape import misfits
from protocol_tree import ROOT, Workshop

from conformance.cli.gate import gate
from conformance.gate.inputs.table_columns import KEYS
from conformance.gate.inputs.working_tree import Tree
from conformance.gate.judge import judge
from conformance.gate.waivers import read_waivers
from conformance.protocol import schemas
from conformance.protocol.requirements import to_json

NARROWED = (
    "schemas/connect.schema.json",
    '"token": {\n      "type": "string"\n',
    '"token": {\n      "type": "string",\n      "minLength": 8\n',
)
REWORDED = ("spec/07-publish-subscribe.md", "as having no further effect", "as having no extra effect")


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """A tree whose release 1.0 is frozen, and that one stands in."""
    monkeypatch.chdir(tmp_path)
    made = Workshop(tmp_path, vectors=("batch",))
    assert invoke(made, "freeze", "1.0").exit_code == 0
    return made


def invoke(workshop: Workshop, *arguments: str) -> Result:
    workshop.extract()
    command = [*arguments, "--tree", str(workshop.root)]
    return CliRunner().invoke(gate, command)


def narrowed(workshop: Workshop, version: str = "1.1") -> Workshop:
    workshop.replace(*NARROWED)
    workshop.call_it(version, "- Tokens have at least eight characters.")
    if not version.startswith("1."):
        workshop.renumber(version.partition(".")[0])
    return workshop


def test_tree_without_a_difference_is_accepted(workshop: Workshop) -> None:
    result = invoke(workshop)
    assert (result.exit_code, result.output) == (0, "accepted: 1.0 against release 1.0 (1.0): nothing differs\n")


def test_tree_without_a_difference_loads_no_library_that_only_searches_need(workshop: Workshop) -> None:
    code = (
        "import sys; from conformance.cli.gate import gate; gate(sys.argv[1:], standalone_mode=False); "
        "print(*{'hypothesis', 'jsonschema', 'rich'} & sys.modules.keys())"
    )
    command = [sys.executable, "-c", code, "--tree", str(workshop.root)]
    assert subprocess.check_output(command, text=True).splitlines()[1:] == [""]


def test_refusal_says_rule_place_direction_witness_and_remedy(workshop: Workshop) -> None:
    result = invoke(narrowed(workshop))
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0] == "refused  senders-broken  schemas/connect.schema.json:20"
    labels = [line.split()[0] for line in lines[2:-2]]
    assert labels[:3] == ["breaks", "needs", "witness"]
    assert lines[2].split(maxsplit=1)[1] == "clients of 1.0"
    assert lines[3].split(maxsplit=1)[1] == "version 2.0"
    assert "a sender of 1.0 may send this, a receiver of 1.1 refuses it" in lines[4]
    message = json.loads(lines[5])
    assert schemas.problem("connect-message", message) is None
    assert len(message["payload"]["token"]) < 8
    assert lines[-1] == (
        "refused: 1.1 against release 1.0 (1.0): 1 refused, 0 accepted, 0 waived; "
        "what may change at all needs version 2.0"
    )


def test_major_version_may_break(workshop: Workshop) -> None:
    result = invoke(narrowed(workshop, "2.0"), "-v")
    assert result.exit_code == 0
    assert result.output.startswith("accepted senders-broken  schemas/connect.schema.json:20  connect")


def test_json_says_the_same(workshop: Workshop) -> None:
    narrowed(workshop)
    file = workshop.root / "gate.json"
    result = invoke(workshop, "--format", "json", "--json", str(file))
    content = json.loads(result.output)
    assert content == json.loads(file.read_text("utf-8"))
    assert schemas.problem("tools/gate", content) is None
    assert (content["accepted"], content["needs"], content["old"], content["new"]) == (False, "major", "1.0", "1.1")
    (finding,) = content["findings"]
    assert (finding["rule"], finding["verdict"], finding["breaks"]) == ("senders-broken", "refused", ["senders"])
    assert finding["who"] == ["client"]
    assert (finding["file"], finding["line"]) == ("schemas/connect.schema.json", 20)
    assert finding["witness"]["refused_by"] == "1.1"


def test_junit_has_a_failure_for_each_refusal(workshop: Workshop) -> None:
    narrowed(workshop)
    file = workshop.root / "gate.xml"
    invoke(workshop, "--junit", str(file))
    assert misfits(file.read_text("utf-8")) == []
    suite = ET.parse(file).getroot()  # noqa: S314 - written by the test itself
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert [case.get("classname") for case in suite if case.find("failure") is not None] == ["senders-broken"]


def test_annotations_stand_at_the_line_and_are_escaped(workshop: Workshop) -> None:
    result = invoke(narrowed(workshop), "--format", "github")
    line, verdict = result.output.splitlines()
    assert line.startswith("::error file=schemas/connect.schema.json,line=20,title=senders-broken::refused")
    assert "%0A" in line
    assert verdict.startswith("::error::refused: 1.1 against release 1.0 (1.0): 1 refused, 0 accepted")


def test_annotations_tell_what_is_accepted_only_when_asked(workshop: Workshop) -> None:
    narrowed(workshop, "2.0")
    (verdict,) = invoke(workshop, "--format", "github").output.splitlines()
    assert verdict.startswith("::notice::accepted: 2.0 against release 1.0 (1.0): 0 refused, ")
    line, *_, last = invoke(workshop, "--format", "github", "-v").output.splitlines()
    assert line.startswith("::notice file=schemas/connect.schema.json,line=20,title=senders-broken::connect")
    assert last == verdict


def test_annotations_tell_why_something_is_waived_and_which_waiver_is_wrong(workshop: Workshop) -> None:
    workshop.replace(*REWORDED)
    workshop.call_it("1.0.1", "- SUB-005 reads better.")
    waive(workshop)
    waived, _ = invoke(workshop, "--format", "github").output.splitlines()
    assert waived.startswith("::warning file=spec/07-publish-subscribe.md,line=")
    assert waived.endswith("title=requirement-changed::waived: SUB-005 says something else: " + REASON)
    waive(workshop, pointer="requirements/SUB-006")
    problem = invoke(workshop, "--format", "github").output.splitlines()[1]
    place = "file=spec/waivers.toml,line=1"
    said = f"{workshop.root}/spec/waivers.toml: the waiver of requirement-changed at "
    assert problem.startswith(f"::error {place}::{said}")


def test_annotation_says_what_cannot_be_read_too(workshop: Workshop) -> None:
    result = invoke(workshop, "--format", "github", "--against", "nowhere")
    assert result.exit_code == 2
    assert result.stdout == f"::error::{result.stderr}"


def test_files_are_named_as_seen_from_where_one_stands(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    narrowed(workshop)
    monkeypatch.chdir(workshop.root.parent)
    for root in (workshop.root.name, str(workshop.root)):
        place = f"{workshop.root.name}/schemas/connect.schema.json"
        text, annotations, content = (
            CliRunner().invoke(gate, ["--tree", root, "--format", form]).output for form in ("text", "github", "json")
        )
        assert text.startswith(f"refused  senders-broken  {place}:20\n")
        assert annotations.startswith(f"::error file={place},line=20,")
        assert json.loads(content)["findings"][0]["file"] == "schemas/connect.schema.json"
    monkeypatch.chdir(workshop.root / "spec")
    assert invoke(workshop).output.startswith(f"refused  senders-broken  {workshop.root}/schemas/connect.schema.json:")


@pytest.mark.parametrize("form", ["text", "github"])
def test_nothing_from_a_tree_begins_a_line_or_moves_the_cursor(workshop: Workshop, form: str) -> None:
    odd = '"\\n::error::\\u001b[2J\\u2028": {'
    workshop.replace(NARROWED[0], '"version": {', odd)
    workshop.remove("spec/releases/1.0.json")
    assert invoke(workshop, "freeze", "1.0").exit_code == 0
    workshop.replace(NARROWED[0], odd, '"version": {')
    workshop.call_it("1.1", "- The version has a name again.")
    result = invoke(workshop, "--format", form)
    assert "\\n::error::\\x1b[2J\\u2028 of connect is now " in result.output
    assert not [line for line in result.output.split("\n")[:-2] if line.startswith("::error::")]
    assert not {"\x1b", "\u2028"} & set(result.output)


def test_nothing_from_a_tree_begins_a_line_of_an_error(workshop: Workshop) -> None:
    result = invoke(workshop, "--against", "x\n::error::y\x1b")
    assert result.stderr.startswith("--against x\\n::error::y\\x1b: no such release")


def test_two_results_in_one_file_are_refused(workshop: Workshop) -> None:
    result = invoke(workshop, "--json", "gate", "--junit", str(workshop.root / "gate"))
    assert result.exit_code == 2
    assert "--json and --junit both name gate; give each its own file" in result.stderr


def test_older_results_do_not_stay_where_nothing_was_judged(workshop: Workshop) -> None:
    options = ("--json", "gate.json", "--junit", "gate.xml")
    assert invoke(workshop, *options).exit_code == 0
    files = [workshop.root / name for name in ("gate.json", "gate.xml")]
    assert all(file.stat().st_size for file in files)
    assert invoke(workshop, *options, "--against", "nowhere").exit_code == 2
    assert not any(file.stat().st_size for file in files)


REASON = "'further' became 'extra', which says the same."


def waive(workshop: Workshop, **changes: str) -> None:
    entry = {
        "rule": "requirement-changed",
        "pointer": "requirements/SUB-005",
        "reason": REASON,
        "expires": "2999-12-31",
    } | changes
    write_waivers(workshop, "\n".join(f'{name} = "{value}"' for name, value in entry.items()))


def write_waivers(workshop: Workshop, *entries: str) -> None:
    text = "\n".join(f"[[waiver]]\n{entry}\n" for entry in entries)
    (workshop.root / "spec" / "waivers.toml").write_text(text, "utf-8")


def test_waived_finding_is_accepted_with_its_reason(workshop: Workshop) -> None:
    workshop.replace(*REWORDED)
    workshop.call_it("1.0.1", "- SUB-005 reads better.")
    assert invoke(workshop).exit_code == 1
    waive(workshop)
    result = invoke(workshop)
    assert result.exit_code == 0
    assert result.output.startswith("waived   requirement-changed  spec/07-publish-subscribe.md:")
    assert "which says the same" in result.output


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pointer": "requirements/SUB-006"}, "requirements/SUB-006 is stale: no finding matches it; remove it"),
        ({"expires": "2020-02-29"}, "requirements/SUB-005 expired on 2020-02-29"),
    ],
    ids=["stale", "ended"],
)
def test_waiver_that_is_stale_or_has_ended_fails(workshop: Workshop, changes: dict[str, str], said: str) -> None:
    workshop.replace(*REWORDED)
    workshop.call_it("1.0.1", "- SUB-005 reads better.")
    waive(workshop, **changes)
    result = invoke(workshop)
    assert result.exit_code == 1
    assert f"{workshop.root}/spec/waivers.toml: the waiver of requirement-changed at {said}" in result.output
    assert "refused  requirement-changed" in result.output
    assert "waived  " not in result.output
    assert result.output.endswith("1 refused, 0 accepted, 0 waived, waivers to fix: 1\n")


def test_ended_waiver_fails_the_case_of_its_finding(workshop: Workshop) -> None:
    workshop.replace(*REWORDED)
    workshop.call_it("1.0.1", "- SUB-005 reads better.")
    waive(workshop, expires="2020-02-29")
    file = workshop.root / "gate.xml"
    invoke(workshop, "--junit", str(file))
    suite = ET.parse(file).getroot()  # noqa: S314 - written by the test itself
    failed = [case.get("classname") for case in suite if case.find("failure") is not None]
    assert failed == ["requirement-changed", "waivers"]
    assert suite.get("failures") == "2"


WAIVER = """rule = "requirement-changed"
pointer = "requirements/SUB-005"
reason = "'further' became 'extra', which says the same."
expires = 2999-12-31"""


def test_day_may_be_a_date_of_toml(workshop: Workshop) -> None:
    workshop.replace(*REWORDED)
    workshop.call_it("1.0.1", "- SUB-005 reads better.")
    write_waivers(workshop, WAIVER)
    assert invoke(workshop).exit_code == 0


def test_waiver_of_the_tutorial_is_enough(workshop: Workshop) -> None:
    page = (ROOT / "docs" / "changing-the-protocol.md").read_text("utf-8")
    (content,) = re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    file = workshop.root / "spec" / "waivers.toml"
    file.write_text(content, "utf-8")
    workshop.replace(*REWORDED)
    workshop.call_it("1.0.1", "- SUB-005 reads better.")
    judgement = judge(workshop.before, Tree.read(workshop.root), read_waivers(file), datetime.date(2027, 1, 1))
    assert judgement.is_accepted
    assert len(judgement.waived) == 1


FIRST = "waiver 1 (requirement-changed at requirements/SUB-005)"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "requirement-changed",
            "requirement-change",
            "'requirement-change'; did you mean requirement-changed?",
        ),
        (REASON, "short", f"{FIRST}, reason: 'short' is too short"),
        ("2999-12-31", '"soon"', f"{FIRST}, expires: 'soon' does not match"),
        ("2999-12-31", '"2027-02-30"', f"{FIRST}: '2027-02-30' is not a date (day is out of range for month)"),
        ("2999-12-31", "2027-02-30", "cannot be read (Invalid date or datetime (at line 5, column 11))"),
        ("2999-12-31", "2027-02-20T10:00:00", f"{FIRST}, expires: '2027-02-20 10:00:00' is too long"),
        ("expires", "ends", f"{FIRST}: "),
    ],
    ids=["rule", "reason", "text", "day", "date", "time", "member"],
)
def test_broken_waiver_is_refused_in_a_line(workshop: Workshop, old: str, new: str, said: str) -> None:
    write_waivers(workshop, WAIVER.replace(old, new))
    result = invoke(workshop)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith(f"{workshop.root}/spec/waivers.toml: ")
    assert said in result.stderr


def test_broken_waiver_is_named_by_its_number(workshop: Workshop) -> None:
    write_waivers(workshop, WAIVER, WAIVER)
    assert "waivers.toml: waiver 2 (requirement-changed at requirements/SUB-005): a second" in invoke(workshop).stderr
    write_waivers(workshop, WAIVER, "")
    assert "waivers.toml: waiver 2 (None at None): 'rule' is a required property" in invoke(workshop).stderr
    (workshop.root / "spec" / "waivers.toml").write_text("waiver = [1]", "utf-8")
    assert "waivers.toml: waiver 1: 1 is not of type 'object'" in invoke(workshop).stderr
    (workshop.root / "spec" / "waivers.toml").write_text("waivers = []", "utf-8")
    assert "waivers.toml: waivers: Additional properties are not allowed" in invoke(workshop).stderr


def test_file_of_waivers_that_is_not_there_is_named(workshop: Workshop) -> None:
    result = invoke(workshop, "--waivers", "nowhere.toml")
    assert (result.exit_code, result.stderr) == (2, "nowhere.toml: no such waivers file\n")


def test_rules_are_listed_and_an_unknown_one_says_how() -> None:
    listed = CliRunner().invoke(gate, ["rules"])
    assert listed.exit_code == 0
    assert any(line.startswith("senders-broken ") for line in listed.output.splitlines())
    for rule, said in {
        "quux": "'quux'; ipc",
        "action-add": "did you mean action-added?",
        "Action-Added": "mean action-added?",
    }.items():
        unknown = CliRunner().invoke(gate, ["--explain", rule])
        assert unknown.exit_code == 2
        assert said in unknown.output
        assert "gate rules" in unknown.output


def test_folder_that_is_no_tree_is_named(tmp_path: Path) -> None:
    for against in ([], ["--against", str(tmp_path)]):
        result = CliRunner().invoke(gate, ["--tree", str(tmp_path), *against])
        assert result.exit_code == 2
        assert "not a tree of the protocol" in result.stderr


def test_tree_without_a_release_says_what_to_do(tmp_path: Path) -> None:
    result = invoke(Workshop(tmp_path, vectors=("batch",)))
    assert result.exit_code == 2
    assert "no version was released yet" in result.stderr
    assert "gate freeze" in result.stderr


def test_file_that_cannot_be_written_is_named(workshop: Workshop) -> None:
    result = invoke(workshop, "--json", str(workshop.root / "nowhere" / "gate.json"))
    assert result.exit_code == 2
    assert "nowhere/gate.json: cannot be written" in result.stderr


def test_schema_that_a_table_names_and_nobody_has_is_said(workshop: Workshop) -> None:
    workshop.replace("spec/19-messages.md", "`system-request` | `pong`", "`system-request` | `ping-pong`")
    result = invoke(workshop)
    assert result.exit_code == 2
    assert "spec/19-messages.md:38: answer 'ping-pong' is not a schema" in result.stderr


def draft(workshop: Workshop, version: str = "1.1") -> None:
    workshop.add(
        "spec/drafts/hint/README.md",
        f"# Hints: protocol {version}\n\n### Protocol {version}\n\n- A client has a `purpose` (HSK-030).\n",
    )
    workshop.add(
        "spec/drafts/hint/04-handshake.md",
        "# Handshake (HSK)\n\n**[HSK-030]** A server MUST ignore the `purpose` of a client.\n\n*Since: 1.1.*\n",
    )
    schema: Any = json.loads((workshop.root / "schemas" / "connect.schema.json").read_text("utf-8"))
    schema["properties"]["purpose"] = {"type": "string"}
    workshop.add("spec/drafts/hint/schemas/connect.schema.json", json.dumps(schema, indent=2))


def test_draft_is_judged_as_if_it_were_part_of_the_tree(workshop: Workshop) -> None:
    draft(workshop)
    assert invoke(workshop).output.endswith("nothing differs\n")
    result = invoke(workshop, "--draft", str(workshop.root / "spec" / "drafts" / "hint"), "-v")
    assert result.exit_code == 0, result.output
    found = {line.split()[1]: line.split()[2] for line in result.output.splitlines()[:-1]}
    assert found == {
        "shape-extended": "spec/drafts/hint/schemas/connect.schema.json:32",
        "requirement-added": "spec/drafts/hint/04-handshake.md:3",
    }


def test_file_name_does_not_end_the_property_of_an_annotation(workshop: Workshop) -> None:
    draft(workshop)
    folder = workshop.root / "spec" / "drafts" / "hint"
    folder = folder.rename(folder.with_name("hint,line=7"))
    result = invoke(workshop, "--draft", str(folder), "--format", "github", "-v")
    assert "::notice file=spec/drafts/hint%2Cline=7/04-handshake.md,line=3,title=" in result.output


def test_draft_for_too_small_a_version_is_refused(workshop: Workshop) -> None:
    draft(workshop, "1.0.1")
    result = invoke(workshop, "--draft", str(workshop.root / "spec" / "drafts" / "hint"))
    assert result.exit_code == 1
    assert "needs version 1.1" in result.output


def test_draft_that_is_not_there_is_named(workshop: Workshop) -> None:
    result = invoke(workshop, "--draft", str(workshop.root / "nothing"))
    assert result.exit_code == 2
    assert "nothing' does not exist" in result.stderr


def test_folder_that_is_no_draft_of_the_tree_is_refused(workshop: Workshop, tmp_path_factory: Any) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for said in ("not a draft; it must have a README.md", "outside the tree"):
        result = invoke(workshop, "--draft", str(elsewhere))
        assert result.exit_code == 2
        assert f"{elsewhere}: {said}" in result.stderr
        (elsewhere / "README.md").write_text("# Hints: protocol 1.1\n", "utf-8")


def test_draft_may_be_named_from_where_one_stands(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    draft(workshop)
    monkeypatch.chdir(workshop.root / "spec" / "drafts")
    assert invoke(workshop, "--draft", "hint").exit_code == 0


@pytest.mark.parametrize(
    "options",
    [["--tree", "."], ["--waivers", "x.toml"], ["--json", "x.json"], ["--explain", "action-added"], ["-v"]],
    ids=lambda options: str(options[0]),
)
@pytest.mark.parametrize("command", [["freeze", "1.0"], ["rules"]], ids=lambda command: str(command[0]))
def test_option_before_a_subcommand_is_refused(options: list[str], command: list[str]) -> None:
    result = CliRunner().invoke(gate, [*options, *command])
    assert result.exit_code == 2
    assert f"comes before {command[0]} and has no effect there" in result.stderr


def test_release_is_made_with_the_waivers_that_one_names(workshop: Workshop) -> None:
    workshop.replace(*REWORDED)
    workshop.call_it("1.0.1", "- SUB-005 reads better.")
    waive(workshop)
    usual = workshop.root / "spec" / "waivers.toml"
    elsewhere = usual.rename(workshop.root / "mine.toml")
    with (workshop.root / "spec" / "requirements.json").open("w", encoding="utf-8", newline="\n") as lock:
        lock.write(to_json(Tree.read(workshop.root).release.requirements.values()))
    assert "the gate refuses 1.0.1" in invoke(workshop, "freeze", "1.0.1").stderr
    result = invoke(workshop, "freeze", "1.0.1", "--waivers", str(elsewhere))
    assert result.exit_code == 0, result.stderr
    assert result.output.splitlines()[1:] == [
        f"{elsewhere}: remove its waivers; they were for this release and are stale now"
    ]
    assert "is stale" in invoke(workshop, "--waivers", str(elsewhere)).output


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_interruption_has_a_line_and_a_status_of_its_own(workshop: Workshop, sent: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        command = [sys.executable, "-m", "conformance", "gate", "--tree", str(workshop.root), "--against", address]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
            connection, _ = silent.accept()
            running.send_signal(sent)
            output, errors = running.communicate(timeout=20)
            connection.close()
    assert (running.returncode, output, errors) == (130, "", "interrupted\n")


def test_nothing_is_left_where_one_stands(workshop: Workshop, tmp_path_factory: Any) -> None:
    here = tmp_path_factory.mktemp("here")
    command = [sys.executable, "-m", "conformance", "gate", "--tree", str(narrowed(workshop).root)]
    assert subprocess.run(command, cwd=here, capture_output=True, check=False).returncode == 1
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("option", ["--against", "--draft"])
def test_option_that_is_empty_is_refused(workshop: Workshop, option: str) -> None:
    assert invoke(workshop, option, "").exit_code == 2


def test_missing_line_of_the_changelog_is_no_matter_of_versions(workshop: Workshop) -> None:
    workshop.replace(*NARROWED)
    lines = invoke(workshop).output.splitlines()
    (missing,) = (number for number, line in enumerate(lines) if line.startswith("refused  changelog-missing"))
    told = lines[missing + 1 : lines.index("", missing)]
    assert told[0] == "  protocol 1.0 was released already"
    assert [line.split()[0] for line in told[1:]] == ["pointer", "do", "more"]
    assert "was released already, use the next version" in told[2]


def test_earlier_version_is_no_matter_of_versions(workshop: Workshop) -> None:
    workshop.call_it("0.9", "- It is earlier.")
    lines = invoke(workshop).output.splitlines()
    assert lines[0].startswith("refused  version-back")
    assert not [line for line in lines if line.startswith("  needs")]


def test_what_no_version_allows_says_so(workshop: Workshop) -> None:
    workshop.replace(*REWORDED)
    workshop.call_it("1.1", "- SUB-005 reads better.")
    assert "  needs    no version allows it" in invoke(workshop).output.splitlines()


def wrong_vector(workshop: Workshop) -> None:
    """Let a vector expect an error that nothing gives."""
    document = json.loads((workshop.root / "schemas/vectors/batch.json").read_text("utf-8"))
    vector = document["vectors"][0] | {"id": "batch/wrong"}
    vector["body"] = {"text": vector["body"]["text"].replace('"vector"', '"other"')}
    vector["expect"] = vector["expect"] | {"outcome": "error", "code": "forbidden", "fatal": False}
    workshop.add("schemas/vectors/wrong.json", json.dumps({"vectors": [vector]}, indent=1))


def test_wrong_vector_is_neither_judged_nor_released(workshop: Workshop) -> None:
    wrong_vector(workshop)
    workshop.call_it("1.0.1", "- A vector.")
    said = f"{workshop.root}/schemas/vectors/wrong.json:4: the vector batch/wrong expects the error forbidden, but "
    for result in (invoke(workshop, "--json", "gate.json"), invoke(workshop, "freeze", "1.0.1")):
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(said)
        assert len(result.stderr.splitlines()) == 1
    assert not (workshop.root / "gate.json").stat().st_size


def test_refusals_are_shown_beside_a_wrong_vector(workshop: Workshop) -> None:
    wrong_vector(workshop)
    result = invoke(narrowed(workshop))
    assert result.exit_code == 2
    assert "refused  senders-broken  schemas/connect.schema.json:20" in result.stdout
    assert "the vector batch/wrong expects the error forbidden" in result.stderr


def test_stale_list_of_requirements_is_not_judged(workshop: Workshop) -> None:
    workshop.replace(*REWORDED)
    result = CliRunner().invoke(gate, ["--tree", str(workshop.root)])
    said = f"{workshop.root}/spec/requirements.json:1: stale; run ipc-conformance spec extract\n"
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", said)
    workshop.remove("spec/requirements.json")
    assert CliRunner().invoke(gate, ["--tree", str(workshop.root)]).exit_code == 1


def test_release_that_both_branches_froze_is_told(workshop: Workshop) -> None:
    path = workshop.root / "spec/releases/1.0.json"
    path.write_text(f"<<<<<<< HEAD\n{path.read_text('utf-8')}>>>>>>> topic\n", "utf-8")
    for arguments in ([], ["freeze", "1.0"]):
        result = invoke(workshop, *arguments)
        assert result.exit_code == 2
        assert "a merge conflict: both branches released 1.0; delete the file and freeze 1.0 again" in result.stderr


def without_rows(path: Path, mark: str) -> None:
    """Delete the rows of each marked table of that name in a chapter."""
    lines = path.read_text("utf-8").split("\n")
    while mark in lines:
        at = lines.index(mark)
        end = next(number for number in range(at + 1, len(lines)) if not lines[number].startswith("|"))
        lines[at:end] = [f"{mark} ", *lines[at + 1 : at + 3]]
    path.write_text("\n".join(line.rstrip() for line in lines), "utf-8")


def test_tables_may_be_empty(workshop: Workshop) -> None:
    """Freeze a tree whose tables have no rows, and compare it, and one with rows, with the release."""
    full = {path: path.read_text("utf-8") for path in (workshop.root / "spec").glob("[0-9]*.md")}
    workshop.remove("schemas/vectors/batch.json")
    for path in full:
        for table in KEYS:
            without_rows(path, f"<!-- {table} -->")
    workshop.remove("spec/releases/1.0.json")
    assert invoke(workshop, "freeze", "1.0").stderr == ""
    assert invoke(workshop).output == "accepted: 1.0 against release 1.0 (1.0): nothing differs\n"
    for path, text in full.items():
        path.write_text(text, "utf-8")
    result = invoke(workshop)
    assert (result.exit_code, result.stderr) == (1, "")


@pytest.mark.parametrize("table", KEYS)
def test_table_that_lost_its_rows_is_judged(workshop: Workshop, table: str) -> None:
    for path in (workshop.root / "spec").glob("[0-9]*.md"):
        without_rows(path, f"<!-- {table} -->")
    result = invoke(workshop)
    assert "the gate itself failed" not in result.stderr
    assert result.exit_code in ((0,) if table == "reserved" else (1, 2))


@pytest.mark.parametrize("command", [[], ["freeze", "1.0"]], ids=["gate", "freeze"])
def test_bug_is_a_line_and_no_refusal(workshop: Workshop, monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("x\ny")

    monkeypatch.setattr(Tree, "read", broken)
    result = CliRunner().invoke(gate, [*command, "--tree", str(workshop.root)])
    assert (result.exit_code, result.stdout) == (2, "")
    said = r"the gate itself failed, please report this: KeyError: .* \(at test_command\.py:\d+\)\n"
    assert re.fullmatch(said, result.stderr)


def test_annotation_of_what_cannot_be_read_has_its_line(workshop: Workshop) -> None:
    wrong_vector(workshop)
    workshop.call_it("1.0.1", "- A vector.")
    (line,) = invoke(workshop, "--format", "github").stdout.splitlines()
    assert line.startswith("::error file=schemas/vectors/wrong.json,line=4::")


def test_witness_that_is_long_is_shortened_in_text_and_whole_in_json(workshop: Workshop) -> None:
    schema = json.loads((workshop.root / "schemas/batch-request.schema.json").read_text("utf-8"))
    schema["properties"]["requests"]["maxItems"] = 1000
    (workshop.root / "schemas/batch-request.schema.json").write_text(json.dumps(schema), "utf-8")
    workshop.call_it("1.1", "- Batches have at most 1000 items.")
    result = invoke(workshop, "--json", "gate.json")
    assert ": 1001 items, maximum 1000 (at requests)" in result.output
    assert '"... 999 more items"' in result.output
    assert max(map(len, result.output.splitlines())) < 600
    (finding,) = json.loads((workshop.root / "gate.json").read_text("utf-8"))["findings"]
    assert len(finding["witness"]["message"]["payload"]["requests"]) == 1001


@pytest.mark.parametrize(
    ("file", "old", "new", "line"),
    [
        ("schemas/connect.schema.json", '"title": "Connect payload"', '"title": "The payload"', 4),
        ("schemas/job.schema.json", "Unix time in milliseconds.", "Unix time, in milliseconds.", 52),
    ],
)
def test_text_that_changed_has_its_line(workshop: Workshop, file: str, old: str, new: str, line: int) -> None:
    workshop.replace(file, old, new)
    assert f"refused  schema-text-changed  {file}:{line}\n" in invoke(workshop).output


def test_missing_entry_of_the_changelog_is_at_its_section(workshop: Workshop) -> None:
    workshop.replace("spec/11-system.md", "with a payload whose `status`", "with payload whose `status`")
    workshop.call_it("1.0.1", "- Something.")
    (workshop.root / "CHANGELOG.md").write_text("# Changelog\n\nText.\n\n### Protocol 1.0.1\n\n- Something.\n", "utf-8")
    result = invoke(workshop)
    assert "refused  changelog-missing  CHANGELOG.md:5\n" in result.output
    assert result.output.endswith("1 refused, 1 accepted, 0 waived\n"), "no larger version helps"


def test_addition_is_told_to_raise_the_version(workshop: Workshop) -> None:
    workshop.replace("schemas/connect.schema.json", '"token": {', '"locale": {"type": "string"},\n    "token": {')
    output = invoke(workshop).output
    assert "  do       Raise the minor version.\n" in output
    assert "a message differs in a way that old peers ignore or never use" in output
