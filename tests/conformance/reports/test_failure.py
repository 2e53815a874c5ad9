"""The explanation of a failure: what it names, and what a hostile target's texts cannot do to the reader."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

import pytest
from kit_commands import wait_until
from rich.console import Console

from conformance.core.text import printable, quoted
from conformance.core.verdicts import Verdict
from conformance.peers.client import _named
from conformance.protocol.codec import contrast, shorten
from conformance.reports.failure import describe
from conformance.reports.summary import print_report
from conformance.results.case_result import CaseResult
from conformance.results.run import Run
from conformance.targets.process import SupervisedProcess

HOSTILE = "\x1b[2J\x1b[Hgood\r\n::error file=x::owned\n  ::set-output name=a::b\nx ##[error]y ##vso[task]\x9b\u202e"
LONG = "word " * 30


def failed(**members: Any) -> CaseResult:
    return CaseResult("system/ping", ["SYS-003"], "must", Verdict.FAIL, False, 1, **{"message": "wrong"} | members)


@pytest.mark.parametrize("member", ["message", "received", "wanted", "reproduce", "foreseen"])
@pytest.mark.parametrize(
    "text", [HOSTILE, quoted(HOSTILE), quoted(f"{LONG}::error::{LONG}"), f"{LONG[:100]} ::error::x"]
)
def test_text_of_a_target_commands_neither_terminal_nor_ci(member: str, text: str) -> None:
    out = io.StringIO()
    run = Run("server", 1, results=[failed(**{member: text})], unreachable=text)
    print_report(Console(file=out, width=40, emoji=False), run)
    for line in out.getvalue().splitlines():
        assert line.isprintable()
        assert not line.lstrip().startswith("::")
        assert not any(command in line for command in ("##[", "##vso[", "##teamcity["))


def test_printable_text_stays_as_it_is() -> None:
    assert printable("grün ::error 😀 a::b #[x]\nnext") == "grün ::error 😀 a::b #[x]\nnext"
    assert printable("a\tb\x07") == "a    b\\x07"
    assert quoted("one\ntwo\x1b[1A") == "| one\n| two\\x1b[1A"
    assert quoted("\x1b[1m\x1b[38;5;245mone\x1b[0m\ntwo") == "| one\n| two"


def test_long_lines_of_an_output_are_cut_in_the_middle() -> None:
    assert quoted(f"{'a' * 400}\n{'a' * 300}{'b' * 300}") == (
        f"| {'a' * 400}\n| {'a' * 200} ... (200 characters) ... {'b' * 200}"
    )


def test_failure_shows_the_purpose_of_its_case() -> None:
    assert "  purpose   A ping is answered." in describe(failed(purpose="A ping is answered."))


def test_long_values_are_shown_around_their_difference() -> None:
    wanted, found = shorten({"text": "a" * 5000 + "ä" + "b" * 5000}), shorten({"text": "a" * 5000 + "a" + "b" * 5001})
    assert wanted[:100] == found[:100]
    left, right = contrast(wanted, found)
    assert "aaa\\u00e4bbb" in left
    assert "(10018 characters; the difference begins at character 5011)" in left
    assert "aaaabbb" in right
    assert "(10014 characters; " in right
    assert contrast(shorten("a"), shorten("b")) == ('"a"', '"b"')
    assert contrast("one", "two") == ("one", "two")


CAME: list[tuple[Any, str]] = [
    ({"error": {"code": "forbidden", "message": "x"}, "status": "error"}, "the error forbidden"),
    (
        {"error": {"code": "no_handler", "message": 7}, "status": "error"},
        "it in a wrong form, at payload/error/message",
    ),
    ({"error": {"code": "x", "message": ""}}, "an error without a known code"),
    ({"status": "pong"}, "a response without an error"),
    (None, "a response without an error"),
]


@pytest.mark.parametrize(("payload", "name"), CAME)
def test_what_came_in_place_of_an_error_is_named(payload: Any, name: str) -> None:
    answer = {
        "message_id": "s1", "app_id": "a", "channel_id": "c", "message_type": "response", "timestamp": 1.5,
        "reply_to": "m", "payload": payload,
    }  # fmt: skip
    assert _named(answer, "no_handler") == name


def test_output_of_a_target_is_bounded_and_its_end_kept() -> None:
    source = "import os, time; [os.write(1, b'x' * 99_999 + b'\\n') for _ in range(200)]; "
    source += "print('the end', flush=True); time.sleep(60)"
    process = SupervisedProcess([sys.executable, "-c", source])
    try:
        assert wait_until(lambda: process.tail().endswith("\n| the end"))
        assert wait_until(lambda: os.fstat(process._output.fileno()).st_size < 5_000_000)
        assert wait_until(lambda: process.tail().endswith("\n| the end"))
    finally:
        process.stop()
