"""The suite as tests in somebody else's repository."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kit_commands import ENVIRONMENT, finish, mini

from conformance.cases.catalogue import select
from conformance.harness.case import Case
from conformance.runner.pytest_plugin import dealt

SUITE = "from conformance.suite import test_conformance\n"
OVERRIDE = """
import pytest
from conformance.targets.config import TargetConfig

@pytest.fixture(scope="session")
def ipc_target_options():
    return TargetConfig(command={command!r}, name="mine")
"""


def pytest_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a project with options of its own."""
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -ra --strict-markers\nfilterwarnings = error\n")
    command = [sys.executable, "-m", "pytest", *arguments]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, **pipes) as process:
        try:
            out, err = finish(process)
        finally:
            process.kill()
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def test_suite_passes_on_workers(tmp_path: Path) -> None:
    (tmp_path / "test_protocol.py").write_text(SUITE)
    done = pytest_in(tmp_path, "-n", "2", "--ipc-server-cmd", mini(), "--ipc-case", "system/*")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "16 passed" in done.stdout


def test_broken_server_fails_with_the_description_and_a_fixture_says_which(tmp_path: Path) -> None:
    (tmp_path / "test_protocol.py").write_text(SUITE)
    (tmp_path / "conftest.py").write_text(OVERRIDE.format(command=mini("time")))
    done = pytest_in(tmp_path, "--ipc-case", "system/get-time", "--ipc-case", "requests/*echo*")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAIL system/get-time" in done.stdout
    assert "the answer to get_time breaks its schema" in done.stdout
    assert "again     ipc-conformance run" in done.stdout
    assert "has no handler on conformance.echo" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "a target is one of: a server's address, a server's command, a client driver's command; see --ipc-server"),
        (("--ipc-server", "127.0.0.1:1"), "the target cannot be tested: cannot connect to 127.0.0.1:1"),
    ],
)
def test_suite_without_a_server_says_so(arguments: tuple[str, ...], text: str, tmp_path: Path) -> None:
    (tmp_path / "test_protocol.py").write_text(SUITE)
    done = pytest_in(tmp_path, "--ipc-case", "system/*", *arguments)
    assert done.returncode != 0
    assert text in done.stdout + done.stderr
    if arguments:
        assert "1 error in" in done.stdout, "the other cases would say the same"


def test_repository_without_the_suite_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(
        "import sys\ndef test_mine():\n"
        "    assert not any(m.startswith('conformance.cases.server.') for m in sys.modules)\n"
    )
    done = pytest_in(tmp_path, "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


@pytest.mark.parametrize(("number", "workers"), [(10, 3), (11, 3), (2233, 8), (5, 1), (2, 4)])
def test_each_worker_gets_its_share_of_long_cases(number: int, workers: int) -> None:
    cases = select()[:number]
    ordered, parts = dealt(cases, workers), list[list[Case]]()
    for left in range(workers, 0, -1):  # as pytest-xdist divides them
        parts.append(ordered[: len(ordered) // left])
        del ordered[: len(ordered) // left]
    assert sorted(each.id for part in parts for each in part) == sorted(each.id for each in cases)
    first = {each.id for each in cases[:workers]}
    assert {part[0].id for part in parts if part} == first
