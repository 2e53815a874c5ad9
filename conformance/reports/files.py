"""The report formats: for files, and for standard output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from conformance.reports.annotations import Annotations
from conformance.reports.badge import BadgeFile
from conformance.reports.html.page import HtmlFile
from conformance.reports.json import JsonFile, JsonText
from conformance.reports.junit import JUnitFile
from conformance.reports.reporter import Reporter
from conformance.reports.tap import TapText


@dataclass(frozen=True)
class FileFormat:
    """A report format: the help of its option, and a function that makes its reporter for a path."""

    help: str
    reporter: Callable[[Path], Reporter]


FORMATS = {
    "json": FileFormat("Write the results file.", JsonFile),
    "html": FileFormat("Write a report as one HTML file.", HtmlFile),
    "junit": FileFormat("Write a JUnit XML file.", JUnitFile),
    "badge": FileFormat("Write the JSON of an endpoint badge of shields.io.", BadgeFile),
}
"""The formats by name; the option ``--NAME FILE`` of ``ipc-conformance run`` writes one."""

Show = Callable[[str], object]
PRINTED: Mapping[str, Callable[[Show], Reporter]] = {"json": JsonText, "github": Annotations, "tap": TapText}
"""What ``--format NAME`` prints in place of the text, which then goes to standard error: a function that makes the
reporter from one that prints a line."""
