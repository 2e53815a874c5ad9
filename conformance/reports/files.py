"""The reports that are written into files, by format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from conformance.reports.json import JsonFile
from conformance.reports.junit import JUnitFile
from conformance.reports.reporter import Reporter


@dataclass(frozen=True)
class FileFormat:
    """A format of a report: what the option's help says of it, and the reporter of a path."""

    help: str
    reporter: Callable[[Path], Reporter]


FORMATS = {
    "json": FileFormat("Write the results file.", JsonFile),
    "junit": FileFormat("Write a JUnit XML file.", JUnitFile),
}
"""By name; the option ``--NAME FILE`` of ``ipc-conformance run`` writes it."""
