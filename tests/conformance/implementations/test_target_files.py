"""The target files in ``conformance/implementations``: each can be read and names files that are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance import implementations
from conformance.targets.config import TargetConfig

FOLDER = Path(str(implementations.__file__)).parent
TARGETS = sorted(path for path in FOLDER.glob("*/*.toml") if not path.name.startswith("known-failures"))
NEEDS_CREDENTIALS = "secured.toml"


@pytest.mark.parametrize("path", TARGETS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_target_files_can_be_read(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / path.name
    copy.write_text(path.read_text("utf-8"), "utf-8")
    if path.name == NEEDS_CREDENTIALS:
        with pytest.raises(ValueError, match="token"):
            TargetConfig.from_file(copy)
        return
    options = TargetConfig.from_file(copy)
    assert options.name
    assert options.role == ("client" if "client" in f"{path.parent.name}/{path.stem}" else "server")
