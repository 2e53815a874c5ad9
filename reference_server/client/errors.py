"""The error of the client, with a code for programs and a text for people."""

from __future__ import annotations

from typing import Final

from reference_server.protocol.errors import ErrorCode

FATAL_CODES: Final = frozenset(str(code) for code in ErrorCode if code.fatal)
"""After these errors a server ends the connection."""

FINAL_CODES: Final = frozenset(("session_replaced", "unsupported_protocol", "unauthorized"))
"""After these errors another attempt to connect cannot help, or does harm (HSK-026)."""

# A text of a server may be as long as a frame.
_LONGEST_TEXT: Final = 2000
_LONGEST_CODE: Final = 100


class ClientError(Exception):
    """A failure of the connection, of a request, or one that the server reported.

    Attributes:
        code: A code of the specification if the server reported the error (ERR-001). Otherwise `aborted`,
            `buffer_full`, `connection_failed`, `connection_lost`, `frame_too_large`, `heartbeat_timeout`,
            `invalid_message`, `malformed_frame`, `not_connected`, `reconnect_failed`, `timeout`, `tls_failed` or
            `too_deep`.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code, text)
        self.code = printable(code, _LONGEST_CODE)
        self._text = printable(text, _LONGEST_TEXT)

    def __str__(self) -> str:
        return self._text


def printable(text: str, most: int) -> str:
    """Return a text as a part of one line, so that a server cannot forge lines of a log or control a terminal."""
    short = text if len(text) <= most else f"{text[:most]}..."
    if short.isprintable():
        return short
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in short)
