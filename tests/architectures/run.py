"""Run the suite on conforming servers and clients of other architectures: ``python tests/architectures/run.py``.

The programs in this folder conform, and are built in other ways than the reference server and the Node.js client. They
were written from the specification alone, to show what the suite takes for granted. Every failure that the suite
reports on one of them is a false accusation, unless the program is wrong by the specification: then correct the
program. A program whose tool chain is missing is named and counted.

==================  ==========  =======================================================================================
program             language    architecture
==================  ==========  =======================================================================================
threaded_server     Python      blocking sockets, a reader and a writer thread for each connection, a thread for each
                                request and each error; bodies through the json module
relayed_server      Python      the same behind a process that relays, cuts and joins octets
evented_server      JavaScript  one event loop with streams; JSON.parse reorders members, and keeps the last of two
actor_server        Rust        one thread owns the state, others feed it; numbers as 1e2, escapes for most characters,
                                no reply_to instead of null
threaded_client     Python      a thread reads, another one calls handlers later; disconnect waits for the server's end;
                                pings at once, has few requests in flight, drops what is too long
threaded_client_told            the same; comes back only when it is told to connect; sends no unsubscribe
threaded_client_once            the same; a client has one connection, and never comes back; one request after another,
                                and a late unsubscribe
pooled_client       JavaScript  a worker thread has the socket; handlers are called in any order
==================  ==========  =======================================================================================
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import click

FOLDER = Path(__file__).parent
BUILD = FOLDER / "build"
RUSTUP = Path.home() / ".cargo" / "bin"
LEAST_CASES = 200
"""A run of fewer cases shows nothing: the suite has more of every role."""


@dataclass(frozen=True)
class Program:
    """A server or a client of this folder.

    Attributes:
        name: the name of its target file, without the ending.
        tool: the program that must be installed to run or compile it, besides Python.
        warnings: the cases whose SHOULD it does not follow on purpose.
    """

    name: str
    tool: str | None = None
    warnings: tuple[str, ...] = ()


PROGRAMS = (
    Program("threaded_server"),
    Program("relayed_server"),
    Program(
        "evented_server", "node", ("golden/*-member-twice*", "handshake/acknowledgement-states-*", "survey/limits")
    ),
    Program("actor_server", "rustc"),
    Program("threaded_client"),
    Program("threaded_client_told"),
    Program("threaded_client_once"),
    Program("pooled_client", "node"),
)


@click.command()
@click.option("--only", default="*", metavar="GLOB", help="Run only the programs whose name matches.")
@click.option("--runs", default=1, show_default=True, help="Run each so often, every second time with both cores busy.")
@click.option("--jobs", default=2, show_default=True, help="Number of programs to run at a time.")
def main(only: str, runs: int, jobs: int) -> None:
    """Run the suite on each program; exit with status 1 if it reports a failure, or a warning that is not expected."""
    chosen = [each for each in PROGRAMS if fnmatchcase(each.name, only)]
    present = [each for each in chosen if each.tool is None or find(each.tool)]
    for each in chosen:
        if each not in present:
            click.echo(f"{each.name}: not run, {each.tool} is not installed")
    start, accusations = time.monotonic(), 0
    compile_rust([each.name for each in present if each.tool == "rustc"])
    for number in range(runs):
        with busy_cores() if number % 2 else contextlib.nullcontext(), ThreadPoolExecutor(jobs) as pool:
            for program, (seconds, problems) in zip(present, pool.map(judge, present), strict=True):
                accusations += len(problems)
                click.echo(f"{program.name}: run {number + 1}, {seconds:.0f} s, {len(problems)} accusations")
                for problem in problems:
                    click.echo(f"  {problem}")
    ran = f"{len(present)} of {len(chosen)} programs"
    click.echo(f"{ran}, {runs} runs, {accusations} accusations, {time.monotonic() - start:.0f} s")
    sys.exit(bool(accusations or not present))


def find(tool: str) -> str | None:
    """Return the path of a tool on PATH, or where rustup puts it."""
    return shutil.which(tool) or shutil.which(tool, path=str(RUSTUP))


def compile_rust(names: Sequence[str]) -> None:
    """Compile programs that have changed."""
    BUILD.mkdir(exist_ok=True)
    for name in names:
        source, target = FOLDER / f"{name}.rs", BUILD / name
        if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
            command = [find("rustc") or "rustc", "--edition", "2021", "-O", "-o", str(target), str(source)]
            subprocess.run(command, check=True)


def judge(program: Program) -> tuple[float, list[str]]:
    """Run the suite on a program; return its seconds, and the accusations as lines."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "results.json"
        target = FOLDER / f"{program.name}.toml"
        command = [sys.executable, "-m", "conformance", "run", "--target", str(target), "-n", "2", "--json", str(file)]
        process = subprocess.run(command, check=False, capture_output=True, text=True)
        results = json.loads(file.read_text("utf-8"))["results"] if file.exists() else []
    found = [
        f"{each['verdict']} {each['case']}: {each.get('message', '')}"
        for each in results
        if each["verdict"] in ("fail", "error") or (each["verdict"] == "warn" and not expected(program, each["case"]))
    ]
    executed = sum(each["verdict"] != "unsupported" for each in results)
    if executed < LEAST_CASES or (process.returncode and not found):
        found.append(
            f"status {process.returncode} after {executed} cases: {process.stdout[-500:]}{process.stderr[-500:]}"
        )
    for each in found:
        if not each.startswith("status"):
            click.echo(explanation(process.stdout, each.split()[1].rstrip(":")))
    return time.monotonic() - start, found


def expected(program: Program, case: str) -> bool:
    """Return true if the program does not follow the case's SHOULD on purpose."""
    return any(fnmatchcase(case, pattern) for pattern in program.warnings)


def explanation(output: str, case: str) -> str:
    """Return the kit's explanation of one case that did not pass."""
    for part in output.split("\nFAIL ")[1:] + output.split("\nWARN ")[1:]:
        if part.startswith(case + "\n"):
            return part.split("\n\n")[0][:4000]
    return f"{case}: no explanation"


@contextlib.contextmanager
def busy_cores(count: int = 2) -> Iterator[None]:
    """Keep cores busy."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            process = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(process.kill)
        yield


if __name__ == "__main__":
    main()
