"""Old name of :mod:`conformance.core.verdicts`; goes with the next release."""

from conformance.core.verdicts import TargetError, Unsupported, Verdict, Violation

__all__ = ["TargetError", "Unsupported", "Verdict", "Violation"]
