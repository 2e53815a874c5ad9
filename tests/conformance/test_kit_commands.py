"""What a test shows of a command that hangs."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from kit_commands import ENVIRONMENT, finish

CHILD = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(5)']); "


@pytest.mark.parametrize("first", ["", CHILD], ids=["alone", "with a child that keeps the pipes open"])
def test_hung_command_shows_its_output_and_its_stack(first: str) -> None:
    source = first + "import time; print('began', flush=True); time.sleep(60)"
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    shown = r"did not end in 1 s(?s:.*)began(?s:.*)Current thread"
    with (
        subprocess.Popen([sys.executable, "-c", source], env=ENVIRONMENT, **pipes) as process,
        pytest.raises(AssertionError, match=shown),
    ):
        finish(process, 1.0)
