"""The options of a client, checked."""

from __future__ import annotations

import functools
import math
import ssl
from dataclasses import dataclass, field
from typing import Any, Final

_LONGEST_NAME: Final = 255
_LEAST_BUFFER: Final = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a client connects; `Client` documents each option.

    Raises:
        ValueError: A value is outside its range; the text names the option.
        TypeError: A value has the wrong type.
    """

    app_id: str
    host: str
    port: int
    path: str | None
    tls: ssl.SSLContext | None
    server_hostname: str | None
    token: str | None = field(repr=False)
    connect_timeout: float
    reconnect_attempts: int | None
    reconnect_delay: float
    reconnect_max_delay: float
    heartbeat_interval: float
    max_buffered_bytes: int

    def __post_init__(self) -> None:
        check_name("app_id", self.app_id)
        if self.path is None:
            _check_host(self.host)
            check_integer("port", self.port, 1, 65535)
        else:
            _check_path(self.path)
        if self.token is not None:
            _check_token(self.token)
        _check_number("connect_timeout", self.connect_timeout, 0.001)
        if self.reconnect_attempts is not None:
            check_integer("reconnect_attempts", self.reconnect_attempts, 0)
        _check_number("reconnect_delay", self.reconnect_delay, 0)
        _check_number("reconnect_max_delay", self.reconnect_max_delay, 0)
        _check_number("heartbeat_interval", self.heartbeat_interval, 0)
        check_integer("max_buffered_bytes", self.max_buffered_bytes, _LEAST_BUFFER)

    @property
    def address(self) -> str:
        """The address, for texts."""
        return f"{self.host}:{self.port}" if self.path is None else f"unix:{self.path}"


def make_tls(tls: bool | ssl.SSLContext) -> ssl.SSLContext | None:
    """Return the context of the option `tls`; None for plaintext."""
    if isinstance(tls, ssl.SSLContext):
        return tls
    if not isinstance(tls, bool):
        raise TypeError(f"tls must be a boolean or an ssl.SSLContext, not {type(tls).__name__}")
    return ssl.create_default_context() if tls else None


def check_name(what: str, name: object) -> None:
    """Raise `ValueError` if a value cannot be an `app_id` (ENV-001)."""
    if not isinstance(name, str) or not 1 <= len(name) <= _LONGEST_NAME or not _is_unicode(name):
        raise ValueError(f"{what} must be a string of 1 to {_LONGEST_NAME} characters, not {_shown(name)}")


@functools.lru_cache(1024)
def check_channel(channel: str) -> None:
    """Raise `ValueError` if a value cannot be the name of a channel (ENV-001)."""
    check_name("channel", channel)
    if min(channel) < " ":
        raise ValueError(f"channel must be free of control characters, not {_shown(channel)}")


def check_timeout(timeout: float | None) -> None:
    """Raise `ValueError` or `TypeError` if a value is no time to wait, in seconds; None is without end."""
    if timeout is not None:
        _check_number("timeout", timeout, 0.001)


def check_integer(what: str, value: Any, least: int, most: float = math.inf) -> None:
    """Raise `TypeError` if a value is no integer, and `ValueError` if it is outside its range."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{what} must be an integer, not {_shown(value)}")
    _check_range(what, value, least, most)


def _check_number(what: str, value: Any, least: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{what} must be a number, not {_shown(value)}")
    _check_range(what, value, least, math.inf)


def _check_range(what: str, value: float, least: float, most: float) -> None:
    # Written so that NaN fails too.
    if not (least <= value <= most and value < math.inf):
        limits = f"{least} or more" if most == math.inf else f"from {least} to {most}"
        raise ValueError(f"{what} must be {limits}, not {value}")


def _check_host(host: object) -> None:
    is_name = isinstance(host, str) and host and not any(each in host for each in "/[] ")
    if not is_name:
        raise ValueError(f"host must be a host name or an IP address, without scheme and port, not {_shown(host)}")


def _check_path(path: object) -> None:
    if not isinstance(path, str) or not path or "\0" in path:
        raise ValueError(f"path must be the path of a unix socket, not {_shown(path)}")
    if path.startswith("unix:"):
        raise ValueError("path must be a path alone, without 'unix:'")


def _check_token(token: object) -> None:
    if not isinstance(token, str) or not token or not _is_unicode(token):
        raise ValueError("token must be a string of at least one character")  # and is not shown


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
