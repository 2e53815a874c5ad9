"""Functions to run the kit's commands in tests, and to find processes that they left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from types import ModuleType
from typing import Any

from click.testing import CliRunner, Result
from kit_forks import IS_POSSIBLE, forks

from conformance.cli.main import main

REFERENCE = f"{quote(sys.executable)} -m reference_server --port {{port}} --responder --handshake-timeout 1"
KIT = [sys.executable, "-m", "conformance"]
LIMIT_SECONDS = 120.0
"""Only a hung command takes this long, also on a busy machine."""
GONE_SECONDS = 3.0
os.environ.pop("GITHUB_STEP_SUMMARY", None)  # which the runs of tests must not fill
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COVERAGE", "FORCE_COLOR"))
} | {"PYTHONFAULTHANDLER": "1"}
"""The environment of a command, without variables of the pytest that runs the test."""


class RaisingModule(ModuleType):
    """A module from which nothing can be imported: every attempt raises the error."""

    def __init__(self, error: type[BaseException]) -> None:
        super().__init__("raising")
        self.__dict__["error"] = error

    def __getattr__(self, _: str) -> Any:
        raise self.__dict__["error"]


def mini(wrong: str = "", marker: str = "") -> str:
    """Return the command of the small server, correct or with the named mistake."""
    script = Path(__file__).with_name("kit_mini_server.py")
    return f"{quote(sys.executable)} {quote(str(script))} --port {{port}} --wrong={wrong} {marker}".rstrip()


def script(folder: Path, source: str, marker: str = "") -> str:
    """Write a Python script and return the command that runs it with a port as its argument."""
    file = folder / "target.py"
    file.write_text(source)
    return f"{quote(sys.executable)} {quote(str(file))} {{port}} {marker}".rstrip()


def invoke(*arguments: str) -> Result:
    """Run a command of the kit that needs no server, in this process."""
    return CliRunner().invoke(main, arguments)


@contextmanager
def started(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Start a command of the kit with readable output, and kill it at the end if it still runs."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    pipes["preexec_fn"] = _heed_signals if os.name == "posix" else None
    with subprocess.Popen([*KIT, *arguments], env=ENVIRONMENT | environment, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def _heed_signals() -> None:
    """Do not ignore what a terminal sends, even if the tests run in the background, which makes them ignore it."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def finish(process: subprocess.Popen[str], seconds: float = LIMIT_SECONDS) -> tuple[str, str]:
    """Return what a process printed until its end; fail with that output and its stacks if it does not end in time.

    The process needs ``PYTHONFAULTHANDLER`` for the stacks, as :data:`ENVIRONMENT` has it.
    """
    try:
        return process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        try:
            out, err = process.communicate(timeout=GONE_SECONDS)
        except subprocess.TimeoutExpired as late:  # its children keep the pipes open
            out, err = str(late.stdout), str(late.stderr)
        raise AssertionError(f"{process.args!r} did not end in {seconds:g} s:\n{out}\n{err}") from None


def run_kit(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the kit to its end; as a fork, unless variables of Python choose how it starts."""
    if IS_POSSIBLE and not any(name.startswith("PYTHON") for name in environment):
        status, out, err = forks().run(arguments, ENVIRONMENT | environment, LIMIT_SECONDS)
        return subprocess.CompletedProcess([*KIT, *arguments], status, out, err)
    with started(*arguments, **environment) as process:
        out, err = finish(process)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def run_on(command: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run cases on the server that ``command`` starts, without further processes."""
    return run_kit("run", "--server-cmd", command, "-n", "1", *arguments, **environment)


def new_marker() -> str:
    """Return an argument that identifies the processes of a test by their command lines."""
    return f"--marker={uuid.uuid4().hex}"


def processes_with(marker: str) -> list[int]:
    """Return the processes whose command line has the marker, except the kit (its arguments have it, too)."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if marker.encode() in arguments:
            found.append(int(process.name))
    return found


def wait_until(condition: Callable[[], object], seconds: float = GONE_SECONDS) -> bool:
    """Wait until a condition is true; return false if it is not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def nothing_left(marker: str) -> bool:
    """Return true if all processes with the marker end soon."""
    return wait_until(lambda: not processes_with(marker))
