"""The report formats for files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from conformance.reports.json import JsonFile
from conformance.reports.junit import JUnitFile
from conformance.reports.reporter import Reporter


@dataclass(frozen=True)
class FileFormat:
    """A report format: the help of its option, and a function that makes its reporter for a path."""

    help: str
    reporter: Callable[[Path], Reporter]


FORMATS = {
    "json": FileFormat("Write the results file.", JsonFile),
    "junit": FileFormat("Write a JUnit XML file.", JUnitFile),
}
"""The formats by name; the option ``--NAME FILE`` of ``ipc-conformance run`` writes one."""
