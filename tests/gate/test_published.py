"""The protocol as it is in this tree: its version is the same everywhere, and its releases are as they were."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from protocol_tree import ROOT, published

from conformance import PROTOCOL_VERSION
from conformance.gate.inputs.against import read_release, released
from conformance.gate.schemas.views import Views
from conformance.protocol import profiles, schemas
from reference_server.version import PROTOCOL

RELEASES = released(ROOT)


def test_version_is_the_same_everywhere() -> None:
    version = published().version
    on_the_wire = f"{version.major}.{version.minor}"
    chapter = (ROOT / "spec" / "14-versioning.md").read_text("utf-8")
    assert on_the_wire == PROTOCOL
    assert str(version) == PROTOCOL_VERSION
    assert re.search(rf"this is {re.escape(str(version))}[ ,.;]", chapter)


@pytest.mark.parametrize("file", RELEASES.values(), ids=map(str, RELEASES))
def test_release_is_whole_and_in_canonical_form(file: Path) -> None:
    release = read_release(file)
    assert release.to_json() == file.read_text("utf-8")
    assert str(release.version) == file.stem


def test_every_schema_of_the_table_of_messages_is_there_and_every_message_schema_in_it() -> None:
    tables, views = published().tables, Views.of(published())
    named = {row[column] for row in tables["messages"].values() for column in ("payload", "answer") if row[column]}
    named |= {row["schema"] for row in tables["envelopes"].values()}
    for name in named:
        assert isinstance(views.receiver(name), dict)
    shared = {"common", "envelope", "error-code", "job", "client-message"}  # parts of others, and a list of others
    assert {name.partition("#")[0] for name in named} | shared == set(schemas.wire_schemas())


def test_kit_and_tables_know_the_same_profiles_and_actions() -> None:
    tables = published().tables
    assert set(profiles.PROFILES) == set(tables["profiles"])
    for name, profile in profiles.PROFILES.items():
        rows = [row for row in tables["messages"].values() if row["channel"] == "system" and row["profile"] == name]
        assert {row["message"]: row["answer"] for row in rows} == {
            action: details.answer for action, details in profile.actions.items()
        }
        reserved = {
            part.strip("`") for part in re.findall(r"`[^`]+`", tables["profiles"][name]["reserves for the server"])
        }
        assert reserved == {*profile.channels, *([profile.family] if profile.family else [])}


@pytest.mark.parametrize("action", ["dequeue", "retry_job"])
def test_defaults_of_the_chapter_are_those_of_the_schema(action: str) -> None:
    chapter = (ROOT / "spec" / "17-queue.md").read_text("utf-8")
    row = next(line for line in chapter.splitlines() if line.startswith(f"| `{action}`"))
    stated = {name: int(value) for name, value in re.findall(r"`(\w+)` \([^)]*?(\d+) when absent\)", row)}
    members = schemas.document("queue-request")["$defs"][action]["properties"]
    assert stated == {name: member["default"] for name, member in members.items() if "default" in member}


def test_defaults_of_a_job_are_those_of_its_table() -> None:
    chapter = (ROOT / "spec" / "17-queue.md").read_text("utf-8")
    stated = {name: int(value) for name, value in re.findall(r"^\| `(\w+)` \|[^|]*\| (\d+) \|$", chapter, re.MULTILINE)}
    members = {name: member for name, member in schemas.document("job")["properties"].items() if member is not True}
    assert stated == {name: member["default"] for name, member in members.items() if "default" in member}


def test_frame_limits_of_the_table_are_those_of_the_acknowledgement() -> None:
    limits = published().tables["limits"]
    stated = [int(limits[f"frame limit of a server/at {bound}"]["value"]) for bound in ("least", "most")]
    member = schemas.document("acknowledgement")["properties"]["limits"]["properties"]["max_frame_bytes"]
    assert stated == [member["minimum"], member["maximum"]]


def test_every_rule_in_the_table_of_limits_is_a_requirement() -> None:
    release = published()
    for key, row in release.tables["limits"].items():
        for rule in row["rule"].split(", "):
            assert release.requirements[rule].is_active, key
