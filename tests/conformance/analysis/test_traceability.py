"""The ledger: what it makes of results and mutants files, and what it finds missing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kit_commands import invoke, mini, run_on

from conformance.analysis import traceability
from conformance.cases.catalogue import all_cases
from conformance.harness.case import Case
from conformance.protocol import schemas
from conformance.protocol.requirements import load

MUST = "SYS-003"
KILLED = {"name": "SYS-003", "requirement": MUST, "mistake": "x", "killer": "system/ping", "message": "y"}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results file of a server whose answer to get_time is wrong."""
    file = tmp_path_factory.mktemp("results") / "mini.json"
    run_on(mini("time"), "--case", "system/ping", "--case", "system/get-time", "--json", str(file))
    return file


def mutants(folder: Path, *entries: dict[str, Any], without: Any = ()) -> Path:
    file = folder / "mutants.json"
    content = {"format": "ipc-conformance-mutants/1", "role": "server", "mutants": entries, "without": without}
    file.write_text(json.dumps(content))
    return file


def entry(found: Any, rule: str) -> Any:
    return next(each for each in found["requirements"] if each["id"] == rule)


def as_json(*arguments: str) -> Any:
    done = invoke("requirements", "--format", "json", *arguments)
    content = json.loads(done.output)
    assert schemas.problem("tools/ledger", content) is None
    return content


def test_cases_alone_lack_nothing() -> None:
    done = invoke("requirements", "--strict")
    assert done.exit_code == 0, done.output
    assert done.output.endswith(" 0 problems\n")


def test_results_give_a_column_with_the_worst_executed_verdict(results: Path) -> None:
    found = as_json(str(results))
    assert found["targets"] == ["mini"]
    assert entry(found, "SYS-004")["verdicts"] == {"mini": "fail"}
    assert entry(found, "SYS-003")["verdicts"] == {"mini": "pass"}
    assert entry(found, "FRM-001")["problems"] == ["none of its cases was executed"]
    text = invoke("requirements", str(results)).output
    assert "mini" in text.splitlines()[0]


def test_several_targets_stand_side_by_side(results: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(results.read_text().replace('"verdict": "fail"', '"verdict": "pass"'))
    assert entry(as_json(str(results), str(other)), "SYS-004")["verdicts"] == {"mini": "fail", "other": "pass"}


def test_unsupported_is_no_evidence(results: Path, tmp_path: Path) -> None:
    other = tmp_path / "none.json"
    other.write_text(results.read_text().replace('"verdict": "fail"', '"verdict": "unsupported"'))
    assert entry(as_json(str(other)), "SYS-004")["verdicts"] == {"none": "not executed"}


@pytest.mark.parametrize(
    ("entries", "without", "problems"),
    [
        ([KILLED], [], []),
        ([KILLED, KILLED | {"name": "SYS-003/b", "killer": ""}], [], ["the mutant SYS-003/b survived"]),
        ([], [], ["it has no mutant, and no reason for having none"]),
        ([], [{"requirement": MUST, "reason": "cannot be"}], []),
    ],
)
def test_musts_need_mutants_or_a_reason(entries: Any, without: Any, problems: list[str], tmp_path: Path) -> None:
    found = entry(as_json(str(mutants(tmp_path, *entries, without=without))), MUST)
    assert found["problems"] == problems
    assert [each["mutant"] for each in found["mutants"]] == [each["name"] for each in entries]


def test_strict_exits_with_1_and_missing_shows_only_what_lacks(tmp_path: Path) -> None:
    done = invoke("requirements", str(mutants(tmp_path, KILLED)), "--strict", "--missing")
    assert done.exit_code == 1
    assert "SYS-001: it has no mutant" in done.output
    assert "SYS-003" not in done.output


def test_client_ledger_takes_client_files_only(results: Path) -> None:
    assert as_json(str(results), "--role", "client")["targets"] == []


@pytest.mark.parametrize("content", ["{", "{}", '{"format": "ipc-conformance-ledger/1"}', "[]"])
def test_file_that_is_no_evidence_is_wrong_use(content: str, tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text(content)
    done = invoke("requirements", str(file))
    assert done.exit_code == 2
    assert f"evidence {file}: " in done.output.replace("\n", "")


def test_profile_that_no_target_has_is_no_gap(results: Path, tmp_path: Path) -> None:
    assert entry(as_json(str(results)), "QUE-001")["problems"] == []
    claiming = tmp_path / "claiming.json"
    content = json.loads(results.read_text())
    content["target"]["profiles"] = ["queue"]
    claiming.write_text(json.dumps(content))
    assert entry(as_json(str(claiming)), "QUE-001")["problems"] == ["none of its cases was executed"]


def test_rule_of_a_version_that_no_target_states_is_no_gap(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(load(), "QUE-001", replace(load()["QUE-001"], since="1.1"))
    for stated, problems in (("1.0", []), ("1.1", ["none of its cases was executed"])):
        claiming = tmp_path / f"states-{stated}.json"
        content = json.loads(results.read_text())
        content["target"] |= {"profiles": ["queue"], "protocol": stated}
        claiming.write_text(json.dumps(content))
        assert entry(as_json(str(claiming)), "QUE-001")["problems"] == problems


def test_results_of_an_interrupted_run_are_a_problem(results: Path, tmp_path: Path) -> None:
    part = tmp_path / "part.json"
    part.write_text(json.dumps(json.loads(results.read_text()) | {"interrupted": True}))
    assert "the results file part is of an interrupted run; run it again" in as_json(str(part))["problems"]


def test_two_files_of_one_name_are_wrong_use(results: Path) -> None:
    done = invoke("requirements", str(results), str(results))
    assert done.exit_code == 2
    assert "two results files are named mini" in done.output


def test_strange_requirements_unused_vectors_and_unused_schemas_are_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = dict(all_cases())
    cases["made/up"] = Case("made/up", ("XYZ-001",), "Made up.", print)
    del cases[next(name for name in cases if name.startswith("golden/"))]
    monkeypatch.setattr(traceability, "all_cases", lambda: cases)
    monkeypatch.setattr(schemas, "wire_schemas", lambda: ["envelope", "telegram"])
    assert traceability.build("server", {}, []).problems == [
        "case made/up names XYZ-001, which is not a requirement in force",
        "1 golden vectors are not sent by any case",
        "the schema telegram is unused: no chapter and no other schema refers to it",
    ]


@pytest.mark.parametrize(("status", "is_counted"), [("deprecated", True), ("withdrawn", False)])
def test_requirement_binds_until_it_is_withdrawn(
    status: Any, *, is_counted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = load() | {MUST: replace(load()[MUST], status=status)}
    monkeypatch.setattr(traceability, "load", lambda: rules)
    built = traceability.build("server", {}, [])
    assert any(each.rule.id == MUST for each in built.entries) == is_counted
    assert any(f"names {MUST}" in each for each in built.problems) != is_counted


def test_must_without_a_case_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    others = {name: each for name, each in all_cases().items() if MUST not in each.requirements}
    monkeypatch.setattr(traceability, "all_cases", lambda: others)
    assert f"{MUST}: no case checks it" in traceability.build("server", {}, []).all_problems


def test_every_schema_of_the_tools_is_named_by_the_kit_or_its_tests() -> None:
    root = Path(__file__).parents[3]
    sources = [file.read_text("utf-8") for top in ("conformance", "tests") for file in (root / top).rglob("*.py")]
    names = [file.name.removesuffix(".schema.json") for file in (root / "schemas" / "tools").glob("*.schema.json")]
    unused = [name for name in names if not any(f'"tools/{name}"' in source for source in sources)]
    assert unused == ["mutants"]  # the schema of evidence refers to it
    assert len(load()) > len(names) > 5
