"""How busy the machine is: now, and not in the minute before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.core import machine

BUSY = "print(flush=True)\nwhile True: pass"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems tell the load of a minute only")
def test_processes_that_run_now_count() -> None:
    running = [subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE) for _ in range(4)]
    try:
        for each in running:
            assert each.stdout
            each.stdout.readline()
        assert machine.other_processes() >= 1  # of four: a container may have to let them pause
    finally:
        for each in running:
            each.kill()
            each.communicate()


@pytest.mark.parametrize("statistics", ["cpu 1 2 3\n", None])
def test_load_is_the_second_choice(statistics: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "stat"
    if statistics is not None:
        file.write_text(statistics, "ascii")
    monkeypatch.setattr(machine, "_STATISTICS", file)
    monkeypatch.setattr(os, "getloadavg", lambda: (2.5, 0.0, 0.0), raising=False)
    assert machine.other_processes() == 2.5
    monkeypatch.delattr(os, "getloadavg")
    assert machine.other_processes() == 0


def test_this_process_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stat").write_text("cpu 1\nprocs_running 1\nprocs_blocked 0\n", "ascii")
    monkeypatch.setattr(machine, "_STATISTICS", tmp_path / "stat")
    assert machine.other_processes() == 0
