"""What a user of an old Python is told."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ENTRANCES = {"conformance": "conformance/__init__.py", "reference_server": "reference_server/__init__.py"}
PRETEND = "import sys; sys.version_info = (3, 9, 18, 'final', 0); sys.version = '3.9.18 (main)'; sys.argv = [{!r}]; "
NEEDS = "needs Python 3.11 or newer, and this is Python 3.9.18"


def run(program: str, started: str = "-c") -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", PRETEND.format(started) + program]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("file", [*ENTRANCES.values(), "setup.py"])
def test_old_python_can_read_what_refuses_it(file: str) -> None:
    ast.parse((ROOT / file).read_text("utf-8"), feature_version=(3, 7))


@pytest.mark.parametrize("package", ENTRANCES)
def test_starting_with_old_python_is_one_line_and_status_2(package: str) -> None:
    done = run(f"import {package}", "-m")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert NEEDS in done.stderr


@pytest.mark.parametrize("package", ENTRANCES)
def test_importing_with_old_python_is_an_import_error(package: str) -> None:
    done = run(f"import {package}")
    assert done.stderr.splitlines()[-1].startswith("ImportError: ")
    assert done.stderr.endswith(f"{NEEDS}\n")


def test_building_with_old_python_names_python() -> None:
    done = run("exec(open('setup.py', encoding='utf-8').read())")
    assert done.returncode != 0
    assert done.stderr == f"ipc-conformance {NEEDS}\n"
