"""Draw the first screen of a report as SVG: ``python docs/pictures/first_screen.py RESULTS.json FILE.svg``.

It is that of ``ipc-conformance show``, which ``run`` prints too. ``nox -s picture`` runs the suite on ipc-framework
for it.
"""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS, LINES = 112, 40
COMMAND = "ipc-conformance show results.json"
FORMAT = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {terminal_width} {terminal_height}" role="img">
<title>The first screen of a report</title>
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-family: sans-serif; font-size: 16px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
<rect fill="#10151c" width="{terminal_width}" height="{terminal_height}" rx="8"/>
<g clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""The frame of the picture; rich's own loads a font from the web."""


def main(results: Path, picture: Path) -> None:
    """Write the picture."""
    screen = Console(width=COLUMNS + 2, record=True, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    lines = [Text(f"$ {COMMAND}", style="bold"), *map(Text.from_ansi, shown(results)[: LINES - 1])]
    for line in [Text(), *lines, Text()]:
        screen.print(Text(" ") + line, no_wrap=True, overflow="crop")
    picture.write_text(screen.export_svg(code_format=FORMAT, unique_id="screen"), "utf-8")


def shown(results: Path) -> list[str]:
    """Return what ``ipc-conformance show`` prints on a terminal, with its colours, a line each."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    command = [sys.executable, "-m", "conformance", "show", str(results)]
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL, env=environment) as process:  # noqa: S603 - our own
        os.close(theirs)
        octets = b""
        try:
            while piece := os.read(ours, 65536):
                octets += piece
        except OSError:  # how a pseudo-terminal ends
            pass
        process.wait()
    os.close(ours)
    return octets.decode("utf-8").replace("\r\n", "\n").split("\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
