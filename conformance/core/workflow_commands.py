"""Workflow commands: the lines of output by which a job tells GitHub Actions something."""

from __future__ import annotations


def command(name: str, message: str, **properties: str | int) -> str:
    """Return the line that is a command, whatever its texts are.

    Args:
        name: the command, such as ``error``.
        message: what it says; line feeds stay line feeds on GitHub.
        properties: its properties in order, such as ``title``.
    """
    stated = ",".join(f"{key}={_escaped(str(value), ':,')}" for key, value in properties.items())
    return f"::{name}{' ' if stated else ''}{stated}::{_escaped(message)}"


def _escaped(said: str, further: str = "") -> str:
    """Escape the characters that end a command, and further ones that end a property of it."""
    return "".join(f"%{ord(c):02X}" if c in f"%\r\n{further}" else c for c in said)
