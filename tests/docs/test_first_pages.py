"""The first pages for servers and for clients can be followed to the letter, in a folder with only a clone."""

from __future__ import annotations

import os
import runpy
import site
import sys
from pathlib import Path

import pytest
from ci_jobs import OFFLINE, ROOT, checkout

SERVER = ["console", "console", "python", "toml", "console", "console", "diff", "console"]
CLIENT = ["console", "console", "python", "python", "console", "diff", "console"]
TUTORIAL = runpy.run_path(str(Path(__file__).with_name("run_tutorial.py")))


@pytest.mark.parametrize(("page", "languages"), [("five-minutes.md", SERVER), ("your-client.md", CLIENT)])
def test_page_can_be_followed(page: str, languages: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout(tmp_path / "ipc-conformance")
    for name, value in OFFLINE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    done = []
    for language, options, content in TUTORIAL["FENCE"].findall((ROOT / "docs" / page).read_text("utf-8")):
        TUTORIAL["do"](tmp_path, language, dict(part.split("=", 1) for part in options.split()), content)
        done.append(language)
        if len(done) == 1:
            (packages,) = tmp_path.glob(".venv/lib/python*/site-packages")
            # Offline, pip and the kit find what they need in the environment of the tests.
            (packages / "others.pth").write_text(f"import sys; sys.path[:0] = {site.getsitepackages()}\n", "utf-8")
    assert done == languages
