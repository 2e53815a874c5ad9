"""The worked session of the spec's introduction, read from its Markdown."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

_HEADING = "## A session, octet by octet\n"
_FRAME = re.compile(
    r"^### \d+\. (?P<title>.+)\n\n"
    r"(?P<about>[^`*][^\n]*\n(?:[^\n]+\n)*)\n"
    r"\*\*(?P<direction>C → S|S → C)\*\*, length (?P<length>\d+), header `(?P<header>[0-9a-f ]+)`, body:\n\n"
    r"```hex\n(?P<dump>[0-9a-f \n]+)\n```\n\n"
    r"```(?:json|text)\n(?P<text>.+)\n```\n",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Frame:
    """One frame of the session: its description on the page, and its octets."""

    title: str
    by_client: bool
    length: int
    header: bytes
    dump: list[str]
    text: str

    @property
    def body(self) -> bytes:
        return bytes.fromhex("".join(self.dump))

    @property
    def octets(self) -> bytes:
        return self.header + self.body

    @property
    def message(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.text)
        return decoded


def section() -> str:
    introduction = files("ipc_spec").joinpath("00-introduction.md").read_text(encoding="utf-8")
    return introduction.split(_HEADING)[1].split("\n## ")[0]


def frames() -> list[Frame]:
    """Read the frames in the order of the page."""
    return [
        Frame(
            title=found["title"],
            by_client=found["direction"].startswith("C"),
            length=int(found["length"]),
            header=bytes.fromhex(found["header"]),
            dump=found["dump"].splitlines(),
            text=found["text"],
        )
        for found in _FRAME.finditer(section())
    ]
