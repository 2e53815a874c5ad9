"""What GitHub's runner makes of the output of a step: the workflow commands in it, in both of their spellings."""

from __future__ import annotations

import re
from dataclasses import dataclass

NAMES = (
    *("add-mask", "add-matcher", "add-path", "debug", "echo", "endgroup", "error", "group", "notice"),
    *("remove-matcher", "save-state", "set-env", "set-output", "stop-commands", "warning"),
)
LINE_ENDS = re.compile(r"\r\n|[\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029]")
"""More than the runner knows, so that no reading of the output finds a further command."""


@dataclass(frozen=True)
class Command:
    """A command as the runner understands it."""

    name: str
    properties: dict[str, str]
    message: str


def commands_in(output: str) -> list[Command]:
    """Return the commands in some output."""
    lines = LINE_ENDS.split(output)
    return [found for found in (_newer(each) or _older(each) for each in lines) if found]


def _newer(line: str) -> Command | None:
    """Read ``::name key=value,...::message``, which stands at the start of a line."""
    head, end, message = line.lstrip().removeprefix("::").partition("::")
    name, _, properties = head.partition(" ")
    if not line.lstrip().startswith("::") or not end or name not in NAMES:
        return None
    pairs = [each.partition("=") for each in properties.split(",") if "=" in each]
    stated = {key.strip(): _decoded(value, {"3A": ":", "2C": ","}) for key, _, value in pairs}
    return Command(name, stated, _decoded(message))


def _older(line: str) -> Command | None:
    """Read ``##[name key=value;...]message``, which stands anywhere in a line."""
    found = re.search(r"##\[(\S+?)(?: [^\]]*)?\](.*)", line)
    return Command(found[1], {}, found[2]) if found and found[1] in NAMES else None


def _decoded(text: str, further: dict[str, str] | None = None) -> str:
    codes = {"0D": "\r", "0A": "\n"} | (further or {})
    for code, character in codes.items():
        text = text.replace(f"%{code}", character)
    return text.replace("%25", "%")
