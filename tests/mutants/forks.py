"""Servers as forks of this process, which has imported what they need: they start at once."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from conformance.targets.process import FIRST_SIGNAL_STATUS, ServerProcess

PR_SET_PDEATHSIG = 1
Serve = Callable[[list[str]], None]
IS_LINUX = sys.platform == "linux"
"""Elsewhere a fork would outlive its parent if that were killed, so servers start as those of the suite do."""


class Fork:
    """A fork of this process that runs a server; it has the methods of :class:`subprocess.Popen` that the kit calls.

    Args:
        serve: serves until SIGTERM; it gets the arguments.
        arguments: those of the server.
        output: the file for the server's output.
    """

    stdin = stdout = None

    def __init__(self, serve: Serve, arguments: list[str], output: IO[bytes]) -> None:
        context = multiprocessing.get_context("fork")
        self._process = context.Process(target=_run, args=(serve, arguments, output.fileno(), os.getpid()), daemon=True)
        self._process.start()
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """Return the status as a supervisor does, or None if the fork has not ended."""
        status = self._process.exitcode
        return FIRST_SIGNAL_STATUS - status if status and status < 0 else status

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the status.

        Raises:
            subprocess.TimeoutExpired: it did not end in time.
        """
        self._process.join(timeout)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired("fork", timeout or 0)
        return status

    def terminate(self) -> None:
        """Ask for an orderly end (SIGTERM)."""
        self._process.terminate()


class ForkedServer(ServerProcess):
    """A server that the command ``PYTHON SCRIPT ...`` would start, without a new interpreter and a supervisor.

    Subclasses define what the script does.
    """

    _supervisor: Any

    @staticmethod
    def serve(arguments: list[str]) -> None:
        """Do in a fork what the script does with its arguments: serve until SIGTERM."""
        raise NotImplementedError

    def pids(self) -> list[int]:
        """Return the process id of the server; it starts no processes."""
        return [self._supervisor.pid]

    def _launch(self, *_: Any, **__: Any) -> Any:
        _interpreter, _script, *arguments = self.command
        return Fork(self.serve, arguments, self._output)


def end_with_parent(parent: int) -> None:
    """Let the system kill this process when its parent ends, on Linux."""
    if IS_LINUX:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit("the parent ended before")


def _run(serve: Serve, arguments: list[str], output: int, parent: int) -> None:
    """Make this fork resemble a new process, and serve until SIGTERM."""
    end_with_parent(parent)
    os.setsid()  # the kit kills the group, and Ctrl-C is for the parent, which then stops this process
    for stream in (1, 2):
        os.dup2(output, stream)
    _close_sockets()
    _return_free_memory()
    serve(arguments)


def _close_sockets() -> None:
    """Close copies of the kit's connections: with a copy open, closing a connection in the kit would not end it."""
    for entry in list(Path("/proc/self/fd").iterdir()):
        if entry.is_socket():
            os.close(int(entry.name))


def _return_free_memory() -> None:
    """Return what the kit has freed: a server that used it up first would hide its growth from the cases."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
