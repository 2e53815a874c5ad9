"""Old name of :mod:`conformance.targets.config`; goes with the next release."""

from conformance.targets.config import TargetConfig as TargetOptions

__all__ = ["TargetOptions"]
