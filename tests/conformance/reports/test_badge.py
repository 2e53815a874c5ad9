"""The badge of a run: the members that an endpoint badge has, and a message and a colour for each verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kit_commands import mini, run_on

from conformance.core.shards import Part
from conformance.core.verdicts import Verdict
from conformance.reports.badge import as_badge
from conformance.results.case_result import CaseResult
from conformance.results.run import Run


def badge_of(*verdicts: Verdict, known: bool = False, **members: Any) -> dict[str, Any]:
    run = Run("server", 7, target_name="it <script>", protocol="1.0", **members)
    run.results = [
        CaseResult(f"a/{number}", ["SUB-010"], "must", each, each.is_good or known, 1)
        for number, each in enumerate(verdicts)
    ]
    badge: dict[str, Any] = json.loads(as_badge(run))
    assert list(badge) == ["schemaVersion", "label", "message", "color"]
    assert (badge["schemaVersion"], badge["label"]) == (1, "IPC Framework 1.0")
    return badge


@pytest.mark.parametrize(
    ("verdicts", "members", "message", "color"),
    [
        ([Verdict.PASS, Verdict.UNSUPPORTED], {}, "conformant", "brightgreen"),
        ([Verdict.PASS, Verdict.WARN], {}, "conformant", "yellowgreen"),
        ([Verdict.PASS, Verdict.FAIL], {}, "not conformant: 1 failure", "red"),
        ([Verdict.FAIL, Verdict.FAIL], {"known": True}, "not conformant: 2 failures", "orange"),
        ([Verdict.FAIL, Verdict.ERROR], {}, "not conformant: 1 failure", "red"),
        ([Verdict.PASS, Verdict.ERROR], {}, "not decided", "lightgrey"),
        ([Verdict.UNSUPPORTED], {}, "not decided", "lightgrey"),
        ([Verdict.PASS], {"is_interrupted": True}, "not decided", "lightgrey"),
        ([Verdict.FAIL], {"is_interrupted": True}, "not decided", "lightgrey"),
        ([], {"unreachable": "no"}, "not decided", "lightgrey"),
        ([Verdict.PASS], {"part": Part((1,), 2, 2)}, "not decided", "lightgrey"),
    ],
)
def test_badge_says_the_verdict(verdicts: list[Verdict], members: dict[str, Any], message: str, color: str) -> None:
    badge = badge_of(*verdicts, **members)
    assert (badge["message"], badge["color"]) == (message, color)


def test_badge_of_an_unreached_target_names_no_version() -> None:
    assert json.loads(as_badge(Run("server", 7, unreachable="no")))["label"] == "IPC Framework"


def test_command_writes_the_badge_and_the_verdict(tmp_path: Path) -> None:
    badge, results = tmp_path / "badge.json", tmp_path / "results.json"
    assert run_on(mini("pong"), "--case", "system/ping", "--badge", str(badge), "--json", str(results)).returncode == 1
    assert json.loads(badge.read_text())["message"] == "not conformant: 1 failure"
    assert json.loads(results.read_text())["summary"]["verdict"] == "not conformant"
