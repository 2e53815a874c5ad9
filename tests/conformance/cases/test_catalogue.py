"""The catalogue of cases and the packages around it: what nobody should have to check by hand."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
from kit_commands import mini

from conformance.cases.catalogue import all_cases, select
from conformance.core.settings import Selection
from conformance.core.verdicts import Verdict
from conformance.harness.case import Case, add, registered
from conformance.protocol.profiles import PROFILES
from conformance.protocol.requirements import load
from conformance.protocol.responder import RESPONDER
from conformance.runner.case_runner import run_case
from conformance.targets.config import TargetConfig
from conformance.targets.server import ServerTarget

ROOT = Path(__file__).parents[3]
CASES = all_cases().values()
HANDLERS = {*RESPONDER, "note"}


def test_ids_are_chapter_and_name() -> None:
    assert [each.id for each in CASES if not re.fullmatch(r"[a-z0-9-]+/[a-z0-9.-]+", each.id)] == []


def test_id_is_taken_once_and_a_case_says_what_it_shows() -> None:
    taken = next(iter(CASES))
    for wrong in (taken, Case("a/b", (), "x", print), Case("a/b", ("FRM-001",), "", print)):
        with pytest.raises(ValueError, match=r"registered twice|needs a summary"):
            add(wrong)
    assert "a/b" not in registered()


def test_summaries_are_sentences_of_one_line() -> None:
    assert [each.id for each in CASES if "\n" in each.summary or len(each.summary) > 200] == []


def test_requirements_of_a_case_exist_are_in_force_and_bind_its_role() -> None:
    known = load()
    wrong = [
        f"{each.id}: {rule}"
        for each in CASES
        for rule in each.requirements
        if rule not in known or not known[rule].is_active or not known[rule].binds(each.role)
    ]
    assert wrong == []


def test_every_must_of_a_server_has_a_case() -> None:
    checked = {rule for each in CASES if each.role == "server" for rule in each.requirements}
    rules = (each for each in load().values() if each.is_must and each.is_active and each.verify != "excluded")
    assert [each.id for each in rules if each.binds("server") and each.id not in checked] == []


def test_needs_are_handlers_of_the_responder() -> None:
    assert {name for each in CASES for name in each.needs} <= HANDLERS
    chapter = (files("ipc_spec") / "13-responder.md").read_text("utf-8")
    assert set(re.findall(r"^\| `conformance\.([a-z]+)` \|", chapter, re.MULTILINE)) == HANDLERS


def test_long_cases_come_first_and_selections_add_up() -> None:
    chosen = select()
    assert [each.seconds for each in chosen] == sorted((each.seconds for each in chosen), reverse=True)
    assert len(chosen) + len(select(role="client")) == len(CASES)
    assert len(select(Selection(level="must"))) + len(select(Selection(level="should"))) == len(chosen)


def test_cases_and_their_runner_load_no_pytest_and_no_hypothesis() -> None:
    code = (
        "import sys, conformance.runner.case_runner\n"
        "from conformance.cases.catalogue import all_cases; assert all_cases()\n"
        "print(sorted({name for name in sys.modules if 'pytest' in name} | {'hypothesis'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def imports(package: str) -> set[str]:
    """Return the top-level names that the modules of a package import."""
    found = set()
    for file in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add((node.module or "").partition(".")[0])
    return found


def test_kit_and_reference_server_share_no_code() -> None:
    assert "conformance" in imports("conformance")
    assert "reference_server" not in imports("conformance")
    assert "conformance" not in imports("reference_server")


def test_every_package_is_in_the_wheel() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["packages"]
    folders = [file.parent for top in ("conformance", "reference_server") for file in (ROOT / top).rglob("__init__.py")]
    assert {".".join(folder.relative_to(ROOT).parts) for folder in folders} | {"ipc_schemas", "ipc_spec"} == set(listed)


def test_profile_is_unsupported_where_it_is_not_announced() -> None:
    """No case of a profile fails, or passes, on a server that knows nothing of profiles."""
    chosen = [each for each in select() if each.profile]
    assert {each.profile for each in chosen} == set(PROFILES)
    with ServerTarget(TargetConfig(command=mini())) as target:
        verdicts = {each.id: run_case(each, target).verdict for each in chosen}
    assert set(verdicts.values()) == {Verdict.UNSUPPORTED}, verdicts


def test_a_budget_begins_with_the_survey_and_one_case_for_each_requirement() -> None:
    chosen = select(Selection(budget=1))
    assert {each.id for each in chosen} == {each.id for each in select()}
    surveyed = [each for each in chosen if each.ability]
    assert chosen[: len(surveyed)] == surveyed
    ahead = chosen[: len(chosen) // 4]
    every = {name for each in chosen for name in each.requirements}
    assert {name for each in ahead for name in each.requirements} == every
