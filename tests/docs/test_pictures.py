"""The picture of the README: a program draws it from results, and it needs nothing else to be seen."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from conformance.core.verdicts import Verdict
from conformance.results.case_result import CaseResult
from conformance.results.run import Run

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
SVG = "{http://www.w3.org/2000/svg}"


def texts(picture: Path) -> str:
    root = ET.parse(picture).getroot()  # noqa: S314 - a file of our own
    return "\n".join(each.text or "" for each in root.iter(f"{SVG}text")).replace("\xa0", " ")


def test_picture_of_the_readme_is_the_first_screen_and_loads_nothing() -> None:
    picture = PICTURES / "first-screen.svg"
    assert picture.relative_to(ROOT).as_posix() in (ROOT / "README.md").read_text("utf-8")
    seen = texts(picture)
    assert "ipc-framework 1.1.2: not conformant" in seen
    assert re.search(r"survey +yes", seen)
    assert re.search(r"^ +cases  cause", seen, re.MULTILINE)
    assert "CAUSE no-errors: The server sends no error answers." in seen
    assert re.findall(r"https?://[^\"' ]+", picture.read_text("utf-8")) == [SVG.strip("{}")]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")
def test_program_draws_what_the_kit_shows(tmp_path: Path) -> None:
    failed = CaseResult(
        "system/ping", ["SYS-003"], "must", Verdict.FAIL, False, 1.0, message="there was no <pong> & more"
    )
    Run("server", 1, target_name="mine", results=[failed], selected=1).write(tmp_path / "results.json")
    command = [sys.executable, *map(str, (PICTURES / "first_screen.py", tmp_path / "results.json", tmp_path / "a.svg"))]
    subprocess.run(command, check=True, timeout=60)
    seen = texts(tmp_path / "a.svg")
    assert "mine: not conformant" in seen
    assert "FAIL system/ping" in seen
    assert "there was no <pong> & more" in seen
