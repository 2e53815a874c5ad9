"""The lock file: when it is stale, what history forbids, and the commands that write and check it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from click.testing import CliRunner, Result

from conformance.cli.spec import spec
from conformance.protocol.requirements import Requirement, from_json, load, to_json
from conformance.protocol.schemas import validator

WriteSpec = Callable[..., Path]

CHAPTER = """# Framing (FRM)

**[FRM-001]** A server MUST go.

**[FRM-002]** A client SHOULD run.
"""
WITHDRAWN = CHAPTER + "\n*Withdrawn: 1.1.*\n"
RENUMBERED = CHAPTER.replace("FRM-002", "FRM-003")


def run(command: str, folder: Path | str) -> Result:
    return CliRunner().invoke(spec, [command, str(folder)])


def test_check_asks_for_a_missing_lock(write_spec: WriteSpec) -> None:
    folder = write_spec(CHAPTER)
    result = run("check", folder)
    assert result.exit_code == 1
    assert result.stdout == (f'{folder}/requirements.json:1: the file is missing; run "ipc-conformance spec extract"\n')


def test_extracted_lock_is_fresh(write_spec: WriteSpec) -> None:
    folder = write_spec(CHAPTER)
    assert run("extract", folder).stdout == f"{folder}/requirements.json: 2 requirements\n"
    result = run("check", folder)
    assert (result.exit_code, result.stdout) == (0, f"{folder}: 2 requirements, no problems\n")


def test_lock_is_the_same_when_it_is_extracted_again(write_spec: WriteSpec) -> None:
    folder = write_spec(CHAPTER)
    run("extract", folder)
    before = (folder / "requirements.json").read_bytes()
    assert run("extract", folder).exit_code == 0
    assert (folder / "requirements.json").read_bytes() == before
    assert before.endswith(b"]\n}\n")


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        (CHAPTER.replace("run", "walk"), "FRM-002 changed"),
        (CHAPTER.replace("# Framing", "# The framing"), "FRM-001, FRM-002 changed"),
        (CHAPTER.replace("FRM-001", "FRM-004"), "FRM-001, FRM-004 changed"),
        (CHAPTER + "\n*Since: 1.1.*\n", "FRM-002 changed"),
        (
            CHAPTER + "".join(f"\n**[FRM-01{n}]** A server MUST go.\n" for n in range(7)),
            "FRM-010, FRM-011, FRM-012, FRM-013, FRM-014 and 2 more changed",
        ),
        (
            "# Framing (FRM)\n\n" + "\n\n".join(reversed(CHAPTER.strip().split("\n\n")[1:])) + "\n",
            "order or layout changed",
        ),
    ],
    ids=["text", "section", "id", "note", "many", "order"],
)
def test_check_says_what_is_stale(write_spec: WriteSpec, text: str, changed: str) -> None:
    folder = write_spec(CHAPTER)
    run("extract", folder)
    write_spec(text)
    result = run("check", folder)
    assert result.exit_code == 1
    assert result.stdout == (f'{folder}/requirements.json:1: stale: {changed}; run "ipc-conformance spec extract"\n')


def test_text_that_changed_can_be_extracted_again(write_spec: WriteSpec) -> None:
    folder = write_spec(CHAPTER)
    run("extract", folder)
    write_spec(CHAPTER.replace("run", "walk"))
    assert run("extract", folder).exit_code == 0
    assert run("check", folder).exit_code == 0


@pytest.mark.parametrize("command", ["check", "extract"])
@pytest.mark.parametrize(
    ("text", "now"), [(CHAPTER, "has it as active"), (RENUMBERED, "no longer has it")], ids=["active", "gone"]
)
def test_withdrawn_id_stays_withdrawn(write_spec: WriteSpec, command: str, text: str, now: str) -> None:
    folder = write_spec(WITHDRAWN)
    run("extract", folder)
    before = (folder / "requirements.json").read_bytes()
    write_spec(text)
    result = run(command, folder)
    assert result.exit_code == 1
    assert result.stdout == (
        f"{folder}/requirements.json:16: FRM-002 was withdrawn, but the text {now}; "
        "keep the withdrawn sentence with its note; give a new rule a number that was never used\n"
    )
    assert (folder / "requirements.json").read_bytes() == before


def test_withdrawn_id_may_stay_as_it_is(write_spec: WriteSpec) -> None:
    folder = write_spec(WITHDRAWN)
    run("extract", folder)
    assert run("extract", folder).exit_code == 0
    assert run("check", folder).exit_code == 0


@pytest.mark.parametrize("command", ["check", "extract"])
def test_commands_stop_at_a_text_with_problems(write_spec: WriteSpec, command: str) -> None:
    folder = write_spec(CHAPTER + "\nIt MUST go. See FRM-009.\n")
    result = run(command, folder)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{folder}/01-framing.md:7: FRM-009 is not defined; use the id of a requirement",
        f"{folder}/01-framing.md:7: MUST outside a requirement; write it in lower case, or give the sentence an id",
    ]
    assert not (folder / "requirements.json").exists()


@pytest.mark.parametrize("command", ["check", "extract"])
@pytest.mark.parametrize("lock", ["{", "{}", "[]", '{"requirements": [{"id": "FRM-001"}]}', '{"requirements": 1}'])
def test_commands_refuse_a_broken_lock(write_spec: WriteSpec, command: str, lock: str) -> None:
    folder = write_spec(CHAPTER)
    (folder / "requirements.json").write_text(lock)
    result = run(command, folder)
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith(f"{folder}/requirements.json: cannot be read")


@pytest.mark.parametrize("command", ["check", "extract"])
def test_commands_name_a_folder_that_is_missing(tmp_path: Path, command: str) -> None:
    result = run(command, tmp_path / "nowhere")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"{tmp_path}/nowhere: no chapter of the spec ([0-9][0-9]-*.md) in this folder\n"


def test_extract_says_that_it_cannot_write(write_spec: WriteSpec) -> None:
    folder = write_spec(CHAPTER)
    (folder / "requirements.json").symlink_to(folder / "nowhere" / "requirements.json")
    result = run("extract", folder)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"{folder}/requirements.json: cannot be written")


def test_commands_take_the_folder_spec_by_default(write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_spec(CHAPTER).parent)
    assert CliRunner().invoke(spec, ["extract"]).stdout == "spec/requirements.json: 2 requirements\n"
    assert CliRunner().invoke(spec, ["check"]).exit_code == 0


def test_lock_comes_back_as_it_was_written() -> None:
    requirements = load()
    assert from_json(to_json(requirements.values())) == requirements


def test_published_spec_is_clean_and_its_lock_fresh(tmp_path: Path) -> None:
    with as_file(files("ipc_spec")) as folder:
        copy = shutil.copytree(folder, tmp_path / "spec", ignore=shutil.ignore_patterns("__pycache__"))
    result = run("check", copy)
    assert (result.exit_code, result.output) == (0, f"{copy}: {len(load())} requirements, no problems\n")


def published_entry(**changes: Any) -> dict[str, Any]:
    """Give a lock of one entry of the published one, changed; a value of ``...`` removes the member."""
    first: dict[str, Any] = json.loads(to_json([next(iter(load().values()))]))["requirements"][0]
    return {"requirements": [{name: value for name, value in (first | changes).items() if value is not ...}]}


REFUSED = {
    "no entry": {"requirements": []},
    "further member": published_entry() | {"version": 1},
    "further member of an entry": published_entry(note=""),
    "missing member": published_entry(since=...),
    "id": published_entry(id="FRM-1"),
    "long id": published_entry(id="FRM-0011"),
    "level": published_entry(level="shall"),
    "target": published_entry(target="sender"),
    "section": published_entry(section="01-framing"),
    "text": published_entry(text="MUST"),
    "digest": published_entry(sha256="AB" * 32),
    "since": published_entry(since="1"),
    "status": published_entry(status="new"),
    "verify": published_entry(verify="hope"),
    "excluded without a reason": published_entry(verify="excluded"),
    "reason without being excluded": published_entry(reason="nobody can see it"),
}


def both_accept(instance: Any) -> bool:
    """Ask two independent validators; they have to agree."""
    verdict = validator("tools/requirements").is_valid(instance)
    schema = files("ipc_schemas").joinpath("tools/requirements.schema.json").read_text(encoding="utf-8")
    assert jsonschema_rs.validator_for(schema).is_valid(instance) == verdict
    return verdict


def test_published_lock_is_valid_against_its_schema() -> None:
    assert both_accept(json.loads(files("ipc_spec").joinpath("requirements.json").read_bytes()))
    assert both_accept(published_entry(verify="excluded", reason="nobody can see it"))


@pytest.mark.parametrize("instance", REFUSED.values(), ids=REFUSED)
def test_schema_refuses_another_lock(instance: Any) -> None:
    assert not both_accept(instance)


def test_requirement_answers_what_is_asked_of_it() -> None:
    requirement = load()["FRM-001"]
    assert (requirement.is_must, requirement.is_active) == (True, True)
    assert requirement.binds("server")
    assert requirement.binds("client")
    changed: Requirement = replace(requirement, level="should", status="deprecated", target="client")
    assert (changed.is_must, changed.is_active) == (False, False)
    assert not changed.binds("server")
