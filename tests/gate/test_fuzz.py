"""A few mutated trees; ``tests/gate/fuzz.py`` tries more."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz import attempt


@pytest.mark.parametrize("seed", [*range(16), 20401, 20455])
def test_mutated_tree_is_judged_or_told_in_a_line(seed: int, tmp_path: Path) -> None:
    attempt(seed, tmp_path)
