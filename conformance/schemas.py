"""Old name of :mod:`conformance.protocol.schemas`; goes with the next release."""

from conformance.protocol.schemas import document, problem, validator

__all__ = ["document", "problem", "validator"]
