"""Keep a target's processes from outliving the kit.

Runs as a process of its own between the kit and the target, ``python supervisor.py INPUT COMMAND [ARGUMENT ...]``, in a
process group of its own; INPUT is the number of the descriptor that becomes the target's standard input. It ends
every descendant of the target (on Linux even those in other groups; elsewhere the kit ends the group) when the target
ends or when its own standard input closes, which happens however the kit ends. It exits with the target's status and
passes SIGTERM on to the target. It imports nothing of the kit, so that it starts in a few milliseconds.
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
    """Have descendants whose parents end become children of this process, where the system can (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_all_when_input_closes() -> None:
    """Wait until the kit is gone or has closed the pipe, then end everything, this process included."""
    while os.read(0, 1):  # not sys.stdin: its lock, held by this thread, would abort the interpreter's shutdown
        pass
    end_descendants()
    os._exit(0)


def end_descendants() -> None:
    """Kill every descendant, again and again until a look finds none: they may be forking."""
    while family := descendants(os.getpid()):
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in family:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def descendants(pid: int) -> list[int]:
    """Return the processes below ``pid``, on systems that have /proc; else none."""
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(each) for each in children.read_text().split()]
    return found + [below for each in found for below in descendants(each)]


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
