"""The experiment itself: it must report a mutant that no case detects, and a wrong control, and end all its servers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import killers
import pytest
from kill_check import Laboratory
from killers import known_killers
from mutation import ClientMutant
from run import LABORATORIES

from conformance.cases.catalogue import all_cases
from conformance.targets.supervisor import descendants

MUTANTS = Path(__file__).parent
ROOT = MUTANTS.parents[1]
PREPARED = f"""
import sys
sys.path.insert(0, {str(MUTANTS)!r})
from mutation import all_mutants, mutant
from run import main

@mutant("SYS-003/nothing")
def nothing():
    "Nothing is wrong."

{{statement}}
if __name__ == "__main__":
    main()
"""
LINUX_ONLY = pytest.mark.skipif(sys.platform != "linux", reason="servers are forks on Linux only")


def _run(folder: Path, mutants: str, statement: str = "") -> subprocess.CompletedProcess[str]:
    script = folder / "prepared.py"
    script.write_text(PREPARED.format(statement=statement), "utf-8")
    command = [sys.executable, str(script), "--only", mutants, "--jobs", "2", "--time-scale", "1"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_mutant_that_a_case_detects_is_killed() -> None:
    command = [sys.executable, str(MUTANTS / "run.py"), "--only", "SYS-005", "--time-scale", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 mutants, 1 killed" in done.stdout


@LINUX_ONLY
def test_mutant_without_a_mistake_survives(tmp_path: Path) -> None:
    done = _run(tmp_path, "SYS-003/nothing")
    assert done.returncode == 1
    assert "survivor: SYS-003/nothing" in done.stdout
    assert "1 mutants, 0 killed" in done.stdout


@LINUX_ONLY
def test_mutant_that_dies_at_the_second_try_is_late(tmp_path: Path) -> None:
    marker = tmp_path / "tried"
    statement = f"""
import pathlib
import run
from kill_check import Outcome, attempt

def late_once(laboratory, mutant, known, time_scale):
    marker = pathlib.Path({str(marker)!r})
    if marker.exists():
        return attempt(laboratory, mutant, known, time_scale)
    marker.touch()
    return Outcome(mutant.name)

run.attempt = late_once
"""
    done = _run(tmp_path, "SYS-005", statement)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "late, killed alone: SYS-005" in done.stdout
    assert "1 mutants, 1 killed" in done.stdout


@LINUX_ONLY
def test_control_with_a_mistake_is_reported(tmp_path: Path) -> None:
    done = _run(tmp_path, "SYS-005", "all_mutants()['SYS-005'].patch()")
    assert done.returncode == 1
    assert "control: " in done.stdout
    assert "1 mutants, 1 killed" in done.stdout


def test_mutant_about_a_rule_that_only_a_draft_has_is_left_to_the_draft(tmp_path: Path) -> None:
    done = _run(tmp_path, "SYS-999", '@mutant("SYS-999")\ndef later():\n    "Something of a draft."\n')
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 mutants, 0 killed" in done.stdout


@LINUX_ONLY
@pytest.mark.parametrize("reason", [signal.SIGINT, signal.SIGKILL])
def test_all_servers_end_with_the_run(reason: signal.Signals) -> None:
    run = subprocess.Popen(
        [sys.executable, str(MUTANTS / "run.py"), "--only", "FRM-011", "--time-scale", "1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        started = _wait_for_servers(run.pid)
        if reason is signal.SIGINT:
            os.killpg(run.pid, reason)  # as a terminal does
        else:
            run.send_signal(reason)
        run.wait(120)
        _wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started))
    finally:
        run.kill()


def _wait_for_servers(pid: int) -> list[int]:
    """Return all descendants of the run as soon as one of its workers has a server."""
    _wait_until(lambda: any(descendants(worker) for worker in descendants(pid)))
    return descendants(pid)


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline, "it does not come true"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("role", "folder"), [("client", "node_harness/client"), ("python-client", "reference_server/client")]
)
def test_every_edit_of_a_client_fits_its_source(role: str, folder: str) -> None:
    sources = {path.name: path.read_text("utf-8") for path in (ROOT / folder).iterdir() if path.is_file()}
    for mutant in LABORATORIES[role].mutants().values():
        assert isinstance(mutant, ClientMutant)
        texts = dict(sources)
        for edit in mutant.edits:
            texts[edit.file] = edit.applied(texts[edit.file])
        assert texts != sources, mutant.name


@pytest.mark.parametrize("laboratory", LABORATORIES.values(), ids=LABORATORIES)
def test_every_case_that_is_tried_first_claims_the_requirement_of_its_mutant(laboratory: Laboratory) -> None:
    known, cases = laboratory.mutants(), all_cases()
    killers = known_killers()[laboratory.name]
    assert killers
    for mutant, case in killers.items():
        assert known[mutant].requirement in cases[case].requirements, mutant


def test_last_killers_are_renewed_for_one_laboratory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = known_killers()
    monkeypatch.setattr(killers, "FILE", tmp_path / "killers.json")
    killers.renew("client", {"HSK-001": "a/case"})
    written = json.loads((tmp_path / "killers.json").read_text("utf-8"))
    assert written == before | {"client": {"HSK-001": "a/case"}}


def test_part_of_the_mutants_renews_nothing() -> None:
    command = [sys.executable, str(MUTANTS / "run.py"), "--only", "SYS-005", "--renew"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "--renew needs all mutants" in done.stderr
