"""Drafts and releases in a run: what they add or replace, and what is said when they cannot be used."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
RELEASE = ROOT / "spec" / "releases" / "1.0.json"
DRAFTS = ROOT / "spec" / "drafts"
SERVER = ROOT / "conformance" / "implementations" / "reference_server" / "default.toml"
CLIENT = ROOT / "conformance" / "implementations" / "python_client" / "default.toml"
CASE = '''
from conformance.case import case


@case("draft/hello", "SYS-999")
def hello(context):
    """A case of the draft."""
'''


def kit(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the kit in a process of its own, since a draft stays in the process that has it."""
    command = [sys.executable, "-m", "conformance", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    """A draft with a requirement, a case, a vector, and a schema that everything fits."""
    files: dict[str, Any] = {
        "README.md": "# Hello: protocol 1.1\n",
        "11-system.md": "# System channel (SYS)\n\n**[SYS-999]** A server MUST say hello.\n\n*Since: 1.1.*\n",
        "cases.py": CASE,
        "schemas/pong.schema.json": '{"$id": "https://ipc-framework.example/schemas/1/pong.schema.json"}',
        "schemas/vectors/hello.json": json.dumps(
            {
                "vectors": [
                    {
                        "id": "hello/world",
                        "description": "A vector of the draft.",
                        "requirements": ["SYS-999"],
                        "state": "open",
                        "body": {"text": "{}"},
                        "expect": {"outcome": "accepted", "answer": "none"},
                    }
                ]
            }
        ),
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    return tmp_path


def test_draft_adds_its_cases_and_vectors_with_their_requirements(draft: Path) -> None:
    done = kit("list", "--draft", str(draft), "--case", "draft/*", "--case", "golden/hello-*", "--json")
    assert done.returncode == 0, done.stderr
    entries = json.loads(done.stdout)
    assert [entry["case"] for entry in entries] == ["draft/hello", "golden/hello-world"]
    assert {entry["requirements"][0]["text"] for entry in entries} == {"A server MUST say hello."}


def test_without_the_draft_nothing_of_it_is_there() -> None:
    assert kit("list", "--case", "draft/*").stdout == "0 cases\n"


def test_schema_of_a_draft_takes_the_place_of_the_published_one(draft: Path) -> None:
    program = (
        "from pathlib import Path; "
        "from conformance.protocol import schemas; from conformance.specification import drafts; "
        "assert schemas.problem('pong', {}); "
        f"drafts.choose(drafts.DRAFT, Path({str(draft)!r})); drafts.apply(); "
        "assert schemas.problem('pong', {}) is None"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_workers_of_a_run_have_the_draft_too(draft: Path) -> None:
    server = f"{sys.executable} -m reference_server --port {{port}} --responder"
    chosen = ("--case", "draft/*", "--case", "golden/hello-*", "-n", "2")
    done = kit("run", "--draft", str(draft), "--server-cmd", server, *chosen, "--format", "json")
    verdicts = {each["case"]: each["verdict"] for each in json.loads(done.stdout)["results"]}
    assert verdicts == {"draft/hello": "pass", "golden/hello-world": "fail"}


def test_release_has_its_own_vectors_and_no_others(tmp_path: Path) -> None:
    content = json.loads(RELEASE.read_text("utf-8"))
    content["vectors"] = content["vectors"][:3]
    file = tmp_path / "1.0.json"
    file.write_text(json.dumps(content), "utf-8")
    done = kit("list", "--release", str(file), "--case", "golden/*")
    assert done.stdout.splitlines()[-1] == "3 cases"


@pytest.mark.parametrize("option", ["--draft", "--release"])
def test_what_cannot_be_used_is_said_in_a_line(tmp_path: Path, option: str) -> None:
    (tmp_path / "schemas").mkdir()
    broken = tmp_path / "schemas" / "pong.schema.json"
    broken.write_text("{", "utf-8")
    chosen = tmp_path if option == "--draft" else broken
    done = kit("list", option, str(chosen))
    assert done.returncode == 2
    assert f"{chosen}: cannot be used (" in done.stderr
    assert "Traceback" not in done.stderr


def listed(role: str, *arguments: str) -> set[str]:
    """The ids of a role's cases."""
    return {each["case"] for each in json.loads(kit("list", "--role", role, "--json", *arguments).stdout)}


@pytest.mark.parametrize("name", sorted(path.parent.name for path in DRAFTS.glob("*/cases.py")))
def test_drafts_of_this_tree_are_accepted_and_our_server_and_client_pass_their_cases(name: str) -> None:
    folder = DRAFTS / name
    assert f"`{name}`" in (DRAFTS / "README.md").read_text("utf-8")
    judged = kit("gate", "--draft", str(folder))
    assert judged.returncode == 0, judged.stdout
    count = 0
    for role, target in (("server", SERVER), ("client", CLIENT)):
        cases = listed(role, "--draft", str(folder)) - listed(role)
        chosen = [word for case in cases for word in ("--case", case)]
        if cases:
            ran = kit("run", "--draft", str(folder), "--target", str(target), "--format", "json", *chosen)
            verdicts = {each["case"]: each["verdict"] for each in json.loads(ran.stdout)["results"]}
            assert {
                each: "pass" if verdict == "slow" else verdict for each, verdict in verdicts.items()
            } == dict.fromkeys(cases, "pass")
        count += len(cases)
    assert count > 0
