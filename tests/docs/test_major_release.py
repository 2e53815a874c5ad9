"""The page about major releases can be followed to the letter."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

RUNNER = Path(__file__).with_name("run_tutorial.py")
PAGE = Path(__file__).parents[2] / "docs" / "a-major-release.md"


def test_page_can_be_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("run_tutorial", RUNNER)
    assert spec
    assert spec.loader
    tutorial = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tutorial)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    blocks = tutorial.FENCE.findall(PAGE.read_text("utf-8"))
    assert len(blocks) >= 9
    for language, options, content in blocks:
        tutorial.do(tmp_path, language, dict(part.split("=", 1) for part in options.split()), content)
    assert {path.name for path in (tmp_path / "greeter/spec/releases").iterdir()} == {
        "1.0.json",
        "1.1.json",
        "2.0.json",
    }
