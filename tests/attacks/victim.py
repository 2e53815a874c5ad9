"""The server that is attacked: a process with a memory limit of its own, and what can be seen of it from outside."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

MIB = 1024 * 1024
ADDRESS_SPACE = 3 * 1024 * MIB
"""More memory the system gives no attacked server, whatever the attack finds."""
COMMAND = (sys.executable, "-m", "reference_server")


class Victim:
    """A reference server on a free port; the context manager ends it.

    Args:
        options: more options of the server.
        descriptors: the most open files that the system allows it; None for the usual number.
        reads_log: whether anybody reads its log.
    """

    def __init__(self, *options: str, descriptors: int | None = None, reads_log: bool = True) -> None:
        self.log = b""
        self._process = subprocess.Popen(
            [*COMMAND, "--port", "0", *options],
            stderr=subprocess.PIPE,
            preexec_fn=lambda: _limit(descriptors),  # noqa: PLW1509 - no thread of this process holds a lock here
        )
        assert self._process.stderr
        self._pipe = self._process.stderr
        found = None
        while not found:  # warnings may come first
            line = self._pipe.readline()
            if not line:
                raise RuntimeError(f"the server did not start: {self.log!r}")
            self.log += line
            found = re.search(rb"listening on localhost:(\d+)", line)
        self.port = int(found[1])
        self.start_memory = self._memory("VmRSS")
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        if reads_log:
            self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        if self._reader.ident:
            self._reader.join()
        self._pipe.close()

    @property
    def is_alive(self) -> bool:
        """True while it has not ended."""
        return self._process.poll() is None

    @property
    def peak(self) -> float:
        """The most memory it ever had, above that at its start, in MiB."""
        return self._memory("VmHWM") - self.start_memory

    @property
    def kept(self) -> float:
        """The memory it has now, above that at its start, in MiB."""
        return self._memory("VmRSS") - self.start_memory

    def read_the_log(self) -> None:
        """Begin to read a log that nobody read so far."""
        self._reader.start()

    def _read_log(self) -> None:
        while octets := os.read(self._pipe.fileno(), 65536):
            self.log += octets

    def _memory(self, kind: str) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text("utf-8")
        found = re.search(rf"{kind}:\s+(\d+) kB", status)
        return int(found[1]) / 1024 if found else 0.0


def wait_until(condition: Callable[[], object], seconds: float) -> bool:
    """Wait until a condition is true, and return whether it became true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return bool(condition())


def _limit(descriptors: int | None) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    if descriptors is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
