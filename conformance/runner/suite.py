"""The one test function: pytest parametrizes it with every case (see :mod:`conformance.runner.pytest_plugin`).

In your own repository: ``from conformance.suite import test_conformance``.
"""

from __future__ import annotations

import pytest

from conformance.harness.case import Case
from conformance.runner.pytest_plugin import Judge
from conformance.targets.base import Target

__all__ = ["test_conformance"]


def test_conformance(ipc_case: Case, ipc_target: Target, ipc_judge: Judge, request: pytest.FixtureRequest) -> None:
    """Run one case of the conformance suite on the target."""
    ipc_judge.run(ipc_case, ipc_target, request.node)
