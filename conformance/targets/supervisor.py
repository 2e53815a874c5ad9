"""Keep a target's processes from outliving the kit.

Runs as a process between the kit and the target, in its own process group: ``python supervisor.py INPUT COMMAND
[ARGUMENT ...]``. INPUT is the number of the descriptor that becomes the target's standard input. The supervisor ends
every descendant of the target when the target ends, or when its own standard input closes, which happens however the
kit ends. On Linux this includes descendants in other groups; elsewhere the kit ends the group. The supervisor exits
with the target's status and forwards SIGTERM to the target. It imports nothing of the kit, to start in milliseconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
CANNOT_RUN = 127


def main(target_input: int, command: list[str]) -> int:
    """Run ``command`` to its end and return the status to exit with."""
    adopt_orphans()
    try:
        child = subprocess.Popen(command, stdin=target_input)  # noqa: S603 - the command is the user's own
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]}: {error.strerror}\n")
        return CANNOT_RUN
    os.close(target_input)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_all_when_input_closes, daemon=True).start()
    status = child.wait()
    end_descendants()
    return status if status >= 0 else 128 - status


def adopt_orphans() -> None:
    """Make orphaned descendants children of this process, if the system can do this (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_all_when_input_closes() -> None:
    """Wait until the kit ended or closed the pipe, then end all descendants and this process."""
    while os.read(0, 1):  # not sys.stdin: its lock, held by this thread, would abort the interpreter's shutdown
        pass
    end_descendants()
    os._exit(0)


def end_descendants() -> None:
    """Kill every descendant, and repeat until none is left: they may be forking."""
    while family := descendants(os.getpid()):
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in family:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def descendants(pid: int) -> list[int]:
    """Return the descendants of ``pid`` on systems with /proc; elsewhere none."""
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(each) for each in children.read_text().split()]
    return found + [below for each in found for below in descendants(each)]


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
