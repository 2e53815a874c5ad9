"""How memory returns to the system; in processes of their own, whose allocator nobody else has used."""

import platform
import subprocess
import sys

import pytest

from reference_server import allocator

PROGRAM = """
from pathlib import Path
from reference_server import allocator

def mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 // 2**20

allocator.keep_spare_blocks()
before = mib()
blocks = [b"x" * size for _ in range(100) for size in (2**20, 2000)]  # each short one is behind a long one
pins = blocks[1::2]
del blocks
kept = mib() - before
allocator.return_free_memory()
print(kept, mib() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_freed_blocks_are_kept_until_they_are_returned():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    kept, left = map(int, done.stdout.split())

    assert kept > 50  # of 100 MiB
    assert left < 10


def test_other_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(allocator, "_library", lambda: None)

    allocator.keep_spare_blocks()
    allocator.return_free_memory()
