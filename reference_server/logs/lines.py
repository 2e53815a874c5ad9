"""One line for each record, as text or JSON: printable characters only, of bounded length."""

from __future__ import annotations

import copy
import json
import logging
import time
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol

# A record may tell of what a client sent, such as an exception whose text has the payload.
LONGEST_TEXT: Final = 8192
# What the note about the part that was left out adds to it.
_NOTE: Final = 100

_FRAMES: Final = 100  # of a traceback: those next to the error


class LineFormat(Protocol):
    """A function that returns the line of a record, without its end, with or without the traceback."""

    def __call__(self, record: logging.LogRecord, *, with_traceback: bool = True) -> str:
        """Return the line."""


def text_line(record: logging.LogRecord, *, with_traceback: bool = True) -> str:
    """Return time, level, message and error, with backslash escapes for what cannot be printed and for the backslash.

    A line break inside a record is a backslash and an `n`, so its traceback is part of the line.
    """
    seconds = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
    text = f"{seconds},{int(record.msecs):03d} {record.levelname} {message_of(record)}"
    if with_traceback and (details := _details(record)):
        text += f"\n{details}"
    elif reason := reason_of(record):
        text += f": {reason}"
    return escaped(_fitting(text, escaped))


def json_line(record: logging.LogRecord, *, with_traceback: bool = True) -> str:
    """Return a JSON object in ASCII.

    Members: `time`, `level`, `logger`, `message`, and if there is an error its `reason` and perhaps its `traceback`.
    """
    line = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": message_of(record),
        "reason": reason_of(record),
        "traceback": _details(record) if with_traceback else "",
    }
    return json.dumps({name: _fitting(text, json.dumps) for name, text in line.items() if text or name == "message"})


LINE_FORMATS: Final[Mapping[str, LineFormat]] = {"text": text_line, "json": json_line}


def shortened(text: str, longest: int = LONGEST_TEXT) -> str:
    """Return a text with its middle left out where it is long; a traceback tells most at its ends."""
    half = longest // 2
    return text if len(text) <= longest else f"{text[:half]}\n... ({len(text)} characters) ...\n{text[-half:]}"


class _Escapes(dict[int, str | int]):
    """The table of `escaped`, for `str.translate`. It does not grow: clients choose the characters."""

    def __missing__(self, code: int) -> str | int:
        character = chr(code)
        if character.isprintable() and character != "\\":
            return code
        return character.encode("unicode_escape").decode("ascii")


_ESCAPES: Final = _Escapes()
_ESCAPES.update({code: _ESCAPES[code] for code in range(128)})


def escaped(text: str) -> str:
    r"""Return a text in which a backslash and everything that does not print is escaped: ``\\``, ``\n``, ``\u202e``."""
    return text if text.isprintable() and "\\" not in text else text.translate(_ESCAPES)


def message_of(record: logging.LogRecord) -> str:
    """Return the message of a record, of bounded length; if it cannot be made, where the mistake is."""
    bounded = copy.copy(record)
    arguments = record.args
    if isinstance(arguments, Mapping):
        bounded.args = {name: _bounded(value) for name, value in arguments.items()}
    elif arguments:
        bounded.args = tuple(map(_bounded, arguments))
    try:
        return shortened(bounded.getMessage())
    except BaseException as error:  # noqa: BLE001 - a record must not end what logs it
        template = shortened(record.msg) if type(record.msg) is str else type(record.msg).__name__
        return f"{template!r} cannot be formatted: {type(error).__name__}, logged at {record.pathname}:{record.lineno}"


def reason_of(record: logging.LogRecord) -> str:
    """Return the type and the text of a record's error, or an empty text if it has none."""
    kind, error, _ = record.exc_info or (None, None, None)
    if kind is None:
        return ""
    text = "" if error is None else _called(str, error)
    return f"{kind.__qualname__}: {text}" if text else kind.__qualname__


def _details(record: logging.LogRecord) -> str:
    """Return the traceback of a record and the stack that it was logged with."""
    details = _traceback(record.exc_info) if record.exc_info and record.exc_info[0] else ""
    return "\n".join(filter(None, (details, shortened(record.stack_info or ""))))


def _traceback(exc_info: Any) -> str:
    try:
        report = traceback.TracebackException(*exc_info, limit=-_FRAMES, compact=True)
        _shorten_texts(report)
        return shortened("".join(report.format()).rstrip("\n"))
    except BaseException as error:  # noqa: BLE001 - the error may be of a class that fails whatever it is asked
        return f"{exc_info[0].__qualname__}, whose traceback cannot be shown: {type(error).__name__}"


def _shorten_texts(report: traceback.TracebackException) -> None:
    """Shorten the texts of an error, of its causes and of the members of a group before they are copied."""
    reports = [report]
    while reports:
        each = reports.pop()
        # There is no public way to do it. If the attribute goes, long texts cost time and are shortened later.
        if isinstance(text := getattr(each, "_str", None), str):
            setattr(each, "_str", shortened(text))  # noqa: B010 - unknown to the type checker
        if each.__notes__:
            each.__notes__ = [shortened(note) if isinstance(note, str) else note for note in each.__notes__]
        reports += [more for more in (each.__cause__, each.__context__, *(each.exceptions or ())) if more]


class _Error:
    """An error among the arguments of a record: its texts are bounded, and it does not fail."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __str__(self) -> str:
        return _called(str, self._error)

    def __repr__(self) -> str:
        return _called(repr, self._error)


def _bounded(value: Any) -> Any:
    """Return an argument that does not become a very long text."""
    if isinstance(value, BaseException):
        return _Error(value)
    if type(value) is str:
        return shortened(value)
    return value[:LONGEST_TEXT] if type(value) in (bytes, bytearray) else value


def _called(function: Callable[[Any], str], error: BaseException) -> str:
    try:
        return shortened(function(error))
    except BaseException:  # noqa: BLE001 - see message_of
        return f"<{function.__name__}() of the {type(error).__qualname__} failed>"


def _fitting(text: str, quote: Callable[[str], str]) -> str:
    """Return a text that has bounded length also when it is quoted; a quoted character can have twelve."""
    longest = LONGEST_TEXT
    fitting = shortened(text)
    while len(quote(fitting)) > LONGEST_TEXT + _NOTE:
        longest //= 2
        fitting = shortened(text, longest)
    return fitting
