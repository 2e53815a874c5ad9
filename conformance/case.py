"""Old name of :mod:`conformance.harness.decorators`; goes with the next release."""

from conformance.harness.case import Case
from conformance.harness.decorators import case, client_case

__all__ = ["Case", "case", "client_case"]
