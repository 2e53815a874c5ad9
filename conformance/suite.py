"""The module for your own repository: ``from conformance.suite import test_conformance``."""

from conformance.runner.suite import test_conformance

__all__ = ["test_conformance"]
