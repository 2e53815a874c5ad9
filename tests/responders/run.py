"""Run the cases that the responder serves on the programs of ``docs/responders``: all of them must pass.

``python tests/responders/run.py [--only GLOB]`` from the root of the project. A program whose tool is not installed is
not run: a line names it, and the last line counts those that ran.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import click

FOLDER = Path(__file__).parents[2] / "docs" / "responders"
RUSTUP = Path.home() / ".cargo" / "bin"
CASES = ("survey/*", "system/*", "requests/*", "failing/*", "notifications/*", "publish/*")
LEAST_CASES = 140
"""A run of fewer cases shows nothing: the chapters have more."""
LEAST_PROGRAMS = 2
"""The kit itself needs Python, and the client Node.js."""


@dataclass(frozen=True)
class Program:
    """A program of the folder.

    Attributes:
        language: the name of its language.
        file: its source.
        run: the command that starts it, as the page has it.
        build: the command that compiles it, if there is one.
        time_scale: by how much the kit multiplies its deadlines.
    """

    language: str
    file: str
    run: str
    build: str = ""
    time_scale: str = "1"

    @property
    def tool(self) -> str:
        """The program that must be installed."""
        return (self.build or self.run).split()[0]


PROGRAMS = (
    Program("Python", "responder.py", "python responder.py --port {port}"),
    Program("Node.js", "responder.js", "node responder.js --port {port}"),
    Program("Go", "responder.go", "./responder-go --port {port}", "go build -o responder-go responder.go"),
    Program(
        "Rust", "responder.rs", "./responder-rs --port {port}", "rustc --edition 2021 -o responder-rs responder.rs"
    ),
    # On a busy machine, a JVM or Mono that has just started needs seconds for its first answer.
    Program("Java", "Responder.java", "java Responder --port {port}", "javac Responder.java", "3"),
    Program("C#", "Responder.cs", "mono Responder.exe --port {port}", "mcs Responder.cs", "3"),
)


@click.command()
@click.option("--only", default="*", metavar="GLOB", help="Run only the programs whose file matches.")
def main(only: str) -> None:
    """Run the cases on each program; exit with status 1 if a case does not pass, or if too few programs ran."""
    chosen = [each for each in PROGRAMS if fnmatchcase(each.file, only)]
    present = [each for each in chosen if find(each.tool)]
    for each in chosen:
        if each not in present:
            click.echo(f"{each.language}: not run, {each.tool} is not installed")
    start, failed = time.monotonic(), False
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        for program, (seconds, passed, problems) in zip(
            present, pool.map(lambda each: judge(each, Path(folder)), present), strict=True
        ):
            failed |= bool(problems)
            click.echo(f"{program.language}: {passed} cases passed, {seconds:.0f} s")
            for problem in problems:
                click.echo(f"  {problem}")
    click.echo(f"{len(present)} of {len(chosen)} programs ran, {time.monotonic() - start:.0f} s")
    sys.exit(failed or len(present) < min(len(chosen), LEAST_PROGRAMS))


def find(tool: str) -> str | None:
    """Return the path of a tool: this Python, one on PATH, or where rustup puts it."""
    return sys.executable if tool == "python" else shutil.which(tool) or shutil.which(tool, path=str(RUSTUP))


def judge(program: Program, place: Path) -> tuple[float, int, list[str]]:
    """Compile a program in a folder of its own and run the cases on it; return seconds, passes and problems."""
    folder = place / program.language
    folder.mkdir()
    shutil.copy(FOLDER / program.file, folder)
    start = time.monotonic()
    if program.build:
        command = [find(program.tool) or program.tool, *program.build.split()[1:]]
        built = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
        if built.returncode:
            return time.monotonic() - start, 0, [f"it is not compiled: {built.stdout}{built.stderr}"]
    passed, problems = run_cases(program, folder)
    return time.monotonic() - start, passed, problems


def run_cases(program: Program, folder: Path) -> tuple[int, list[str]]:
    """Run the cases; return how many passed, and what did not."""
    target, results = folder / "target.toml", folder / "results.json"
    target.write_text(f"name = {json.dumps(program.language)}\ncommand = {json.dumps(program.run)}\n", "utf-8")
    chosen = [argument for case in CASES for argument in ("--case", case)]
    command = [sys.executable, "-m", "conformance", "run", "--target", str(target), "-n", "1", *chosen]
    command += ["--time-scale", program.time_scale, "--json", str(results)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    found = json.loads(results.read_text("utf-8"))["results"] if results.exists() else []
    passed = [each for each in found if each["verdict"] in ("pass", "slow", "flaky")]
    problems = [f"{each['verdict']} {each['case']}: {each.get('message', '')}" for each in found if each not in passed]
    if len(found) < LEAST_CASES or (done.returncode and not problems):
        problems.append(f"status {done.returncode} after {len(found)} cases: {done.stdout[-500:]}{done.stderr[-500:]}")
    return len(passed), problems


if __name__ == "__main__":
    main()
