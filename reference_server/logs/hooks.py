"""What Python and asyncio would write to standard error themselves, as records of the log."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from types import TracebackType
from typing import Any, Final

_log = logging.getLogger("reference_server")
_asyncio_log = logging.getLogger("asyncio")

# Members of the context of asyncio that the record has already, or that would be texts of many lines.
_TOLD: Final = frozenset({"message", "exception", "source_traceback", "handle_traceback"})


def install() -> None:
    """Log warnings, errors that nothing catches, and errors that Python ignores."""
    sys.excepthook = _report_uncaught
    threading.excepthook = _report_thread
    sys.unraisablehook = _report_unraisable
    logging.captureWarnings(True)
    # `logging` would write what fails in another handler to standard error.
    logging.raiseExceptions = False


def report_loop_problem(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log a problem of the event loop, such as a task whose error nothing retrieved; for `set_exception_handler`."""
    error = context.get("exception")
    message = context.get("message") or "error in the event loop"
    _asyncio_log.error("%s (%s)", message, _Members(context), exc_info=error)


class _Members:
    """The members of a context, which become a text only if the record is logged."""

    def __init__(self, context: dict[str, Any]) -> None:
        self._context = context

    def __str__(self) -> str:
        return ", ".join(f"{name}: {value!r}" for name, value in self._context.items() if name not in _TOLD)


def _report_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    _log.critical("the server ends because of an error", exc_info=(kind, error, trace))


def _report_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_type is SystemExit:
        return
    name = arguments.thread.name if arguments.thread else "unknown"
    _log.error("thread %r ended because of an error", name, exc_info=_error_of(arguments))


def _report_unraisable(unraisable: Any) -> None:
    message = unraisable.err_msg or "Exception ignored in"
    _log.error("%s: %r", message, unraisable.object, exc_info=_error_of(unraisable))


def _error_of(arguments: Any) -> Any:
    return arguments.exc_type, arguments.exc_value, arguments.exc_traceback
