"""Programs that log as the server does, in a process of their own."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from typing import Any

SECONDS = 20.0

_BEGIN = """
import asyncio, logging, os, sys, threading, time, warnings
from reference_server import logs
logs.configure("info", FORMAT)
log = logging.getLogger("reference_server")
"""


def command(program: str, log_format: str = "text") -> list[str]:
    """Return the command of a program that has configured the log."""
    return [sys.executable, "-c", _BEGIN.replace("FORMAT", repr(log_format)) + program]


def log_of(program: str, log_format: str = "text") -> list[str]:
    """Run a program and return the lines of its log, which must have no other line ends than LF."""
    done = subprocess.run(command(program, log_format), stderr=subprocess.PIPE, timeout=SECONDS, check=False)
    text = done.stderr.decode("utf-8", "surrogatepass")
    assert text.endswith("\n"), text
    return text[:-1].split("\n")


def message_of(line: str, log_format: str) -> str:
    """Return the text of a line without time, level and escapes."""
    if log_format == "json":
        record: dict[str, Any] = json.loads(line)
        return "\n".join(record[name] for name in ("message", "reason", "traceback") if name in record)
    _, _, _, text = line.split(" ", 3)
    quoted = text.replace('"', '\\"')
    return str(ast.literal_eval(f'"{quoted}"'))
