"""The handler of `logging` that joins rates, lines and the writer."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from typing import Final

from reference_server.logs.lines import LineFormat, message_of, reason_of, shortened
from reference_server.logs.rates import Kind, Rates
from reference_server.logs.writer import Writer

# The time that the end of the process waits for a reader of the log, in seconds.
PATIENCE: Final = 1.0

_LONGEST_EXAMPLE: Final = 300


class LogHandler(logging.Handler):
    """Logs one line for each record, neither too many nor waiting for a reader; never raises.

    A record that is left out is counted before anything is formatted. The traceback is logged with the first record of
    its kind in a period.

    Args:
        line_format: Makes a line.
        descriptor: Where to write, or None for nowhere.
        encoding: That of the terminal or file.
    """

    def __init__(self, line_format: LineFormat, descriptor: int | None, encoding: str) -> None:
        super().__init__()
        self._line_format = line_format
        self._encoding = encoding
        self._begin()
        self._writer = Writer(descriptor, self._notice, self._more)
        if hasattr(os, "register_at_fork"):
            # Weak, as these functions stay for ever.
            begin_again = weakref.WeakMethod(self._begin_in_fork)
            os.register_at_fork(after_in_child=lambda: (method := begin_again()) and method())

    def handle(self, record: logging.LogRecord) -> bool:
        """Have a record written, unless there are too many; no lock is held while its texts are made."""
        try:
            if passed := self.filter(record):  # since Python 3.12 a filter may replace the record
                self._handle(passed if isinstance(passed, logging.LogRecord) else record)
        except Exception:  # noqa: BLE001 - what logs goes on, whatever the record is
            self._writer.drop()
        return True

    def flush(self) -> None:
        """Wait until everything is written, for a second at most, and tell at once what was left out."""
        with self._lock_rates:
            left_out = self._rates.take_left_out(early=True)
        for text in left_out:
            self._writer.put(self._notice(text))
        self._writer.flush(PATIENCE)

    def close(self) -> None:
        """Let the process end; what is logged later is written if there is time."""
        self._is_ending = True
        super().close()

    def _begin(self) -> None:
        # Reentrant: a signal handler or a finalizer may log while this thread has it.
        self._lock_rates = threading.RLock()
        self._rates = Rates()
        self._is_ending = False

    def _begin_in_fork(self) -> None:
        self._begin()
        self._writer.begin()

    def _handle(self, record: logging.LogRecord) -> None:
        with self._lock_rates:
            was_due = self._rates.due_in()
            kind = self._rates.admit(record)
            with_traceback = kind is not None and not kind.explained
            if kind is not None and record.exc_info:
                kind.explained = True
        if kind is None:
            if was_due is None:
                self._writer.wake()
            return
        self._writer.put(self._octets(self._line_format(record, with_traceback=with_traceback)))
        if kind.lines == 1:
            _set_example(kind, record)
        if self._is_ending:
            self._writer.flush(PATIENCE)

    def _more(self) -> tuple[list[bytes], float | None]:
        with self._lock_rates:
            texts, due_in = self._rates.take_left_out(), self._rates.due_in()
        return [self._notice(text) for text in texts], due_in

    def _notice(self, text: str) -> bytes:
        record = logging.LogRecord("reference_server", logging.WARNING, __file__, 0, "%s", (text,), None)
        return self._octets(self._line_format(record))

    def _octets(self, line: str) -> bytes:
        return f"{line}\n".encode(self._encoding, "backslashreplace")


def _set_example(kind: Kind, record: logging.LogRecord) -> None:
    message, reason = message_of(record), reason_of(record)
    kind.example = shortened(f"{message}: {reason}" if reason else message, _LONGEST_EXAMPLE)
