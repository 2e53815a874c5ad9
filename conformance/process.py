"""Start a server command on a free port, know whether it lives, show what it said, and leave nothing of it behind."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from conformance import guardian
from conformance.verdicts import TargetError

TAIL_BYTES = 4000
POLL_SECONDS = 0.01
STOP_GRACE_SECONDS = 3.0


class ServerProcess:
    """A running server that the kit started.

    Args:
        command: the command line with the placeholder ``{port}`` and, if wanted, ``{host}``.
        folder: the working directory, or None for the present one.
        environment: variables to add.
        start_seconds: how long the server may take until it accepts connections.

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
    ) -> None:
        self.address = ("127.0.0.1", _free_port())
        self.command = [part.format(host=self.address[0], port=self.address[1]) for part in shlex.split(command)]
        # Deliberately not a pipe: a server that prints megabytes must neither block nor fill the kit's memory.
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop()
        self._guardian = subprocess.Popen(  # noqa: S603 - the command is the user's own
            [sys.executable, "-I", "-S", guardian.__file__, *self.command],
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=os.environ | dict(environment or {}),
            start_new_session=True,
        )
        try:
            self._wait_until_it_accepts(start_seconds)
        except BaseException:
            self.stop()
            raise

    @property
    def is_alive(self) -> bool:
        """Whether the server process has not ended."""
        return self._guardian.poll() is None

    def tail(self) -> str:
        """Return the last of what the server printed."""
        size = self._output.seek(0, os.SEEK_END)
        self._output.seek(max(0, size - TAIL_BYTES))
        return self._output.read().decode("utf-8", "replace").strip()

    def obituary(self) -> str:
        """Describe how the server ended and what it printed last."""
        status = self._guardian.poll()
        how = f"exit status {status}" if status is None or status < 128 else f"signal {status - 128}"
        return f"the server process ended ({how}); its last output:\n{self.tail() or '(none)'}"

    def pids(self) -> list[int]:
        """Return the process ids of the server and its descendants (Linux; elsewhere empty)."""
        return guardian.descendants(self._guardian.pid)

    def ask_to_stop(self) -> None:
        """Ask for an orderly shutdown (SIGTERM)."""
        self._guardian.terminate()

    def stop(self) -> None:
        """End every process of the server, politely first; safe to call again."""
        if self.is_alive:
            self.ask_to_stop()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._guardian.wait(STOP_GRACE_SECONDS)
        if self._guardian.stdin and not self._guardian.stdin.closed:
            self._guardian.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._guardian.wait(STOP_GRACE_SECONDS)
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._guardian.pid, signal.SIGKILL)
        else:
            self._guardian.kill()
        self._guardian.wait()
        self._output.close()

    def _wait_until_it_accepts(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not self.is_alive:
                raise TargetError(f"{shlex.join(self.command)}: {self.obituary()}")
            with contextlib.suppress(OSError), socket.create_connection(self.address, timeout=1.0):
                return
            time.sleep(POLL_SECONDS)
        raise TargetError(
            f"{shlex.join(self.command)}: nothing accepted connections on port {self.address[1]} within {seconds:g} s; "
            f"does the command use {{port}}? Its last output:\n{self.tail() or '(none)'}"
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
