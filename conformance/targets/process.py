"""The processes of a target: start them, watch them, show their output, and end them with all their children."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from conformance.core.verdicts import TargetError
from conformance.targets import supervisor
from conformance.transport.address import Address, TcpAddress, transport_of

TAIL_BYTES = 4000
POLL_SECONDS = 0.01
STATE = "{state}"
"""The placeholder in a server's command for the path of a file for data that must survive a restart."""
STOP_GRACE_SECONDS = 3.0
FIRST_SIGNAL_STATUS = 128
"""The supervisor exits with 128 plus the number of the signal that ended the target, as shells do."""


class SupervisedProcess:
    """A process under a supervisor. However the kit ends, the supervisor ends the process and all its children.

    Args:
        command: program and arguments.
        folder: the working directory; None for the current one.
        environment: variables to add.
        talks: whether the kit writes to the process's standard input and reads its standard output. Otherwise the
            input is empty, and the output is kept for :meth:`tail`.

    Raises:
        TargetError: the folder does not exist.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
        talks: bool = False,
    ) -> None:
        if folder and not folder.is_dir():
            raise TargetError(f"{shlex.join(command)}: its working directory {folder} does not exist")
        self.command = list(command)
        # Deliberately not a pipe: a process that prints megabytes must neither block nor fill the kit's memory.
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop()
        read_end, write_end = os.pipe()
        self._supervisor = subprocess.Popen(  # noqa: S603 - the command is the user's own
            [sys.executable, "-I", "-S", supervisor.__file__, str(read_end), *self.command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if talks else self._output,
            stderr=self._output,
            pass_fds=(read_end,),
            cwd=folder,
            env=os.environ | dict(environment or {}),
            start_new_session=True,
        )
        os.close(read_end)
        self.input: IO[bytes] = os.fdopen(write_end, "wb", buffering=0)
        if not talks:
            self.input.close()

    @property
    def output(self) -> IO[bytes]:
        """The standard output of a process that talks."""
        assert self._supervisor.stdout, "only a process that talks has an output to read"  # noqa: S101
        return self._supervisor.stdout

    @property
    def is_alive(self) -> bool:
        """True if the process has not ended."""
        return self._supervisor.poll() is None

    def wait(self, seconds: float) -> int | None:
        """Wait for the end of the process and return its status, or None if it is still running."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._supervisor.wait(seconds)
        return None

    def tail(self) -> str:
        """Return the end of the process's output, except the standard output of a process that talks."""
        descriptor = self._output.fileno()  # pread: the process writes at the position that seek would move
        start = max(0, os.fstat(descriptor).st_size - TAIL_BYTES)
        return os.pread(descriptor, TAIL_BYTES, start).decode("utf-8", "replace").strip()

    def obituary(self) -> str:
        """Describe how the process ended and what it printed last."""
        status = self._supervisor.poll() or 0
        how = f"exit status {status}" if status <= FIRST_SIGNAL_STATUS else f"signal {status - FIRST_SIGNAL_STATUS}"
        return f"the process ended ({how}); its last output:\n{self.tail() or '(none)'}"

    def pids(self) -> list[int]:
        """Return the process ids of the process and its descendants (Linux; elsewhere empty)."""
        return supervisor.descendants(self._supervisor.pid)

    def ask_to_stop(self) -> None:
        """Ask for an orderly end (SIGTERM)."""
        self._supervisor.terminate()

    def kill(self) -> None:
        """Kill the process and all its children at once, without cleanup."""
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._supervisor.pid, signal.SIGKILL)
        else:
            self._supervisor.kill()
        self._supervisor.wait()

    def stop(self) -> None:
        """End the process and all its children: ask first, then kill. Safe to call again."""
        self.input.close()
        if self.is_alive:
            self.ask_to_stop()
            self.wait(STOP_GRACE_SECONDS)
        if self._supervisor.stdin and not self._supervisor.stdin.closed:
            self._supervisor.stdin.close()
            self.wait(STOP_GRACE_SECONDS)
        self.kill()
        if self._supervisor.stdout:
            self._supervisor.stdout.close()
        self._output.close()


class ServerProcess(SupervisedProcess):
    """A server that the kit started on a free port, accepting connections.

    Args:
        command: the command line with the placeholder ``{port}`` or, for a unix socket, ``{socket}``; optionally
            with ``{host}`` and ``{state}``.
        folder: the working directory; None for the current one.
        environment: variables to add.
        start_seconds: how long the server may take until it accepts connections.
        state: the path for ``{state}``; by default one that is deleted with the process.

    Raises:
        TargetError: the command cannot be run, ended at once, or did not accept connections in time.
    """

    def __init__(
        self,
        command: str,
        *,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
        start_seconds: float = 15.0,
        state: Path | None = None,
    ) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="ipc-conformance-")
        place = Path(self._scratch.name)
        self.address: Address = (transport_of(command) or TcpAddress).free(place)
        places = {**self.address.places, STATE: str(state or place / "state")}
        try:
            super().__init__(filled_in(command, places), folder=folder, environment=environment)
        except BaseException:
            self._scratch.cleanup()
            raise
        try:
            self._wait_until_it_accepts(start_seconds)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the process as :meth:`SupervisedProcess.stop`, and delete its temporary folder."""
        super().stop()
        self._scratch.cleanup()

    def _wait_until_it_accepts(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not self.is_alive:
                raise TargetError(f"{shlex.join(self.command)}: {self.obituary()}")
            with contextlib.suppress(OSError), self.address.connect(1.0):
                return
            time.sleep(POLL_SECONDS)
        raise TargetError(
            f"{shlex.join(self.command)}: nothing accepted connections on {self.address} within {seconds:g} s; "
            f"does the command use {self.address.placeholder}? Its last output:\n{self.tail() or '(none)'}"
        )


def filled_in(command: str, places: Mapping[str, str]) -> list[str]:
    """Split a command line as a shell does and replace the placeholders; other braces stay as they are.

    Raises:
        TargetError: a quotation mark is not closed.
    """
    try:
        parts = shlex.split(command)
    except ValueError as error:
        raise TargetError(f"cannot read the command line {command!r}: {error}") from None
    for place, value in places.items():
        parts = [part.replace(place, value) for part in parts]
    return parts
