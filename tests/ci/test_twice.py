"""What failed is tried once more, alone: late tests pass then and are named, mistakes fail twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parents[1] / "helpers" / "twice.py"
LATE = """
from pathlib import Path

def test_late():
    times = Path("times")
    first = not times.exists()
    times.touch()
    assert not first

def test_good():
    pass
"""
BROKEN = (
    LATE
    + """
def test_broken():
    assert False
"""
)
MANY = """
import pytest

@pytest.mark.parametrize("number", range(6))
def test_broken(number):
    assert False
"""


def ended(folder: Path, tests: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(tests, "utf-8")
    command = [sys.executable, str(PROGRAM), "-n", "0", *options, "test_it.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def test_a_late_test_passes_and_is_named(tmp_path: Path) -> None:
    found = ended(tmp_path, LATE)
    assert found.returncode == 0, found.stdout
    assert found.stdout.splitlines()[-1] == "late, passed alone: test_it.py::test_late"


def test_a_mistake_fails_twice_and_a_late_test_is_still_named(tmp_path: Path) -> None:
    found = ended(tmp_path, BROKEN)
    assert found.returncode == 1
    assert found.stdout.count("FAILED test_it.py::test_broken") == 2
    assert found.stdout.splitlines()[-1] == "late, passed alone: test_it.py::test_late"


def test_many_failures_are_not_tried_again(tmp_path: Path) -> None:
    found = ended(tmp_path, MANY)
    assert found.returncode == 1
    assert "Once more" not in found.stdout


def test_a_run_without_failures_is_the_only_one(tmp_path: Path) -> None:
    (tmp_path / "times").touch()
    found = ended(tmp_path, LATE)
    assert (found.returncode, "Once more" in found.stdout) == (0, False)


def test_what_pytest_cannot_run_is_not_tried_again(tmp_path: Path) -> None:
    found = ended(tmp_path, LATE, "--no-such-option")
    assert (found.returncode, "Once more" in found.stdout) == (4, False)
    assert list(tmp_path.glob(".pytest_cache")) == []
