"""A judgement as JUnit XML."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from conformance.gate.model.judgement import Judgement
from conformance.gate.output.items import Item
from conformance.gate.output.text import lines_about


def as_junit(judgement: Judgement, found: list[Item]) -> str:
    """Return the judgement as JUnit XML: a test case for each finding, and one for the waivers."""
    failures = len(judgement.refused) + bool(judgement.problems)
    suite = ET.Element(
        "testsuite", name="ipc-conformance-gate", tests=str(len(found) + 1), failures=str(failures), errors="0"
    )
    for item in found:
        name = f"{item.finding.rule.id} {item.finding.pointer}"
        case = ET.SubElement(suite, "testcase", classname=item.finding.rule.id, name=_printable(name))
        if item.verdict == "refused":
            failure = ET.SubElement(case, "failure", message=_printable(item.told))
            failure.text = _printable("\n".join(lines_about(item, judgement)))
    waivers = ET.SubElement(suite, "testcase", classname="waivers", name="waivers")
    if judgement.problems:
        ET.SubElement(waivers, "failure", message=_printable("; ".join(judgement.problems)))
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(suite, encoding="unicode")}\n'


def _printable(said: str) -> str:
    """Replace characters that XML does not allow."""
    return "".join(
        c if c in "\n\t" or (c >= " " and not "\ud800" <= c <= "\udfff" and c not in "\ufffe\uffff") else "?"
        for c in said
    )
