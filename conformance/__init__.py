"""The conformance kit: cases, targets, verdicts and reports for the IPC Framework Wire Protocol."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - so that an old Python hears of itself, not of what it lacks
    _WHY = f"ipc-conformance needs Python 3.11 or newer, and this is Python {sys.version.split()[0]}"
    if sys.argv[:1] != ["-m"]:
        raise ImportError(_WHY)
    sys.stderr.write(f"{_WHY}\n")
    sys.exit(2)

from importlib.metadata import version

__version__ = version("ipc-conformance")
PROTOCOL_VERSION = "1.1"
