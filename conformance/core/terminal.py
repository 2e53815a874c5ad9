"""Text that fits the terminal: wrapped between words, with the continuation below the text and not below its label."""

from __future__ import annotations

import re
import shutil
import textwrap

NARROW = 70
"""With fewer columns, what is a table elsewhere becomes lines."""
_LABEL = re.compile(r" *\S+(?: \S+)* {2,}(?=\S)")
"""The first column of a line: words, then two spaces or more."""


def columns(usual: int = 80) -> int:
    """Return the width of the terminal, or what COLUMNS says; ``usual`` if standard output is no terminal."""
    return shutil.get_terminal_size((usual, 24)).columns


def is_narrow() -> bool:
    """Return true if tables do not fit the terminal."""
    return columns() < NARROW


def fitted(text: str) -> str:
    """Return a text for the terminal: unchanged, or wrapped if the terminal is narrow."""
    return "\n".join(wrapped(line, columns()) for line in text.split("\n")) if is_narrow() else text


def wrapped(line: str, width: int) -> str:
    """Wrap a line at spaces; what continues is as far from the edge as the text after the label.

    A label that takes more than half of the line has a line of its own. A longer word than the line stays whole.
    """
    if len(line) <= width:
        return line
    edge = " " * (len(line) - len(line.lstrip()))
    label = _LABEL.match(line)
    if label is None:
        return _filled(line.lstrip(), width, edge, edge)
    text, end = line[label.end() :], label.end()
    if end <= width // 2:
        return _filled(text, width, line[:end], " " * end)
    return f"{wrapped(label[0].rstrip(), width)}\n{_filled(text, width, f'{edge}  ', f'{edge}  ')}"


def _filled(text: str, width: int, first: str, others: str) -> str:
    return textwrap.fill(
        text, width, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    )
