"""The log: one printable line per record, bounded rates, and no waiting for its reader."""

from __future__ import annotations

import logging
import sys

from reference_server.logs import hooks
from reference_server.logs.handler import LogHandler
from reference_server.logs.hooks import report_loop_problem
from reference_server.logs.lines import LINE_FORMATS

__all__ = ["configure", "flush", "report_loop_problem"]


def configure(level: str, log_format: str) -> None:
    """Send log records of a level and above to standard error, and what Python and asyncio would write there.

    Args:
        level: A name of the `logging` module, in either case.
        log_format: ``text`` or ``json``.
    """
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    handler = LogHandler(LINE_FORMATS[log_format], _descriptor(), encoding)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    hooks.install()


def flush() -> None:
    """Wait until the log is written, for a second at most."""
    for handler in logging.getLogger().handlers:
        handler.flush()


def _descriptor() -> int | None:
    try:
        return sys.stderr.fileno()
    except (AttributeError, OSError):  # there is no standard error, or a program has replaced it
        return None
