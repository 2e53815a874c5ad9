"""Old name of :mod:`conformance.harness.server_context`; goes with the next release."""

from conformance.harness.server_context import ServerContext as Scene

__all__ = ["Scene"]
