"""The conformance kit: cases, targets, verdicts and reports for the IPC Framework Wire Protocol."""

from importlib.metadata import version

__version__ = version("ipc-conformance")
PROTOCOL_VERSION = "1.0"
