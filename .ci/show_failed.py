"""Pass on what nox prints, and show again, at the end, what the failed sessions printed last.

Sessions that run side by side print a lot, and a CI service may cut a long log in its middle.
"""

import re
import sys
from collections import deque
from collections.abc import Iterable, Iterator

LINES = 80
"""How many lines are shown of a session."""
WIDTH = 400
"""How much is shown of a line, in characters."""


def with_failed_again(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines of nox's output, and then the last ones of each session that failed."""
    failed: dict[str, list[str]] = {}
    last: deque[str] = deque(maxlen=LINES)
    for line in lines:
        yield line
        if re.match(r"nox > Running session ", line):
            last.clear()
        last.append(line if len(line) <= WIDTH else line[:WIDTH] + " […]\n")
        if ended := re.match(r"nox > Session (\S+) (?:failed|aborted)", line):
            failed[ended[1]] = list(last)
    for name, ends in failed.items():
        yield f"\n{name} failed. The end of its output:\n"
        yield from ends


if __name__ == "__main__":
    sys.stdin.reconfigure(errors="backslashreplace")
    sys.stdout.reconfigure(errors="backslashreplace", line_buffering=True)
    sys.stdout.writelines(with_failed_again(sys.stdin))
