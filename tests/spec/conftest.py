from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def write_spec(tmp_path: Path) -> Callable[..., Path]:
    """Give a function that writes a spec folder: its first chapter, further files by name without suffix."""

    def write(framing: str, **others: str) -> Path:
        folder = tmp_path / "spec"
        folder.mkdir(exist_ok=True)
        for name, text in {"README": "# A protocol\n", "01-framing": framing, **others}.items():
            (folder / f"{name}.md").write_text(text, encoding="utf-8")
        return folder

    return write
