"""The parts of the gate by themselves: wording, versions, views, containment, places, tables, waivers."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from protocol_tree import TODAY, Workshop, published

from conformance.gate.inputs.spec_tables import key_of
from conformance.gate.inputs.working_tree import Tree
from conformance.gate.model.judgement import Waiver
from conformance.gate.model.release import ReleaseError
from conformance.gate.model.version import Step, Version
from conformance.gate.rules.core_duties import contradicted_duty, harms_older_peers
from conformance.gate.rules.wording import describes_the_same, has_same_quantities, is_only_wording
from conformance.gate.schemas.containment import contains
from conformance.gate.schemas.json_pointer import join_pointer, line_of, split_pointer
from conformance.gate.schemas.plain_patterns import plain_pattern
from conformance.gate.schemas.views import Views, closed


@pytest.mark.parametrize(
    ("before", "after", "is_same"),
    [
        ("A server MUST go.", "A server MUST go", True),
        ("A server MUST go, now.", "Server MUST go now.", True),
        ("a server answers with the error `a`", "The server answers with an error `a`", False),
        ("send the fatal error `a`", "send a fatal error `a`", True),
        ("when the connection leaves", "when a connection leaves", False),
        ("64 MiB", "64 Mib", False),
        ("the action `get-load`", "the action `getload`", False),
        ("it doesn't", "it doesn\u2019t", True),
        ("in insignificant white space", "in insignificant whitespace", True),
        ("*quickly*", "quickly", True),
        ("A server MUST go.", "A server MUST NOT go.", False),
        ("it does not go", "it does go", False),
        ("at least 10 octets", "at least 100 octets", False),
        ("at least 1 0", "at least 10", False),
        ("at most 5", "at least 5", False),
        ("the member `a`", "the member `A`", False),
        ("the member `a`", "the member `the`", False),
        ("may go", "MAY go", False),
        ("send before close", "close before send", False),
        ("further effect", "additional effect", True),
        ("a client recognises it", "a client recognizes it", True),
        ("a client advises it", "a client advises it", True),
        ("it raises", "it razes", False),
    ],
)
def test_wording_is_what_no_duty_hangs_on(before: str, after: str, is_same: bool) -> None:
    assert is_only_wording(before, after) == is_same
    assert is_only_wording(after, before) == is_same


@pytest.mark.parametrize(
    "added",
    [
        "It is mandatory.", "Clients have to know it.", "The sender needs to set it.", "Everybody shall know it.",
        "It is forbidden to be null.", "It could be empty.", "Nobody sets it.", "It doesn't count.", "It is denied.",
        "Duplicates are discarded.", "It usually comes first.", "Provided that it is known.", "It ends afterwards.",
        "Otherwise it is lost.", "At most ten.", "It is twice as long.", "Up to a dozen.", "In MiB.", "In ms.",
        "The name of a job.", "All subscribers have it.", "It exceeds the maximum.",
    ],
)  # fmt: skip
def test_description_that_says_more_has_another_meaning(added: str) -> None:
    text = "What the other side knows."
    assert not has_same_quantities(text, f"{text} {added}")
    assert not has_same_quantities(f"{text} {added}", text)


@pytest.mark.parametrize(
    ("before", "after", "is_same"),
    [
        ("an object that may have `a`", "an object with `a`", True),
        ("an object with `a` and `b`", "an object with `a`", True),
        ("an object with `a`", "`a` is in the object `a`", True),
        ("an object with `a`", "an object with `b`", False),
        ("an object with `a`", "an object that must have `a`", False),
        ("an object that may have `a`", "an object that must have `a`", False),
        ("an object that may have `a`", "an object that has to have `a`", False),
        ("at least 5", "at most 5", False),
    ],
)
def test_description_may_omit_names_and_verbs_but_add_none(before: str, after: str, is_same: bool) -> None:
    assert describes_the_same(before, after) == is_same


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("[0-9]{4}-", "[0-9][0-9][0-9][0-9]-", True),
        ("a|b{2}", "bb|a", True),
        ("ab{2}", "abab", False),
        ("a{2}?", "aa?", False),
        ("(a|b)c", "(b|a)c", False),
        (r"\d{2}", r"\dd", False),
        ("[a{2}]", "[aa]", False),
        ("[^]b|A]", "A]|[^]b", False),
        (r"[\x00-\x1f]", r"[\u0000-\u001F]", True),
        (r"\\x1f", r"\\u001f", False),
        (r"\\\x1f", r"\\\u001f", True),
        (r"[\x00-\x1f]", r"[\x00-\x1e]", False),
    ],
)
def test_patterns_are_equal_at_first_sight(one: str, other: str, is_same: bool) -> None:
    assert (plain_pattern(one) == plain_pattern(other)) == is_same


def test_versions_have_an_order_and_steps() -> None:
    first = Version.parse("1.0")
    assert (str(first), str(Version.parse("1.0.3")), first) == ("1.0", "1.0.3", Version(1, 0, 0))
    assert Version(1, 0) < Version(1, 0, 1) < Version(1, 1) < Version(1, 10) < Version(2, 0)
    for step, after in {Step.PATCH: "1.0.1", Step.MINOR: "1.1", Step.MAJOR: "2.0"}.items():
        assert str(first.after(step)) == after
        assert first.step_to(Version.parse(after)) is step
    assert first.step_to(first) is Step.NONE
    with pytest.raises(ValueError, match=r"1\.0 is earlier than 1\.1"):
        Version(1, 1).step_to(first)


@pytest.mark.parametrize("text", ["1", "1.0.0.0", "01.0", "1.x", "v1.0", "1.0-rc", "1.1000", ""])
def test_other_versions_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a version"):
        Version.parse(text)


NAME: Any = {"properties": {"name": {"type": "string"}}}
VIEWS: dict[str, tuple[Any, list[Any], list[Any]]] = {
    "open": (NAME, [{}, {"name": "x"}], [{"more": 1}]),
    "sender may add": (NAME | {"additionalProperties": True}, [{"more": 1}], [{"name": 1}]),
    "closed already": (NAME | {"additionalProperties": False}, [{"name": "x"}], [{"more": 1}]),
    "no object": ({"type": "string"}, ["x"], [1]),
    "anything": (True, [{"more": 1}, None], []),
    "inside": ({"properties": {"in": NAME}}, [{"in": {"name": "x"}}], [{"in": {"more": 1}}, {"more": 1}]),
    "in an array": ({"items": NAME}, [[{"name": "x"}]], [[{"more": 1}]]),
    "refined": (
        {"allOf": [NAME], "properties": {"age": {"type": "integer"}}},
        [{"name": "x", "age": 1}],
        [{"more": 1}, {"name": 1}],
    ),
    "one part says that senders may add": (
        {"allOf": [NAME | {"additionalProperties": True}], **NAME},
        [{}],
        [{"more": 1}],
    ),
    "alternatives": (
        {"oneOf": [NAME | {"required": ["name"]}, {"properties": {"id": {"type": "integer"}}, "required": ["id"]}]},
        [{"name": "x"}, {"id": 1}],
        [{"name": "x", "more": 1}, {"id": 1, "more": 1}, {"more": 1}],
    ),
    "alternatives beside members": (
        {"properties": {"kind": {"type": "string"}}, "anyOf": [NAME, {"properties": {"id": True}}]},
        [{"kind": "x", "name": "x"}, {"kind": "x", "id": 1}],
        [{"kind": "x", "more": 1}],
    ),
    "alternatives inside of a part": (
        {
            "allOf": [{"oneOf": [NAME | {"required": ["name"]}, {"properties": {"id": True}, "required": ["id"]}]}],
            "properties": {"kind": True},
        },
        [{"kind": 1, "name": "x"}],
        [{"kind": 1, "name": "x", "more": 1}],
    ),
    "condition": (
        {
            "if": {"properties": {"kind": {"const": 1}}},
            "then": {"properties": {"of": NAME}},
            "properties": {"kind": True},
        },
        [{"kind": 1, "of": {"name": "x"}}],
        [{"kind": 1, "of": {"more": 1}}, {"kind": 1, "more": 1}],
    ),
    "a member that two parts describe": (
        {"allOf": [{"properties": {"in": NAME}}], "properties": {"in": {"properties": {"age": True}}}},
        [{"in": {"name": "x", "age": 1}}],
        [{"in": {"more": 1}}],
    ),
    "deep inside of what two parts describe": (
        {
            "allOf": [{"properties": {"in": {"properties": {"deep": NAME}}}}],
            "properties": {"in": {"properties": {"deep": {"properties": {"age": True}}}}},
        },
        [{"in": {"deep": {"name": "x", "age": 1}}}],
        [{"in": {"deep": {"more": 1}}}],
    ),
}


@pytest.mark.parametrize("name", VIEWS)
def test_sender_view_has_what_is_named_and_nothing_else(name: str) -> None:
    schema, sent, not_sent = VIEWS[name]
    before = json.dumps(schema)
    view = jsonschema_rs.Draft202012Validator(closed(schema))
    assert [value for value in sent if not view.is_valid(value)] == []
    assert [value for value in not_sent if view.is_valid(value)] == []
    assert json.dumps(schema) == before


def test_views_say_what_is_missing(tmp_path: Path) -> None:
    views = Views.of(Workshop(tmp_path, vectors=("batch",)).before)
    for name, said in {
        "nothing": "version 1.0 has no schemas/nothing.schema.json",
        "job#/$defs/nothing": "schemas/job.schema.json: a reference leads nowhere: ",
    }.items():
        with pytest.raises(ReleaseError, match=said.replace("$", r"\$")):
            views.receiver(name)


NUMBERS = {"type": "integer", "minimum": 0, "maximum": 9}
FLIP = {"not": {"pattern": "[\\u0000-\\u001e]|\\u001f"}, "type": "string"}
FLOP = {"not": {"pattern": "[\\u0000-\\u001f]"}, "type": "string"}


def test_containment_is_proved() -> None:
    assert contains({"type": "integer"}, NUMBERS).holds
    assert contains(True, FLIP).holds
    assert contains(NUMBERS, NUMBERS).holds


@pytest.mark.parametrize(
    ("outer", "inner", "value"),
    [
        (NUMBERS, NUMBERS | {"maximum": 10}, 10),
        (NUMBERS, {"type": ["integer", "null"]}, None),
        ({"const": 1}, {"const": True}, True),
        ({"enum": [[False]]}, {"enum": [[0]]}, [0]),
        ({"type": "string", "maxLength": 3}, {"type": "string", "maxLength": 4}, "xxxx"),
        ({"items": {"minimum": 1}}, {"type": "array", "items": {"type": "number"}}, [0]),
        ({"type": "array", "uniqueItems": True}, {"type": "array", "items": {"type": "string"}}, ["x", "x"]),
    ],
)
def test_containment_is_disproved_by_a_small_value(outer: Any, inner: Any, value: Any) -> None:
    answer = contains(outer, inner)
    assert not answer.holds
    assert answer.values
    assert len(json.dumps(answer.values[0])) <= len(json.dumps(value))
    assert jsonschema_rs.is_valid(inner, answer.values[0])
    assert not jsonschema_rs.is_valid(outer, answer.values[0])


def test_what_is_neither_proved_nor_disproved_stays_open() -> None:
    answer = contains(FLIP, FLOP)
    assert (answer.holds, answer.values) == (False, ())
    assert "no example shows a difference" in answer.reason


@pytest.mark.parametrize("bound", [{"maxLength": 4.0}, {"maximum": 10**400}, {"maxItems": 3.0, "items": {}}])
def test_bounds_may_be_written_as_any_number(bound: dict[str, Any]) -> None:
    outer = {keyword: value - 1 for keyword, value in bound.items() if keyword != "items"}
    assert not contains({**bound, **outer}, bound, examples=0).holds


def test_combination_of_edges_is_found_at_length() -> None:
    names = [f"m{number}" for number in range(4)]
    inner = {"type": "object", "required": names, "properties": {name: {"enum": [0, 1]} for name in names}}
    outer = inner | {"not": {"properties": {name: {"const": int(name in ("m1", "m3"))} for name in names}}}
    assert not contains(outer, inner, examples=0).holds
    assert contains(outer, inner).values == ({"m0": 0, "m1": 1, "m2": 0, "m3": 1},)


TEXT = '{\n "a": {\n  "b/c": [1,\n   {"d": "}"}],\n  "~": 2\n }\n}'


@pytest.mark.parametrize(
    ("pointer", "line"),
    [
        ("", 1),
        ("/a", 2),
        ("/a/b~1c", 3),
        ("/a/b~1c/0", 3),
        ("/a/b~1c/1/d", 4),
        ("/a/~0", 5),
        ("/a/x", 2),
        ("/x", 1),
        ("/a/b~1c/7", 3),
    ],
)
def test_place_of_a_pointer_or_of_its_nearest_parent(pointer: str, line: int) -> None:
    assert line_of(TEXT, split_pointer(pointer)) == line
    assert join_pointer(*split_pointer(pointer)) == pointer


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("<!-- limits -->\n", "", "no chapter has a table marked <!-- limits -->"),
        ("<!-- limits -->\n", "<!-- limit -->\n", "there is no table named limit"),
        ("<!-- limits -->\n", "<!-- limits -->\n\nText.\n\n", "there is no table below the mark <!-- limits -->"),
        ("| limit | bound |", "| limit | border |", "the table limits lacks the column bound"),
        ("| kept by | as |", "| kept by | role |", "the table limits lacks the column as"),
        (
            "| items of a batch | at least | 1000 |",
            "| items of a batch | at least |",
            "a row of 6 cells in the table limits of 7",
        ),
        (
            "| items of a batch |",
            "| connections at the same time |",
            "has connections at the same time/at least a second time",
        ),
    ],
)
def test_broken_table_is_said_with_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    workshop = Workshop(tmp_path, vectors=("batch",))
    workshop.replace("spec/10-limits.md", old, new)
    with pytest.raises(ReleaseError, match=said):
        Tree.read(tmp_path)


@pytest.mark.parametrize(
    ("pointer", "place"),
    [
        ("changelog", "CHANGELOG.md:3"),
        ("version", "spec/README.md:1"),
        ("requirements/SYS-999", "spec/11-system.md:"),
        ("tables/limits/no such limit", "spec/10-limits.md:"),
        ("vectors/batch/no-such-vector", "schemas/vectors/batch.json:1"),
        ("schemas/gone#/properties/x", "schemas/gone.schema.json:1"),
        ("members/job#/$defs/id:x", "schemas/job.schema.json:"),
        ("members/job:a:b", "schemas/job.schema.json:"),
    ],
)
def test_finding_about_what_is_not_there_leads_to_where_it_would_be(tmp_path: Path, pointer: str, place: str) -> None:
    assert str(Tree.read(Workshop(tmp_path, vectors=("batch",)).root).locate(pointer)).startswith(place)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [("spec/README.md", "Protocol 1.0\n", "Protocol 1.00\n"), ("CHANGELOG.md", "Protocol 1.0\n", "Protocol 01.0\n")],
)
def test_number_that_is_no_version_is_said_with_its_file(tmp_path: Path, file: str, old: str, new: str) -> None:
    workshop = Workshop(tmp_path, vectors=("batch",))
    workshop.replace(file, old, new)
    with pytest.raises(ReleaseError, match=f"{file}: '.*' is not a version"):
        Tree.read(tmp_path)


def test_reserved_name_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path, vectors=("batch",))
    mark = "| kind | name | place | since |\n|---|---|---|---|\n"
    workshop.replace("spec/14-versioning.md", mark, f"{mark}| door | `x` | | 2.0 |\n")
    with pytest.raises(
        ReleaseError, match=r"14-versioning\.md:\d+: the cell kind in the table reserved is .door.; write member"
    ):
        Tree.read(tmp_path)


def test_row_is_named_by_its_columns() -> None:
    assert (
        key_of("messages", {"channel": "system", "message": "ping", "from": "client", "type": "request"})
        == "system/ping/client"
    )


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("schemas/pong.schema.json", "{", "pong.schema.json: not JSON that every parser reads the same way"),
        ("schemas/pong.schema.json", "[]", "pong.schema.json: not an object"),
        ("schemas/pong.schema.json", "{}", r"pong.schema.json: no \$id"),
        ("spec/README.md", "# A protocol\n", "README.md:1: the title does not end with the version"),
    ],
)
def test_broken_file_of_a_tree_is_named(tmp_path: Path, file: str, content: str, said: str) -> None:
    workshop = Workshop(tmp_path, vectors=("batch",))
    (workshop.root / file).write_text(content, "utf-8")
    with pytest.raises(ReleaseError, match=said):
        Tree.read(tmp_path)


def test_vector_that_is_there_twice_is_named(tmp_path: Path) -> None:
    Workshop(tmp_path, vectors=("batch",))
    content = (tmp_path / "schemas" / "vectors" / "batch.json").read_text("utf-8")
    (tmp_path / "schemas" / "vectors" / "again.json").write_text(content, "utf-8")
    with pytest.raises(ReleaseError, match=r"batch\.json:\d+: the vector batch/\S+ exists twice"):
        Tree.read(tmp_path)


def test_waiver_of_what_the_version_allows_is_stale(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path, vectors=("batch",))
    workshop.replace("spec/11-system.md", "A client SHOULD send a ping", "A client MUST send a ping")
    workshop.call_it("1.1", "SYS-006")
    waiver = Waiver("level-raised", "requirements/SYS-006", "every client does so already", TODAY)
    assert workshop.judge([waiver]).is_accepted
    late = Waiver(waiver.rule, waiver.pointer, waiver.reason, TODAY - datetime.timedelta(days=1))
    assert [problem for problem in workshop.judge([late]).problems if "expired on 2029-12-31" in problem]
    workshop.replace("spec/README.md", "Protocol 1.1", "Protocol 2.0")
    workshop.replace("CHANGELOG.md", "Protocol 1.1", "Protocol 2.0")
    workshop.renumber("2")
    assert workshop.judge().is_accepted
    assert [problem for problem in workshop.judge([waiver]).problems if "is stale" in problem]


@pytest.mark.parametrize(
    ("sentence", "is_harm"),
    [
        ("MAY refuse requests without `reply_to`.", True),
        ("MAY close a connection that is silent for ten seconds.", True),
        ("MUST NOT process a request whose `timestamp` is older than a minute.", True),
        ("MUST ignore a `publish` without `x`.", True),
        ("MUST answer a request with a null payload with `invalid_message`.", True),
        ("MUST send a last message and close the connection.", True),
        ("MUST publish each takeover on `system`.", True),
        ("MUST send a `notification` when memory is short.", True),
        ("MUST deliver a `publish` twice.", True),
        ("MAY leave a ping without an answer.", True),
        ("MUST delay a response by a second.", True),
        ("MUST wait for a `get_time` before it answers a `ping`.", True),
        ("MUST treat a silent connection as lost.", True),
        ("MUST treat `no_handler` as fatal.", True),
        ("MUST silently drop a `publish` without `x`.", True),
        ("MAY also decline requests without `reply_to`.", True),
        ("MUST then shut the connection down.", True),
        ("MUST never answer a request with a null payload.", True),
        ("MUST NOT reply to a request with a null payload.", True),
        ("MAY throttle a client that sends much.", True),
        ("MUST inform each client of a takeover.", True),
        ("MUST defer a response by a second.", True),
        ("MUST reply to a `ping` within a second.", False),
        ("MUST always keep subscriptions.", False),
        ("MUST keep subscriptions until the end of a connection.", False),
        ("MUST answer a `ping` within the error margin of a second.", False),
        ("MUST NOT announce a `max_outbound_bytes` that is smaller than its `max_frame_bytes`.", False),
    ],
)
def test_duty_of_a_version_that_harms_older_peers(sentence: str, is_harm: bool) -> None:
    protocol = published()
    first = protocol.requirements["SYS-003"]
    rule = replace(first, text=f"A server that states `protocol` 1.1 or later {sentence}")
    assert harms_older_peers(protocol, rule) is is_harm


def test_no_requirement_of_the_protocol_contradicts_another() -> None:
    protocol = published()
    assert not {id_ for id_, rule in protocol.requirements.items() if contradicted_duty(protocol, rule)}
