"""The results of a run as JUnit XML: one class per chapter, one test per case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

from conformance.core.files import write_whole
from conformance.core.verdicts import Verdict
from conformance.reports.failure import describe
from conformance.reports.reporter import Reporter
from conformance.results.case_result import CaseResult
from conformance.results.run import Run

KIT = "kit"
"""The class for errors outside of any case."""


class JUnitFile(Reporter):
    """Writes a JUnit XML file.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def done(self, run: Run) -> None:
        """Write it."""
        write_whole(self._path, as_junit(run))


def as_junit(run: Run) -> str:
    """Return a run as JUnit XML.

    An unexpected outcome is a ``failure`` whose text is the same explanation as on the terminal, or an ``error`` if the
    kit itself failed. An interrupted run is an ``error`` too. Cases that the target does not support, and known
    failures, are ``skipped`` with the reason. The causes are properties of the suite; the ``type`` of a failure is the
    id of its cause, or the verdict.

    The result fits version 10 of the schema of Jenkins' plugin xUnit, which refuses properties of a test.
    """
    suite = ET.Element("testsuite", name="ipc-conformance")
    causes = run.causes()
    cause_of = {case: cause.id for cause in causes for case in cause.cases}
    for result in sorted(run.results, key=lambda each: each.case):
        suite.append(_test_case(result, cause_of.get(result.case, "")))
    for number, text in enumerate([*run.kit_errors, *([run.unreachable] if run.unreachable else [])], start=1):
        test = ET.SubElement(suite, "testcase", classname=KIT, name=f"problem {number}", time="0")
        _add(test, "error", Verdict.ERROR, text.partition("\n")[0], text)
    if run.is_interrupted:  # an error, so that no CI takes a part of a run for a whole one
        test = ET.SubElement(suite, "testcase", classname=KIT, name="interrupted", time="0")
        _add(test, "error", "interrupted", run.interruption)
    found = Counter(each.tag for test in suite for each in test)
    for name, tag in {"failures": "failure", "errors": "error", "skipped": "skipped"}.items():
        suite.set(name, str(found[tag]))
    suite.set("tests", str(len(suite)))
    if causes:
        texts = {f"cause.{each.id}": f"{each.sentence} ({len(each.cases)} cases)" for each in causes}
        suite.insert(0, _properties(texts))
    suite.set("time", f"{run.duration_s:.3f}")
    suite.set("timestamp", run.started.isoformat(timespec="seconds"))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _test_case(result: CaseResult, cause: str) -> ET.Element:
    seconds = f"{result.duration_ms / 1000:.3f}"
    test = ET.Element("testcase", classname=result.case.partition("/")[0], name=result.case, time=seconds)
    kind = cause or result.verdict
    if not result.expected:
        tag = "error" if result.verdict is Verdict.ERROR else "failure"
        _add(test, tag, kind, result.message or result.foreseen, "\n".join(describe(result)))
    elif result.verdict is Verdict.UNSUPPORTED:
        _add(test, "skipped", kind, result.message)
    elif not result.verdict.is_good:
        _add(test, "skipped", kind, f"known failure: {result.message} ({result.known})".removesuffix(" ()"))
    elif not result.verdict.is_clean:
        ET.SubElement(test, "system-out").text = printable("\n".join(describe(result)))
    return test


def _properties(values: Mapping[str, str]) -> ET.Element:
    element = ET.Element("properties")
    for name, value in values.items():
        ET.SubElement(element, "property", name=name, value=printable(value))
    return element


def _add(test: ET.Element, tag: str, kind: str, message: str, text: str | None = None) -> None:
    element = ET.SubElement(test, tag, type=kind, message=printable(message))
    element.text = printable(text) if text else None


def printable(text: str) -> str:
    """Return a text without the characters that XML does not allow."""
    return "".join(c if c in "\t\n" or (c >= " " and c not in "\ufffe\uffff") else "?" for c in _encodable(text))


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
