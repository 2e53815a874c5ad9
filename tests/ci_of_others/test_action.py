"""The action and the template for other projects' CI, executed step by step as their CI does."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import yaml
from ci_jobs import ROOT, Job, checkout, run_template
from github_runner import commands_in
from kit_commands import mini

from conformance.core.shards import Shard
from conformance.core.verdicts import ExitCode

ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
TEMPLATE = yaml.safe_load((ROOT / "docs" / "ci" / "gitlab.yml").read_text("utf-8"))[".ipc-conformance"]
QUICK = 'name = "mine"\ncommand = """{}"""\n'
HOSTILE = "$(touch pwned) `touch pwned`'; touch pwned; \"; touch pwned; # \n touch pwned\n::error::x"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkout(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def runner(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a runner, in which a first job has installed the kit for all others; it names no target."""
    folder = tmp_path_factory.mktemp("runner")
    first = Job(project, folder)
    assert first.run() == ExitCode.USAGE
    assert "give exactly one of --server" in first.output
    assert first.outputs["action"] == {"verdict": "not decided", "failures": "", "results": ""}
    return folder


def job(project: Path, runner: Path, **inputs: str) -> Job:
    return Job(project, runner, {name.replace("_", "-"): value for name, value in inputs.items()})


def shard_with(case: str) -> str:
    """Return the shard that has a case and few others."""
    return next(str(each) for each in (Shard(number, 400) for number in range(1, 401)) if each.has(case))


def test_red_job_has_annotations_summary_report_and_outputs(project: Path, runner: Path) -> None:
    red = job(project, runner, server=mini("pong"), shard=shard_with("system/ping"), seed="1")
    assert red.run() == 1, red.output
    outputs = red.outputs["action"]
    assert outputs["verdict"] == "not conformant"
    assert int(outputs["failures"]) >= 1
    assert json.loads(Path(outputs["results"]).read_text())["summary"]["verdict"] == outputs["verdict"]
    assert set(red.uploaded) == {"results.json", "report.html", "junit.xml", "badge.json"}
    assert "error" in {each.name for each in commands_in(red.output)}
    assert re.search(r"^### .* not conformant", red.summary, re.MULTILINE)


def test_target_file_known_failures_and_selection_reach_the_kit(project: Path, runner: Path) -> None:
    work = runner / "work"
    work.mkdir(exist_ok=True)
    (work / "target.toml").write_text(QUICK.format(mini()))
    (work / "known.toml").write_text("seed = 7\n")
    green = job(project, runner, target_file="target.toml", known_failures="known.toml", level="should", protocol="1.0")
    green.inputs["shard"] = "3/20"
    status = green.run()
    results = json.loads(green.uploaded["results.json"])
    assert (results["seed"], results["shards"]["numbers"], results["target"]["name"]) == (7, [3], "mine")
    assert {each["level"] for each in results["results"]} == {"should"}
    assert results["target"]["protocol"] == "1.0"
    assert status == (1 if results["summary"]["unexpected"] else 0)


def test_kit_of_the_job_itself_is_not_taken(project: Path, runner: Path, tmp_path: Path) -> None:
    own = tmp_path / "bin" / "ipc-conformance"
    own.parent.mkdir()
    own.write_text("#!/bin/sh\necho the own kit\n", "utf-8")
    own.chmod(0o755)
    path = f"{own.parent}:{os.environ['PATH']}"
    done = job(project, runner, level="neither")
    assert done.run(PATH=path) == ExitCode.USAGE, done.output
    assert "the own kit" not in done.output
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "ipc-conformance").symlink_to(runner / "temp" / "ipc-conformance-venv")
    template = run_template(project, tmp_path, IPC_LEVEL="neither", PATH=path)
    assert template.returncode == ExitCode.USAGE, template.stdout


def test_no_input_is_a_part_of_a_script(project: Path, runner: Path) -> None:
    for name in ACTION["inputs"]:
        if name != "report-name":
            bad = job(project, runner, **{"server": "localhost:1", name: HOSTILE})
            assert bad.run() != 0, name
            assert bad.outputs["action"]["verdict"] == "not decided"
    assert not (runner / "work" / "pwned").exists()


def test_every_input_is_used_and_described() -> None:
    used = re.findall(r"\$\{\{ inputs\.([\w-]+) \}\}", (ROOT / "action.yml").read_text("utf-8"))
    assert sorted(used) == sorted(ACTION["inputs"])
    assert all(each["description"] and "default" in each for each in ACTION["inputs"].values())


def test_guide_has_every_input_and_output_and_no_others() -> None:
    page = (ROOT / "docs" / "in-your-ci.md").read_text("utf-8")
    tables = re.findall(r"^\| (`.*?`) \| ", page.partition("### Shards")[0], re.MULTILINE)
    named = [name for row in tables for name in re.findall(r"`([\w-]+)`", row)]
    assert named == [*ACTION["inputs"], *ACTION["outputs"]]
    blocks = [yaml.safe_load(each) for each in re.findall(r"```yaml[^\n]*\n(.*?)```", page, re.DOTALL)]
    steps = [step for block in blocks for step in block.get("jobs", {}).get("conformance", block).get("steps", ())]
    given = [name for step in steps if "REVISION" in step.get("uses", "") for name in step["with"]]
    assert len(given) >= 5
    assert set(given) <= set(ACTION["inputs"])
    (job,) = (block["conformance"] for block in blocks if "include" in block)
    assert set(job["variables"]) <= set(TEMPLATE["variables"])
    (hook,) = (each for block in blocks for repo in block.get("repos", ()) for each in repo["hooks"])
    assert f"- id: {hook['id']}\n" in (ROOT / ".pre-commit-hooks.yaml").read_text("utf-8")


def test_template_gives_the_options_as_the_action_does() -> None:
    (run,) = (each["run"] for each in ACTION["runs"]["steps"] if each.get("id") == "run")
    (script,) = TEMPLATE["script"]
    shared = [re.search(r"^case .*junit=.*?$", each, re.MULTILINE | re.DOTALL) for each in (run, script)]
    texts = [each[0] for each in shared if each]
    assert len(texts) == 2
    assert texts[0] == texts[1]


def test_template_installs_as_the_action_does() -> None:
    (install,) = (each["run"] for each in ACTION["runs"]["steps"] if each.get("id") == "install")
    places = {"$CI_PROJECT_DIR/.cache/ipc-conformance": "$RUNNER_TEMP/ipc-conformance-venv", "python3": '"$PYTHON"'}
    text = "\n".join(TEMPLATE["before_script"][:2]).replace("$IPC_KIT", "$GITHUB_ACTION_PATH")
    for old, new in places.items():
        text = text.replace(old, new)
    assert text.replace('"', "") == install.strip().replace('"', "")


def test_template_runs_the_kit_and_keeps_its_reports(project: Path, runner: Path, tmp_path: Path) -> None:
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "ipc-conformance").symlink_to(runner / "temp" / "ipc-conformance-venv")
    shard = shard_with("system/ping")
    done = run_template(project, tmp_path, IPC_SERVER=mini("pong"), IPC_SHARD=shard, IPC_SEED="1")
    assert done.returncode == 1, done.stdout
    folder = tmp_path / TEMPLATE["variables"]["IPC_REPORT"]
    assert {each.name for each in folder.iterdir()} == {"results.json", "report.html", "junit.xml", "badge.json"}
    assert "FAIL system/ping" in done.stdout
    done = run_template(project, tmp_path, IPC_SERVER=HOSTILE, IPC_LEVEL=HOSTILE)
    assert done.returncode == 2, done.stdout
    assert not (tmp_path / "pwned").exists()
