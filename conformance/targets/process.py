"""The processes of a target: start them, watch them, show their output, and end them with all their children."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, TypeVar

from conformance.core.files import temporary_folder
from conformance.core.text import quoted
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
_IN_USE = re.compile(r"\b(?:address (?:is )?(?:already )?in use|EADDRINUSE|AddrInUse)\b", re.IGNORECASE)
"""How servers of several languages say that another process has their port."""
PORTS = 3
"""On how many ports a server is started at most."""
Started = TypeVar("Started", bound="ServerProcess")
OBITUARY_SECONDS = 1.0
"""How long a process whose output has ended has to end itself."""


class SupervisedProcess:
    """A process under a supervisor. However the kit ends, the supervisor ends the process and all its children.

    Args:
        command: program and arguments.
        folder: the working directory; None for the current one.
        environment: variables to add.
        talks: whether the kit writes to the process's standard input and reads its standard output. Otherwise the
            input is empty, and the output is kept for :meth:`tail`.
        start_seconds: a command that ends in order within this time may leave a server that does not listen yet.

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
        start_seconds: float = 0.0,
    ) -> None:
        if folder and not folder.is_dir():
            raise TargetError(f"{shlex.join(command)}: its working directory {folder} does not exist")
        self.command = list(command)
        self._is_to_end = False
        # Deliberately not a pipe: a process that prints megabytes must neither block nor fill the kit's memory.
        self._output = _appending_file()
        read_end, write_end = os.pipe()
        supervised = [str(read_end), f"{start_seconds:g}", *command]
        self._supervisor = self._launch(supervised, read_end, folder, environment, talks=talks)
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
        """Return the end of the process's output, except the standard output of a process that talks.

        It is fit to print: escaped, with a mark before each line.
        """
        descriptor = self._output.fileno()  # pread: the process writes at the position that seek would move
        start = max(0, os.fstat(descriptor).st_size - TAIL_BYTES)
        return quoted(os.pread(descriptor, TAIL_BYTES, start).decode("utf-8", "replace").strip())

    def obituary(self) -> str:
        """Describe how the process ended and what it printed last; its output may end a moment before it does."""
        status = self.wait(OBITUARY_SECONDS)
        last = f"its last output:\n{self.tail() or '(none)'}"
        if status is None:
            return f"the process closed its output, and still runs; {last}"
        how = f"exit status {status}" if status <= FIRST_SIGNAL_STATUS else f"signal {status - FIRST_SIGNAL_STATUS}"
        return f"the process ended ({how}); {last}"

    def pids(self) -> list[int]:
        """Return the process ids of the process and its descendants (Linux; elsewhere empty)."""
        return supervisor.descendants(self._supervisor.pid)

    def has_died(self, seconds: float) -> bool:
        """Return true if the process has ended, or ends within so many seconds, and the kit did not end it."""
        return not self._is_to_end and self.wait(seconds) is not None

    def ask_to_stop(self) -> None:
        """Ask for an orderly end (SIGTERM); the signal also reaches a server whose wrapper does not forward it."""
        self._is_to_end = True
        self._supervisor.terminate()

    def kill(self) -> None:
        """Kill the process and all its children at once, without cleanup."""
        self._is_to_end = True
        if os.name == "posix":
            family = self.pids()  # some may be in other groups, which the signal to the group does not reach
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._supervisor.pid, signal.SIGKILL)
            for pid in family:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
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

    def _launch(
        self,
        arguments: Sequence[str],
        target_input: int,
        folder: Path | None,
        environment: Mapping[str, str] | None,
        *,
        talks: bool,
    ) -> subprocess.Popen[bytes]:
        """Start the supervisor, which leads a process group of its own."""
        return subprocess.Popen(  # noqa: S603 - the command is the user's own
            [sys.executable, "-I", "-S", supervisor.__file__, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if talks else self._output,
            stderr=self._output,
            pass_fds=(target_input,),
            cwd=folder,
            env=os.environ | dict(environment or {}),
            start_new_session=True,
        )


def _appending_file() -> IO[bytes]:
    """Return a nameless file to which all writers append, so that the supervisor can cut it while they write."""
    import fcntl  # noqa: PLC0415 - POSIX only, as are supervised processes

    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    fcntl.fcntl(file, fcntl.F_SETFL, fcntl.fcntl(file, fcntl.F_GETFL) | os.O_APPEND)
    return file


class PortTakenError(TargetError):
    """The server ended, and said that its address is in use: another process took the port before the server did."""


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
        PortTakenError: the port is no longer free.
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
        self._scratch = temporary_folder()
        place = Path(self._scratch.name)
        try:
            self.address: Address = (transport_of(command) or TcpAddress).free(place)
            places = {**self.address.places, STATE: str(state or place / "state")}
            super().__init__(
                filled_in(command, places), folder=folder, environment=environment, start_seconds=start_seconds
            )
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
                said = self.obituary()
                raise (PortTakenError if _IN_USE.search(said) else TargetError)(f"{shlex.join(self.command)}: {said}")
            with contextlib.suppress(OSError), self.address.connect(1.0):
                return
            time.sleep(POLL_SECONDS)
        raise TargetError(
            f"{shlex.join(self.command)}: nothing accepted connections on {self.address} within {seconds:g} s; "
            f"does the command use {self.address.placeholder}? A slow server needs --start-timeout SECONDS "
            f"(start_seconds in a target file). Its last output:\n{self.tail() or '(none)'}"
        )


def on_a_free_port(start: Callable[[], Started]) -> Started:
    """Start a server on a port that the kit chose; on another one if another process has taken it meanwhile.

    Args:
        start: creates the process, with a port of its own.

    Raises:
        PortTakenError: that happened again and again.
        TargetError: as the process raises it.
    """
    for _ in range(PORTS - 1):
        with contextlib.suppress(PortTakenError):
            return start()
    return start()


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
