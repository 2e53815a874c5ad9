"""Keep a target's processes from outliving the kit, and treat a target behind a wrapper as the target itself.

Runs as a process between the kit and the target, in its own process group: ``python supervisor.py INPUT START COMMAND
[ARGUMENT ...]``. INPUT is the number of the descriptor that becomes the target's standard input. The supervisor ends
every descendant of the target when the target ends, or when its own standard input closes, which happens however the
kit ends. On Linux this includes descendants in other groups; elsewhere the kit ends the group. The supervisor exits
with the target's status and forwards SIGTERM to the target. It imports nothing of the kit, to start in milliseconds.

A command may be a wrapper, such as ``go run .`` or ``sh -c 'server; true'``. On Linux, a process that listens and whose
wrapper has ended takes the wrapper's place: its end is the end of the target. If the wrapper ended because of SIGTERM,
the process gets SIGTERM, too, unless it stops listening by itself: then the wrapper has forwarded the signal. A process
that still listens a while after SIGTERM, below a wrapper that does not, gets it as well: the wrapper has caught the
signal and not forwarded it. A server that listens and has its workers below it is told alone. On a busy machine, a
process that has the signal may not have acted on it yet, so one that is at work is waited for. START is the number of
seconds after which a wrapper that ended in order must have left a process that listens.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
MOST_OUTPUT, KEPT_OUTPUT = 4_000_000, 64_000
"""Octets of the output's file: when it has more than the first, the last ones are kept."""
LOOK_SECONDS = 0.1
CANNOT_RUN = 127
POLL_SECONDS = 0.01
SETTLE_SECONDS = 0.1
"""Time for an orphan to stop listening because of a signal that its wrapper, which caught it, forwarded."""
UNHEEDED_SECONDS = 1.2
"""Time for a wrapper to do something about SIGTERM; a server may look for the signal no more than once a second."""
BUSY_SECONDS = 1.0
"""How much longer the supervisor waits for a process that is at work: it may be stopping already."""
LISTEN_STATE = "0A"
ACCEPTS_FLAG = 0x10000


def main(target_input: int, start_seconds: float, command: list[str]) -> int:
    """Run ``command`` to its end and return the status to exit with."""
    adopt_orphans()
    try:
        child = subprocess.Popen(command, stdin=target_input)  # noqa: S603 - the command is the user's own
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]}: {error.strerror}\n")
        return CANNOT_RUN
    os.close(target_input)
    target = Target(child.pid, start_seconds)
    signal.signal(signal.SIGTERM, lambda *_: target.ask_to_stop())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_all_when_input_closes, daemon=True).start()
    threading.Thread(target=bound_output, args=(sys.stderr.fileno(),), daemon=True).start()
    status = target.wait()
    end_descendants()
    return status if status >= 0 else 128 - status


class Target:
    """The children of this process that are the target: the command and, after a wrapper's end, what it left behind.

    Args:
        pid: the process of the command.
        start_seconds: a wrapper that ends in order within this time may leave a process that does not listen yet.
    """

    def __init__(self, pid: int, start_seconds: float) -> None:
        self._members = {pid}
        self._start_deadline = time.monotonic() + start_seconds
        self._is_asked = False
        self._unheeded_from = float("inf")  # when a wrapper has had the time to forward the signal
        self._others: set[int] = set()  # children that were no members when the target was asked to stop
        self._seen: dict[int, float] = {}  # when each orphan of the stopping target was first seen
        self._wake, waker = os.pipe()
        for end in (self._wake, waker):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(waker)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def ask_to_stop(self) -> None:
        """Forward SIGTERM."""
        self._members = self._members or set(children(os.getpid()))
        self._others = set(children(os.getpid())) - self._members
        self._is_asked = True
        self._unheeded_from = time.monotonic() + UNHEEDED_SECONDS
        for pid in self._members:
            terminate(pid)

    def wait(self) -> int:
        """Wait for the end of the target and return its status, negative if a signal ended it."""
        status = 0
        while True:
            status = self._reap(status)
            self._adopt(status)
            self._pass_wrappers()
            if not self._members and not self._may_go_on(status):
                return status
            is_polling = self._is_asked or not self._members
            select.select([self._wake], [], [], POLL_SECONDS if is_polling else None)
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake, 512)

    def _reap(self, status: int) -> int:
        """Collect the children that have ended, and return the status of the last member among them."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                pid, code = ended
                if pid in self._members:
                    self._members.remove(pid)
                    status = os.waitstatus_to_exitcode(code)
        return status

    def _adopt(self, status: int) -> None:
        """Make members of orphans that listen; while the target stops, forward SIGTERM to them."""
        if self._is_asked:
            settle_seconds = 0.0 if status == -signal.SIGTERM else SETTLE_SECONDS  # the signal killed the wrapper
            for pid in set(children(os.getpid())) - self._members - self._others:
                waited = time.monotonic() - self._seen.setdefault(pid, time.monotonic()) - settle_seconds
                family = [pid, *descendants(pid)]
                if waited >= 0 and is_listening(family) and (waited >= BUSY_SECONDS or not is_at_work(family)):
                    self._members.add(pid)
                    terminate(pid)
        elif not self._members and status == 0:
            self._members = {pid for pid in children(os.getpid()) if is_listening([pid, *descendants(pid)])}

    def _pass_wrappers(self) -> None:
        """Forward SIGTERM, once, to processes that still listen, below members that have done nothing about it."""
        waited = time.monotonic() - self._unheeded_from
        if waited < 0:
            return
        unheeding = [each for pid in self._members for each in listeners(pid) if each != pid]
        if waited >= BUSY_SECONDS or not is_at_work(unheeding):
            self._unheeded_from = float("inf")
            for pid in unheeding:
                terminate(pid)

    def _may_go_on(self, status: int) -> bool:
        """Return true if a target without members has processes that are still stopping or still starting."""
        is_starting = status == 0 and time.monotonic() < self._start_deadline
        return (self._is_asked or is_starting) and bool(set(children(os.getpid())) - self._others)


def terminate(pid: int) -> None:
    """Send SIGTERM to a process that may have ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


def adopt_orphans() -> None:
    """Make orphaned descendants children of this process, if the system can do this (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def bound_output(file: int) -> None:
    """Cut the file that takes the target's output as often as needed; the target appends to it meanwhile."""
    while stat.S_ISREG(os.fstat(file).st_mode):
        size = os.fstat(file).st_size
        if size > MOST_OUTPUT:
            kept = os.pread(file, KEPT_OUTPUT, size - KEPT_OUTPUT)
            os.ftruncate(file, 0)
            os.write(file, kept)
        time.sleep(LOOK_SECONDS)


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


def children(pid: int) -> list[int]:
    """Return the children of ``pid`` on systems with /proc; elsewhere none."""
    found = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(each) for each in file.read_text().split()]
    return found


def descendants(pid: int) -> list[int]:
    """Return the descendants of ``pid`` on systems with /proc; elsewhere none."""
    found = children(pid)
    return found + [below for each in found for below in descendants(each)]


def listeners(pid: int) -> list[int]:
    """Return the topmost processes that listen, of a process and its descendants."""
    return [pid] if is_listening([pid]) else [each for below in children(pid) for each in listeners(below)]


def is_listening(pids: Iterable[int]) -> bool:
    """Return true if one of the processes has a socket that accepts connections; false on systems without /proc."""
    return any(descriptors(pid) & listening_sockets(pid) for pid in pids)


def is_at_work(pids: Iterable[int]) -> bool:
    """Return true if one of the processes runs or is about to, or was sent a SIGTERM that has not reached it yet."""
    return any(_state(pid) == "R" or _is_term_pending(pid) for pid in pids)


def _state(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return ""


def _is_term_pending(pid: int) -> bool:
    rows = (row.partition(":") for row in read_rows(Path(f"/proc/{pid}/status")))
    masks = [int(value, 16) for name, _, value in rows if name in {"SigPnd", "ShdPnd"}]
    return any(mask >> (signal.SIGTERM - 1) & 1 for mask in masks)


def descriptors(pid: int) -> set[str]:
    """Return what the open descriptors of a process are, as /proc names it; nothing if the process has ended."""
    found = set[str]()
    with contextlib.suppress(OSError):
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                found.add(str(file.readlink()))
    return found


def listening_sockets(pid: int) -> set[str]:
    """Return the sockets that accept connections in the network of a process, as /proc names descriptors."""
    net = Path(f"/proc/{pid}/net")
    found = set()
    for name in ("tcp", "tcp6"):
        rows = [row.split() for row in read_rows(net / name)]
        found |= {row[9] for row in rows if row[3] == LISTEN_STATE}
    rows = [row.split() for row in read_rows(net / "unix")]
    found |= {row[6] for row in rows if int(row[3], 16) & ACCEPTS_FLAG}
    return {f"socket:[{inode}]" for inode in found}


def read_rows(file: Path) -> list[str]:
    """Return the rows of a table in /proc below its header; none if the system does not have it."""
    with contextlib.suppress(OSError):
        return file.read_text().splitlines()[1:]
    return []


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
