"""Servers behind a wrapper: SIGTERM reaches the server once, and the wrapper's end is not the end of the server."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from shlex import quote

import pytest
from kit_commands import new_marker, nothing_left, wait_until

from conformance.cases.catalogue import all_cases
from conformance.core.settings import Settings
from conformance.core.verdicts import Verdict
from conformance.runner.case_runner import run_case
from conformance.targets.config import TargetConfig
from conformance.targets.process import ServerProcess, SupervisedProcess
from conformance.targets.server import ServerTarget
from conformance.targets.supervisor import is_at_work

PYTHON = quote(sys.executable)
SERVER = """
import signal, socket, sys, time
def stop(*_):
    print("told", flush=True)
    listener.close()
    time.sleep(0.3)  # it answers what is in flight
    print("done", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    time.sleep(60)
"""
PARENT = "import subprocess, sys; subprocess.run(sys.argv[1:])"
FORWARDING = """
import signal, subprocess, sys
child = subprocess.Popen(sys.argv[1:])
signal.signal(signal.SIGTERM, lambda *_: child.terminate())
sys.exit(child.wait())
"""
CATCHING = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, lambda *_: None)
subprocess.run(sys.argv[1:])
"""
LEAVING = FORWARDING.replace("child.terminate()", "(child.terminate(), sys.exit(0))")
WRAPPERS = {
    "none": "{}",
    "a shell": "sh -c '{}; true'",
    "a shell with a pipe": "sh -c '{} | cat; true'",
    "a shell in a shell": "sh -c '(sh -c \"{}; true\"; true); true'",
    "a shell that ends at once": "sh -c '{} &'",
    "a parent that forwards nothing": f"{PYTHON} -Sc {quote(PARENT)} {{}}",
    "a parent that catches and forwards nothing": f"{PYTHON} -Sc {quote(CATCHING)} {{}}",
    "a shell that catches and forwards nothing": "sh -c 'trap : TERM; {}; true'",
    "a parent that catches, with a shell": f"{PYTHON} -Sc {quote(CATCHING)} sh -c '{{}}; true'",
    "a parent that forwards": f"{PYTHON} -Sc {quote(FORWARDING)} {{}}",
    "a parent that forwards and ends": f"{PYTHON} -Sc {quote(LEAVING)} {{}}",
    "a parent that forwards to a shell": f"{PYTHON} -Sc {quote(FORWARDING)} sh -c '{{}}; true'",
    "a parent that forwards to a group": "timeout 60 sh -c '{}; true'",
    "a session of its own": "setsid -f {}",
}
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


@linux_only
@pytest.mark.parametrize("name", WRAPPERS)
def test_server_behind_a_wrapper_is_told_once_and_may_finish(name: str, tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(SERVER)
    marker = new_marker()
    process = ServerProcess(WRAPPERS[name].format(f"{PYTHON} -S {tmp_path / 'server.py'} {{port}} {marker}"))
    try:
        assert process.wait(0.05) is None
        process.ask_to_stop()
        assert process.wait(5) is not None
        assert process.tail() == "| told\n| done"
    finally:
        process.stop()
    assert nothing_left(marker)


MASTER = """
import os, signal, socket, sys, time
def stop(*_):
    print("master told", flush=True)
    time.sleep(2)
    os.kill(worker, signal.SIGUSR1)
listener = socket.socket()
listener.bind(("127.0.0.1", int(sys.argv[1])))
signal.signal(signal.SIGUSR1, lambda *_: os._exit(0))
signal.signal(signal.SIGTERM, lambda *_: print("worker told", flush=True))
worker = os.fork()
if not worker:
    while True:
        time.sleep(60)
signal.signal(signal.SIGTERM, stop)
listener.listen()
os.waitpid(worker, 0)
"""


@linux_only
def test_workers_of_a_master_that_listens_are_left_to_it(tmp_path: Path) -> None:
    (tmp_path / "master.py").write_text(MASTER)
    process = ServerProcess(f"{PYTHON} -S {tmp_path / 'master.py'} {{port}}")
    try:
        process.ask_to_stop()
        assert process.wait(10) == 0
        assert process.tail() == "| master told"
    finally:
        process.stop()


@linux_only
@pytest.mark.parametrize("name", ["a shell that ends at once", "a parent that forwards to a group"])
def test_killing_a_server_behind_a_wrapper_kills_it(name: str, tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(SERVER)
    marker = new_marker()
    process = ServerProcess(WRAPPERS[name].format(f"{PYTHON} -S {tmp_path / 'server.py'} {{port}} {marker}"))
    process.kill()
    assert nothing_left(marker)
    process.stop()


@linux_only
def test_process_is_at_work_while_it_runs_or_has_a_signal_to_take() -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeping, subprocess.Popen([sys.executable, "-c", "while 1: 1"]) as busy:
        try:
            assert wait_until(lambda: not is_at_work([sleeping.pid]))
            assert wait_until(lambda: is_at_work([sleeping.pid, busy.pid]))
            sleeping.send_signal(signal.SIGSTOP)
            assert wait_until(lambda: ") T " in Path(f"/proc/{sleeping.pid}/stat").read_text())
            sleeping.send_signal(signal.SIGTERM)
            assert is_at_work([sleeping.pid]), "it has been told, and has not acted on it yet"
        finally:
            for each in (sleeping, busy):
                each.kill()
    assert not is_at_work([sleeping.pid])


def test_crash_behind_a_wrapper_is_the_end_although_helpers_are_left() -> None:
    crashed = SupervisedProcess(["sh", "-c", "sleep 60 & exit 3"], start_seconds=60)
    orderly = SupervisedProcess(["sh", "-c", "sleep 60 & exit 0"])
    assert (crashed.wait(5), orderly.wait(5)) == (3, 0)
    crashed.stop()
    orderly.stop()


@linux_only
@pytest.mark.parametrize(
    ("mutant", "verdicts"),
    [
        ("none", (Verdict.PASS, Verdict.PASS)),
        ("LIM-013", (Verdict.WARN, Verdict.PASS)),
        ("LIM-014", (Verdict.WARN, Verdict.FAIL)),
    ],
)
def test_shutdown_of_a_wrapped_server_is_judged_as_without_the_wrapper(
    mutant: str, verdicts: tuple[Verdict, ...]
) -> None:
    serve = Path(__file__).parents[2] / "mutants" / "serve.py"
    command = f"sh -c '{PYTHON} {serve} {mutant} --port {{port}} --responder; true'"
    cases = ("limits/shutdown-answers-what-is-in-flight", "limits/shutdown-says-so")
    with ServerTarget(TargetConfig(command=command), Settings(seed=1)) as target:
        assert tuple(run_case(all_cases()[case], target).verdict for case in cases) == verdicts
