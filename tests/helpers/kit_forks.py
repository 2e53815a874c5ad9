"""Commands of the kit as forks of a process that has loaded it: loading takes longer than most commands do.

Run as a program, this module is that process. It reads requests from a socket, one JSON object per line. For each, it
forks and answers with the exit status.
"""

from __future__ import annotations

import atexit
import faulthandler
import gc
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from runpy import run_module
from typing import Any

IS_POSSIBLE = sys.platform == "linux"
"""Elsewhere forks are slow, or disturb libraries."""
HUNG = re.compile(r"^Timeout \([0-9:.]+\)!$", re.MULTILINE)
"""What faulthandler prints before the stacks of a command that takes too long."""


class Forks:
    """The process that has loaded the kit.

    Args:
        environment: its environment, without which no command runs.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        ours, theirs = socket.socketpair()
        command = [sys.executable, __file__, str(theirs.fileno())]
        self._process = subprocess.Popen(command, env=environment, pass_fds=[theirs.fileno()])
        theirs.close()
        self._channel = ours.makefile("rw")
        ours.close()
        atexit.register(self.close)

    def close(self) -> None:
        """End the process."""
        self._channel.close()
        self._process.wait()

    def run(self, arguments: tuple[str, ...], environment: dict[str, str], seconds: float) -> tuple[int, str, str]:
        """Run a command to its end; return its exit status, its output and its errors.

        Args:
            arguments: those of the command.
            environment: the whole environment of the command.
            seconds: how long it may take.

        Raises:
            AssertionError: it did not end in time; the message has its output and its stacks.
        """
        with tempfile.TemporaryDirectory() as folder:
            files = [str(Path(folder) / name) for name in ("out", "err")]
            request = {"arguments": arguments, "environment": environment, "files": files, "folder": str(Path.cwd())}
            print(json.dumps(request | {"seconds": seconds}), file=self._channel, flush=True)
            status = json.loads(self._channel.readline())
            out, err = (Path(file).read_text("utf-8") for file in files)
        if HUNG.search(err):
            raise AssertionError(f"{arguments} did not end in {seconds:g} s:\n{out}\n{err}")
        return status, out, err


@cache
def forks() -> Forks:
    """Return the process that has loaded the kit; it ends with this one."""
    return Forks({name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COVERAGE"))})


def _serve(descriptor: int) -> None:
    """Load the kit, and fork for each request."""
    _load()
    with socket.socket(fileno=descriptor).makefile("rw") as channel:
        for line in channel:
            child = os.fork()
            if child == 0:
                os.close(descriptor)
                return _become(json.loads(line))
            _, status = os.waitpid(child, 0)
            print(os.waitstatus_to_exitcode(status), file=channel, flush=True)
    return None


def _load() -> None:
    """Import what a run with any case imports, but apply nothing that a command may choose, such as a draft."""
    for name in ("conformance.cli.run", "conformance.protocol.prepared_validator"):
        import_module(name)
    package = import_module("conformance.cases")
    for module in walk_packages(package.__path__, f"{package.__name__}."):
        import_module(module.name)
    gc.freeze()


def _become(request: dict[str, Any]) -> None:
    """Make this fork resemble a new process, and run the command, which exits."""
    for descriptor, file in enumerate((os.devnull, *request["files"])):
        os.dup2(os.open(file, os.O_RDWR | os.O_CREAT, 0o600), descriptor)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    random.seed()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which is ignored if the tests run in the background
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    faulthandler.dump_traceback_later(request["seconds"], exit=True)
    sys.argv[1:] = request["arguments"]
    run_module("conformance", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
