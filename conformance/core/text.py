"""Text from a target, made fit to print: it cannot move the cursor, nor command a CI that reads the output."""

from __future__ import annotations

import re

_ANYWHERE = re.compile(r"##(?=\[|vso\[|teamcity\[)")
_AT_START = re.compile(r"^( *)::", re.MULTILINE)
"""``##[error]`` and its like are commands anywhere in a line, ``::error`` after its leading spaces."""
QUOTE = "| "
"""Begins each line of a target's own output."""
MOST_OF_A_LINE = 400
"""So many characters of a line of such output are shown, half of them from its end."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def printable(text: str) -> str:
    """Return a text whose control characters, except line feeds, and CI commands are escaped."""
    shown = text.replace("\t", "    ")
    if not shown.isprintable():
        shown = "".join(c if c == "\n" or c.isprintable() else _escaped(c) for c in shown)
    return _AT_START.sub(r"\1\\x3a:", _ANYWHERE.sub(r"#\\x23", shown))


def quoted(output: str) -> str:
    """Return a target's own output, printable and without its colours, with a mark before each line.

    Long lines, such as payloads in a log, are cut in the middle.
    """
    return "\n".join(QUOTE + _cut(line) for line in printable(_COLOUR.sub("", output)).splitlines())


def _cut(line: str) -> str:
    half, more = MOST_OF_A_LINE // 2, len(line) - MOST_OF_A_LINE
    return line if more <= 0 else f"{line[:half]} ... ({more} characters) ... {line[-half:]}"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
