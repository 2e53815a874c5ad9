"""Follow docs/in-your-ci.md in an empty repository: ``python tests/ci_of_others/follow_guide.py``.

The repository gets the server of docs/five-minutes.md, and the workflow of the guide. Its job is executed after each
push, as GitHub would: it must be red first, and green with the known failures that the guide writes down. Then the
server gets a further fault, which must make it red again. The exit status is 1 if a job is otherwise, or if a step
cannot be followed.
"""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ci_jobs import BASH, ROOT, Job, checkout, environment

TUTORIAL: dict[str, Any] = runpy.run_path(str(ROOT / "tests" / "docs" / "run_tutorial.py"))
WORKFLOW = Path(".github", "workflows", "conformance.yml")
THIS_ACTION = "OWNER/NAME@REVISION"
FAULT = ('{"status": "pong"}', '{"status": "ping"}')
"""What the last push of the story breaks."""


class Departure(Exception):
    """Something went otherwise than the guide says."""


def main() -> None:
    """Follow the guide.

    Raises:
        Departure: a job ended otherwise than the guide says.
    """
    with tempfile.TemporaryDirectory(prefix="ipc-your-ci-") as place:
        scratch = _repository(Path(place, "scratch"))
        runner = Runner(checkout(Path(place, "project")), Path(place, "runner"), scratch)
        _push(scratch, "Add a server")
        part = _guide("in-your-ci.md").partition("## GitHub Actions")[2].partition("| input | meaning |")[0]
        workflow, known, change = TUTORIAL["FENCE"].findall(part)
        _do(scratch, workflow)
        runner.expect(_push(scratch, "Run the conformance kit"), is_green=False)
        _do(scratch, known)
        _do(scratch, change)
        runner.expect(_push(scratch, "Name the known failures"), is_green=True)
        server = scratch / "my_server.py"
        server.write_text(server.read_text("utf-8").replace(*FAULT), "utf-8")
        runner.expect(_push(scratch, "Answer pings with another word"), is_green=False)


def _repository(folder: Path) -> Path:
    """Create the repository, with a server."""
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    texts = {options.strip(): text for _, options, text in TUTORIAL["FENCE"].findall(_guide("five-minutes.md"))}
    (folder / "my_server.py").write_text(texts["file=my_server.py"], "utf-8")
    return folder


def _guide(page: str) -> str:
    return (ROOT / "docs" / page).read_text("utf-8")


def _do(scratch: Path, block: tuple[str, str, str]) -> None:
    language, options, content = block
    TUTORIAL["do"](scratch, language, dict(part.split("=", 1) for part in options.split()), content)


def _push(scratch: Path, subject: str) -> str:
    author = ("-c", "user.name=A maintainer", "-c", "user.email=maintainer@example.org")
    subprocess.run(["git", "-C", str(scratch), "add", "--all"], check=True)
    subprocess.run(["git", "-C", str(scratch), *author, "commit", "--quiet", "-m", subject], check=True)
    return subject


@dataclass
class Runner:
    """A runner of GitHub.

    Attributes:
        project: a checkout of this project, which has the action.
        folder: a folder for its jobs. The kit that the first job installs stays there for the others.
        scratch: the repository.
    """

    project: Path
    folder: Path
    scratch: Path

    def expect(self, subject: str, *, is_green: bool) -> None:
        """Execute the job of the newest commit; it must end as the guide says.

        Raises:
            Departure: it did not.
        """
        self._tidy()
        (job,) = yaml.safe_load((self.scratch / WORKFLOW).read_text("utf-8"))["jobs"].values()
        done, ended, printed = Job(self.project, self.folder), 0, ""
        for step in job["steps"]:
            if ended and step.get("if") != "always()":
                continue
            match step:
                case {"uses": "actions/checkout@v4"}:
                    subprocess.run(["git", "clone", "--quiet", str(self.scratch), str(done.workspace)], check=True)
                case {"uses": action, "id": name, "with": inputs} if action == THIS_ACTION:
                    done.inputs = inputs
                    ended = done.run()
                    done.outputs[name] = done.outputs["action"]
                case {"run": script}:
                    command = [*BASH, "-c", done.value(script)]
                    printed += subprocess.check_output(command, cwd=done.workspace, env=environment(), text=True)
                case _:
                    raise Departure(f"nothing does what this step does: {step}")
        print(f"{subject}: {printed.strip()}", flush=True)  # noqa: T201 - a command line tool
        # The server conforms in neither: a green job expects what fails.
        if (ended == 0, printed.strip() == "not conformant, 0 failures") != (is_green, is_green):
            raise Departure(f"the job of {subject!r} ended with {ended}, {printed!r}\n{done.output}")

    def _tidy(self) -> None:
        self.folder.mkdir(exist_ok=True)
        shutil.rmtree(self.folder / "work", ignore_errors=True)
        (self.folder / "summary.md").unlink(missing_ok=True)


if __name__ == "__main__":
    try:
        main()
    except (Departure, TUTORIAL["Departure"], subprocess.CalledProcessError) as error:
        sys.exit(f"the guide cannot be followed: {error}")
