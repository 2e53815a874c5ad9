"""Executes what other projects' CI executes: the steps of the composite action, and the jobs of the template."""

from __future__ import annotations

import os
import re
import shutil
import site
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
PACKAGED = ("conformance", "reference_server", "schemas", "spec", "docs/ci")
EXPRESSION = re.compile(r"\$\{\{ *(?P<path>[\w.-]+) *\}\}")
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_QUIET": "1"}
"""pip finds build tools and dependencies in the environment of the tests (``PIP_NO_BUILD_ISOLATION=0`` means none)."""
BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail")
"""How GitHub runs a step with ``shell: bash``."""


def checkout(folder: Path) -> Path:
    """Copy what a checkout of this project has, as far as it is installed or executed."""
    for name in PACKAGED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    for file in ("action.yml", "pyproject.toml", "setup.py", "README.md", "LICENSE", "Containerfile"):
        shutil.copy(ROOT / file, folder / file)
    return folder


def environment(**variables: str) -> dict[str, str]:
    """Return the environment of a job: that of the tests without variables of Python, pytest and CI."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    packages = os.pathsep.join([*site.getsitepackages()])
    return kept | OFFLINE | {"PYTHONPATH": packages, "PIP_DISABLE_PIP_VERSION_CHECK": "1"} | variables


@dataclass
class Job:
    """A job of GitHub that has the composite action as its only step.

    Attributes:
        project: the checkout of this project.
        folder: an empty folder for the runner; the workspace is in it.
        inputs: the inputs that the job states.
        output: what the steps printed.
        outputs: the outputs of the steps by their ids.
        uploaded: the files that were uploaded, by name, with their texts.
    """

    project: Path
    folder: Path
    inputs: dict[str, str] = field(default_factory=dict)
    output: str = ""
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    uploaded: dict[str, str] = field(default_factory=dict)

    @property
    def workspace(self) -> Path:
        """The folder in which the steps run."""
        return self.folder / "work"

    @property
    def summary(self) -> str:
        """The summary of the job."""
        return (self.folder / "summary.md").read_text("utf-8")

    def run(self, **variables: str) -> int:
        """Run the action; return the status of the first step that failed, or 0."""
        action = yaml.safe_load((self.project / "action.yml").read_text("utf-8"))
        stated = {name: each["default"] for name, each in action["inputs"].items()}
        assert self.inputs.keys() <= stated.keys()
        self.inputs = stated | self.inputs
        for name in ("work", "temp"):
            (self.folder / name).mkdir(exist_ok=True)
        (self.folder / "summary.md").touch()
        status = 0
        for step in action["runs"]["steps"]:
            if status and "always()" not in step.get("if", ""):
                continue
            if step.get("id") == "install" and (self.folder / "temp" / "ipc-conformance-venv").exists():
                continue  # as a job before did the same here, which takes most of the time
            ended = self._uses(step) if "uses" in step else self._shell(step, variables)
            status = status or ended
        self.outputs["action"] = {name: self.value(each["value"]) for name, each in action["outputs"].items()}
        return status

    def _shell(self, step: dict[str, Any], variables: dict[str, str]) -> int:
        assert step["shell"] == "bash"
        assert "${{" not in step["run"], "an input would become a part of the text of a script"
        script, output = self.folder / "step.sh", self.folder / "output"
        script.write_text(step["run"], "utf-8")
        output.write_text("", "utf-8")
        given = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION_PATH": str(self.project),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
            "RUNNER_TEMP": str(self.folder / "temp"),
        }
        given |= {name: self.value(value) for name, value in step.get("env", {}).items()}
        done = _executed([*BASH, str(script)], self.workspace, environment(**given, **variables))
        self.output += done.stdout
        lines = output.read_text("utf-8").splitlines()
        self.outputs[step["id"]] = dict(line.split("=", 1) for line in lines)
        return done.returncode

    def _uses(self, step: dict[str, Any]) -> int:
        """Do what the named action would do."""
        given = {name: self.value(str(value)) for name, value in step["with"].items()}
        match step["uses"].partition("@")[0]:
            case "actions/setup-python":
                self.outputs[step["id"]] = {"python-path": sys.executable, "python-version": given["python-version"]}
            case "actions/cache":
                assert given["path"]
                assert not given["key"].endswith("-")
            case "actions/upload-artifact":
                files = [each for each in Path(given["path"]).rglob("*") if each.is_file()]
                self.uploaded = {each.name: each.read_text("utf-8") for each in files}
            case other:
                raise AssertionError(f"nothing does what {other} does")
        return 0

    def value(self, text: str) -> str:
        """Return a text of a workflow with the values of its expressions."""
        return EXPRESSION.sub(lambda found: self._meaning(found["path"]), text)

    def _meaning(self, path: str) -> str:
        match path.split("."):
            case ["inputs", name]:
                return self.inputs[name]
            case ["steps", step, "outputs", name]:
                return self.outputs.get(step, {}).get(name, "")
            case ["runner", "os"]:
                return "Linux"
            case _:
                raise AssertionError(f"nothing is known about {path}")


def run_template(project: Path, workspace: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a job of GitLab that extends the template, in the shell of its image; the output has both streams.

    If the cache in the workspace has the kit, nothing is installed.
    """
    job = yaml.safe_load((project / "docs" / "ci" / "gitlab.yml").read_text("utf-8"))[".ipc-conformance"]
    stated = job["variables"] | {"IPC_KIT": str(project)} | variables
    given = {name: value.replace("$CI_PROJECT_DIR", str(workspace)) for name, value in stated.items()}
    before = [] if (workspace / ".cache").exists() else job["before_script"][:2]
    before += job["before_script"][2:]
    script = "\n".join(["set -e", *before, *job["script"]])
    return _executed(["sh", "-c", script], workspace, environment(CI_PROJECT_DIR=str(workspace), **given))


def _executed(command: list[str], folder: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
        check=False,
    )  # fmt: skip
