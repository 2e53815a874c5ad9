"""Standard output and error that may be unwritable: a closed pipe, a full disk."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class UnwritableOutput(Exception):
    """Standard output cannot be written; deliberately no ``OSError``, which click turns into status 1."""


class _Guarded(io.TextIOWrapper):
    """Standard output; after an error every write raises, since click ignores errors when it first tries a stream."""

    _error: OSError | None = None

    def write(self, text: str, /) -> int:
        """Write."""
        if self._error:
            self.failed(self._error)
        with self._checked():
            super().write(text)
        return len(text)

    def flush(self) -> None:
        """Flush; without further errors, because Python flushes when it ends."""
        with self._checked():
            super().flush()

    def failed(self, error: OSError) -> None:
        """Handle an error."""
        raise UnwritableOutput(f"cannot write standard output: {error.strerror}")

    @contextmanager
    def _checked(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._error = error
            self._discard()
            self.failed(error)

    def _discard(self) -> None:
        """Point the descriptor elsewhere, so that what is still buffered does not fail again when Python ends."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


class _GuardedErrors(_Guarded):
    """Standard error: without it a command goes on, because its results are elsewhere."""

    def failed(self, error: OSError) -> None:
        """Go on silently; what is written from now on is discarded."""


def guard_streams() -> None:
    """Let unwritable standard output raise :class:`UnwritableOutput`, and ignore unwritable standard error.

    Streams that were replaced, as tests do, stay as they are.

    Raises:
        UnwritableOutput: standard output is closed.
    """
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - until the program ends
    elif sys.stderr is sys.__stderr__:
        sys.stderr = _guarded(_GuardedErrors, sys.stderr)
    if sys.stdout is None:
        raise UnwritableOutput("cannot write standard output: it is closed")
    if sys.stdout is sys.__stdout__:
        sys.stdout = _guarded(_Guarded, sys.stdout)


def _guarded(kind: type[_Guarded], stream: Any) -> Any:
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    is_lined, is_direct, encoding = stream.line_buffering, stream.write_through, stream.encoding
    return kind(
        stream.detach(), encoding=encoding, errors="backslashreplace", line_buffering=is_lined, write_through=is_direct
    )
