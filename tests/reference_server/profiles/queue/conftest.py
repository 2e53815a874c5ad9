"""No test of the queue leaves a database open."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import queue_memory


@pytest.fixture(autouse=True)
def _closed_databases() -> Iterator[None]:
    yield
    queue_memory.close_all()
