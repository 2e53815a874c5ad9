"""The explanation of a failed case: requirement, expected, received, wire trace, and the command to repeat it."""

from __future__ import annotations

import textwrap

from conformance.core.trace import EXAMPLE, render
from conformance.protocol.requirements import load, section_link
from conformance.reports.replay_script import as_script
from conformance.results.case_result import CaseResult

WIDTH = 116
TRACE_LINES = 40
LINE = 260
"""Enough of a trace line to show any envelope; the results file has more."""


def describe(result: CaseResult, *, whole_trace: bool = False) -> list[str]:
    """Return the lines that explain ``result``.

    Args:
        result: the result of a case that did not pass.
        whole_trace: whether to include the whole trace instead of its last lines.
    """
    lines = [f"{result.verdict.upper()} {result.case}"]
    for identity in result.requirements:
        requirement = load()[identity]
        lines += _wrapped(f"[{identity}]", f"{requirement.text} ({section_link(requirement)})")
    lines += _wrapped("what", result.message)
    lines += _wrapped("foreseen", result.foreseen)
    lines += _wrapped("wanted", result.wanted)
    lines += _wrapped("received", result.received)
    example = _example(result)
    lines += _wrapped("example", example)
    lines += _trace(result, whole_trace)
    lines += _script(result) if example else []
    lines += ["  again     " + result.reproduce]
    return lines


def _example(result: CaseResult) -> str:
    """Return the example of a property in the trace, or nothing."""
    first = result.trace[0]["text"] if result.trace else ""
    return str(first.removeprefix(EXAMPLE)) if first.startswith(EXAMPLE) else ""


def _trace(result: CaseResult, whole: bool) -> list[str]:
    if not result.trace:
        return []
    entries = render(result.trace)
    hidden = 0 if whole else max(0, len(entries) - TRACE_LINES)
    skipped = [f"    ... {hidden} earlier lines: --trace shows them"] if hidden else []
    return ["  trace     seconds peer octets", *skipped, *(f"    {line[:LINE]}" for line in entries[hidden:])]


def _script(result: CaseResult) -> list[str]:
    """Return the replay script of a generated example."""
    script = as_script(result.trace)
    return (
        ["  script    does the same again without the kit", *(f"    {line}".rstrip() for line in script)]
        if script
        else []
    )


def _wrapped(label: str, text: str) -> list[str]:
    if not text:
        return []
    paragraphs = [
        line
        for paragraph in text.splitlines()
        for line in textwrap.wrap(paragraph, WIDTH - 12, break_long_words=False, break_on_hyphens=False) or [""]
    ]
    return [f"  {label if number == 0 else '':9} {line}" for number, line in enumerate(paragraphs)]
