"""The explanation of a failed case: requirement, expected, received, wire trace, and the command to repeat it."""

from __future__ import annotations

import shlex
import textwrap
from pathlib import Path

from conformance.core.terminal import columns
from conformance.core.text import QUOTE, printable
from conformance.core.trace import EXAMPLE, render
from conformance.protocol.requirements import load, section_link
from conformance.reports.replay_script import as_script
from conformance.results.case_result import CaseResult

WIDTH = 116
"""Of the text, unless the terminal is narrower."""
TRACE_LINES = 40
LINE = 260
"""Enough of a trace line to show any envelope; the results file has more."""


def describe(
    result: CaseResult,
    *,
    trace_lines: int | None = TRACE_LINES,
    file: Path | None = None,
    width: int | None = None,
    rest: str = "",
) -> list[str]:
    """Return the lines that explain ``result``.

    Args:
        result: the result of a case that did not pass.
        trace_lines: the largest number of lines of the trace, which are its last ones; None for the whole trace.
        file: the results file with the whole trace, if there is one.
        width: of the text; None for one that fits the terminal.
        rest: what shows the whole trace; by default a command.
    """
    wide = width or min(WIDTH, columns(WIDTH))
    lines = [f"{result.verdict.upper()} {result.case}"]
    for identity in result.requirements:
        lines += _requirement(identity, wide)
    lines += _wrapped("purpose", result.purpose, wide)
    lines += _wrapped("what", result.message, wide)
    lines += _wrapped("foreseen", result.foreseen, wide)
    lines += _wrapped("wanted", result.wanted, wide)
    lines += _wrapped("received", result.received, wide)
    for number, each in enumerate(result.earlier, 1):
        lines += _wrapped(f"try {number}", f"{each['verdict']}: {each['message']}", wide)
    example = _example(result)
    lines += _wrapped("example", example, wide)
    lines += _trace(
        result, trace_lines, rest or (f"{show_command(file)} --case '{result.case}'" if file else "--trace")
    )
    lines += _script(result) if example else []
    lines += ["  again     " + result.reproduce]
    return [printable(line) for line in lines]


def show_command(file: Path) -> str:
    """Return the command that explains parts of a results file."""
    return f"ipc-conformance show {shlex.quote(str(file))}"


def in_one_line(result: CaseResult, where: str = "") -> str:
    """Return what a result says, in one line.

    Args:
        result: the result.
        where: which cases it stands for; by default its own.
    """
    first = (result.message or result.foreseen).partition("\n")[0]
    line = ": ".join([f"{result.verdict.upper()} {where or result.case}", *filter(None, [first])])
    return printable(line + (f" (known: {result.known})" if result.known else ""))


def _example(result: CaseResult) -> str:
    """Return the example of a property in the trace, or nothing."""
    first = result.trace[0]["text"] if result.trace else ""
    return str(first.removeprefix(EXAMPLE)) if first.startswith(EXAMPLE) else ""


def _trace(result: CaseResult, most: int | None, how: str) -> list[str]:
    if not result.trace:
        return []
    entries = render(result.trace)
    hidden = 0 if most is None else max(0, len(entries) - most)
    skipped = [f"    ... {hidden} earlier lines: {how} shows them"] if hidden else []
    return ["  trace     seconds peer octets", *skipped, *(f"    {line[:LINE]}" for line in entries[hidden:])]


def _script(result: CaseResult) -> list[str]:
    """Return the replay script of a generated example."""
    script = as_script(result.trace)
    return (
        ["  script    does the same again without the kit", *(f"    {line}".rstrip() for line in script)]
        if script
        else []
    )


def _requirement(identity: str, width: int) -> list[str]:
    """Return what a requirement says; of one that the installed specification does not have, its id."""
    found = load().get(identity)
    if found is None:
        return [f"  [{identity}]"]
    return _wrapped(f"[{identity}]", f"{found.text} ({section_link(found)})", width)


def _wrapped(label: str, text: str, width: int) -> list[str]:
    if not text:
        return []
    paragraphs = [line for paragraph in text.splitlines() for line in _wrapped_line(paragraph, width) or [""]]
    return [f"  {label if number == 0 else '':9} {line}" for number, line in enumerate(paragraphs)]


def _wrapped_line(line: str, width: int) -> list[str]:
    """Wrap a line; one of the target's own output keeps its mark."""
    mark = QUOTE if line.startswith(QUOTE) else ""
    return textwrap.wrap(line, width - 12, subsequent_indent=mark, break_long_words=False, break_on_hyphens=False)
