"""Interrupted, killed, robbed of its workers or its server: nothing of a run outlives it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kit_commands import REFERENCE, new_marker, nothing_left, processes_with, started
from rich.console import Console

from conformance.protocol import schemas
from conformance.reports.progress import RunProgress
from conformance.results.run import Run
from conformance.runner.pytest_plugin import UNREACHABLE
from conformance.runner.session import Bounds, Collector

CASES_RAN = "100 of"
LONG, SHORT = "golden/*", "golden/[e-h]*"


@contextmanager
def running(
    command: str, workers: int, folder: Path, cases: str = LONG, *further: str
) -> Iterator[subprocess.Popen[str]]:
    """Start a run, wait until cases have been run, and see to its end."""
    arguments = ("--server-cmd", command, "-n", str(workers), "--case", cases, *further)
    with started("run", *arguments, TMPDIR=str(folder)) as process:
        assert process.stderr
        for line in process.stderr:
            if CASES_RAN in line:
                break
        yield process


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """Return the processes that the run started itself."""
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


class Worker:
    """Stands for a worker that may be gone."""

    def __init__(self, *, gone: bool = False) -> None:
        self.gone = gone
        self.taken: list[list[int]] = []

    def send_steal(self, indices: list[int]) -> None:
        if self.gone:
            raise OSError("cannot send (already closed?)")
        self.taken.append(indices)


def test_interrupt_takes_the_waiting_cases_from_all_workers() -> None:
    run = Run(role="server", seed=1, selected=3)
    with RunProgress(Console(quiet=True), run) as progress:
        collector = Collector(run, [progress], Bounds())
        lost, busy = Worker(gone=True), Worker()
        for worker in (lost, busy):
            collector.pytest_xdist_node_collection_finished(worker, ["a", "b", "c"])
        collector.pytest_keyboard_interrupt()
    assert busy.taken == [[0], [1], [2]]


def test_target_that_cannot_be_reached_ends_the_run_at_the_first_case() -> None:
    run = Run(role="server", seed=1)
    report = pytest.TestReport("suite[a/b]", ("", 0, ""), {}, "failed", f"{UNREACHABLE}nobody there", "setup")
    with pytest.raises(pytest.Session.Interrupted):
        Collector(run, [], Bounds()).pytest_runtest_logreport(report)
    assert run.unreachable == "nobody there"


def reference(marker: str) -> str:
    """Return the command of the reference server with a mark that it does not get to see."""
    strip = f'import reference_server.cli as c, sys; sys.argv.remove("{marker}"); c.main()'
    return REFERENCE.replace("-m reference_server", f"-c '{strip}' {marker}")


@pytest.mark.parametrize(
    ("number", "workers", "is_for_all"),
    [(signal.SIGINT, 1, False), (signal.SIGTERM, 4, False), (signal.SIGHUP, 2, True)],
    ids=["ctrl-c", "SIGTERM", "closed terminal"],
)
def test_signal_ends_the_run_with_a_report_of_what_is_known(
    number: int, workers: int, is_for_all: bool, tmp_path: Path
) -> None:
    marker, temporary = new_marker(), tmp_path / "temporary"
    temporary.mkdir()
    files = ("--json", str(tmp_path / "r.json"), "--junit", str(tmp_path / "r.xml"))
    with running(reference(marker), workers, temporary, LONG, *files) as process:
        assert len(processes_with(marker)) >= workers
        for pid in workers_of(process) if is_for_all else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; all started processes have been stopped\n" in err
    content = json.loads((tmp_path / "r.json").read_text())
    assert schemas.problem("tools/results", content) is None
    ended = len(content["results"])
    assert (content["interrupted"], content["summary"]["conformant"], ended >= 100) == (True, False, True)
    assert f"interrupted: {ended} of " in out.splitlines()[-1]
    assert 'name="interrupted"' in (tmp_path / "r.xml").read_text()
    assert nothing_left(marker)
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_kit_leaves_no_process(workers: int, tmp_path: Path) -> None:
    marker = new_marker()
    with running(reference(marker), workers, tmp_path) as process:
        process.kill()
        assert nothing_left(marker)


def test_killed_worker_is_the_kits_error_and_leaves_no_process(tmp_path: Path) -> None:
    marker = new_marker()
    with running(reference(marker), 2, tmp_path, SHORT) as process:
        os.kill(workers_of(process)[0], signal.SIGKILL)
        out, _ = process.communicate(timeout=40)
    assert process.returncode == 5, out
    assert "crashed while running" in out
    assert nothing_left(marker)


def test_killed_server_fails_one_case_and_the_run_goes_on(tmp_path: Path) -> None:
    marker = new_marker()
    with running(reference(marker), 1, tmp_path, SHORT) as process:
        servers = [
            pid for pid in processes_with(marker) if "supervisor" not in Path(f"/proc/{pid}/cmdline").read_text()
        ]
        os.kill(servers[0], signal.SIGKILL)
        out, _ = process.communicate(timeout=40)
    assert process.returncode == 1, out
    assert out.count("FAIL golden/") == 1
    assert "the process ended (signal 9)" in out
    assert nothing_left(marker)
