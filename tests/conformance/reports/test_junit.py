"""JUnit XML of a run: a class a chapter, a test a case, and the explanation as the text of a failure."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from junit_shape import misfits

from conformance.core.verdicts import Verdict
from conformance.reports.junit import as_junit
from conformance.results.case_result import CaseResult
from conformance.results.run import Run

TABLE = [
    (Verdict.PASS, True, None, ""),
    (Verdict.WARN, True, "system-out", ""),
    (Verdict.UNSUPPORTED, True, "skipped", "wrong"),
    (Verdict.FAIL, True, "skipped", "known failure: wrong"),
    (Verdict.FAIL, False, "failure", "wrong"),
    (Verdict.PASS, False, "failure", "wrong"),
    (Verdict.ERROR, False, "error", "wrong"),
]


def suite_of(run: Run) -> ET.Element:
    suite = ET.fromstring(as_junit(run)).find("testsuite")  # noqa: S314 - a text of our own
    assert suite is not None
    return suite


def result(verdict: Verdict, expected: bool, message: str = "wrong") -> CaseResult:
    return CaseResult("system/ping", ["SYS-003"], "must", verdict, expected, 1500.0, message=message)


@pytest.mark.parametrize(("verdict", "expected", "tag", "message"), TABLE)
def test_verdict_becomes_an_element(verdict: Verdict, expected: bool, tag: str | None, message: str) -> None:
    (test,) = suite_of(Run("server", 1, results=[result(verdict, expected)])).iter("testcase")
    assert (test.get("classname"), test.get("name"), test.get("time")) == ("system", "system/ping", "1.500")
    found = [(each.tag, each.get("message", "")) for each in test]
    assert found == ([(tag, message)] if tag else [])


def test_counts_and_explanations() -> None:
    results = [result(verdict, expected) for verdict, expected, *_ in TABLE]
    suite = suite_of(Run("server", 1, results=results, kit_errors=["it broke\nhere"]))
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "8", "failures": "2", "errors": "2", "skipped": "2",
    }  # fmt: skip
    assert misfits(as_junit(Run("server", 1, results=results, kit_errors=["it broke"], unreachable="gone"))) == []
    explained = suite.findtext("testcase/failure") or ""
    assert explained.startswith("FAIL system/ping\n  [SYS-003]")
    assert suite.find("testcase[@classname='kit']/error[@message='it broke']") is not None


def test_text_that_xml_cannot_have_is_replaced() -> None:
    bad = result(Verdict.FAIL, expected=False, message="a\x00b\x1b[1m\ud800")
    failure = suite_of(Run("server", 1, results=[bad])).find("testcase/failure")
    assert failure is not None
    assert failure.get("message") == "a?b?[1m?"


def test_causes_are_properties() -> None:
    step = "the server did not answer in time, waiting for the pong"
    bad = [result(Verdict.FAIL, expected) for expected in (True, False)]
    for each in bad:
        each.message, each.step = step.partition(",")[0], step
    bad[0].case = "system/get-time"
    good = result(Verdict.PASS, expected=True)
    good.case = "system/unknown-action"
    suite = suite_of(Run("server", 1, results=[*bad, good]))
    assert suite[0].tag == "properties"
    (cause,) = suite[0]
    assert cause.attrib == {
        "name": "cause.no-pong",
        "value": "The server is silent where it must send the pong (2 cases)",
    }
    assert misfits(as_junit(Run("server", 1, results=[*bad, good], is_interrupted=True, selected=9))) == []
    assert [[each.get("type") for each in test] for test in suite.iter("testcase")] == [["no-pong"], ["no-pong"], []]
    assert suite.get("tests") == "3"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<suites/>", ["suites is not a root", "unknown element suites"]),
        ('<testsuite name="a" tests="1" failures="0" errors="0" time="1,5"/>', ["time 1,5 of testsuite"]),
        ('<testsuites><testcase classname="a"/></testsuites>', ["testcase in testsuites", "testcase without name"]),
        (
            '<testsuites><property name="a" value="b" of="c"/></testsuites>',
            ["property in testsuites", "property with of"],
        ),
    ],
)
def test_shape_is_strict(text: str, expected: list[str]) -> None:
    assert sorted(misfits(text)) == expected
