"""Mistakes about tokens and TLS (chapter SEC). These servers require both."""

from __future__ import annotations

import ssl
import unicodedata
from typing import Any

from mutation import around, mutant
from patches import broker_of, change_acknowledgement

from reference_server.network.session import Session
from reference_server.network.tls import TlsLayer
from reference_server.protocol import connection
from reference_server.protocol.capabilities import Capabilities
from reference_server.protocol.connection import Connection
from reference_server.protocol.errors import ErrorCode, WireError
from reference_server.server import ReferenceServer


@mutant("SEC-001")
def not_announced() -> None:
    """The acknowledgement does not name the profile."""
    change_acknowledgement(
        lambda payload: payload.update(profiles=[name for name in payload["profiles"] if name != "security"])
    )


@mutant("SEC-002")
def any_token() -> None:
    """Every token is let in."""

    @around(Capabilities, "admits")
    def admits(_original: Any, _self: Capabilities, token: object) -> bool:
        return token is not None


@mutant("SEC-002/absent")
def none_needed() -> None:
    """A client that shows no token is let in."""

    @around(Capabilities, "admits")
    def admits(original: Any, self: Capabilities, token: object) -> bool:
        return token is None or bool(original(self, token))


@mutant("SEC-002/prefix")
def prefix_is_enough() -> None:
    """A token that begins with the right one is let in."""

    @around(Capabilities, "admits")
    def admits(_original: Any, self: Capabilities, token: object) -> bool:
        return isinstance(token, str) and token.startswith(self.token or "")


@mutant("SEC-002/blanks")
def blanks_are_cut() -> None:
    """Blanks around a token do not count."""

    @around(Capabilities, "admits")
    def admits(original: Any, self: Capabilities, token: object) -> bool:
        return bool(original(self, token.strip() if isinstance(token, str) else token))


@mutant("SEC-002/case")
def case_does_not_count() -> None:
    """Upper and lower case are one."""

    @around(Capabilities, "admits")
    def admits(_original: Any, self: Capabilities, token: object) -> bool:
        return isinstance(token, str) and token.casefold() == (self.token or "").casefold()


@mutant("SEC-002/version")
def version_first() -> None:
    """Who speaks another version learns that before the token is looked at."""

    @around(connection, "read_connect")
    def read(original: Any, message: Any, capabilities: Capabilities) -> Any:
        try:
            return original(message, capabilities)
        except WireError as error:
            if error.code is ErrorCode.UNAUTHORIZED and message["payload"].get("protocol") == "2.0":
                raise WireError(ErrorCode.UNSUPPORTED_PROTOCOL, "", message) from None
            raise


@mutant("SEC-003", harms=("*",), because="no connection of the suite is let in")
def nobody_let_in() -> None:
    """No token is right."""

    @around(Capabilities, "admits")
    def admits(_original: Any, _self: Capabilities, _token: object) -> bool:
        return False


@mutant("SEC-004")
def absent_is_told() -> None:
    """The error says whether there was a token at all."""

    @around(connection, "read_connect")
    def read(original: Any, message: Any, capabilities: Capabilities) -> Any:
        try:
            return original(message, capabilities)
        except WireError as error:
            if error.code is ErrorCode.UNAUTHORIZED and "token" not in message["payload"]:
                raise WireError(error.code, "there is no token", message) from None
            raise


@mutant("SEC-005")
def replaced_all_the_same() -> None:
    """A client that is refused takes the place of the one with its name."""

    @around(Connection, "_report")
    def report(original: Any, self: Connection, error: WireError) -> None:
        original(self, error)
        if error.code is ErrorCode.UNAUTHORIZED:
            application = broker_of(self)._applications.get(error.about["app_id"])
            older = application.connections.get(error.about["payload"]["connection_id"]) if application else None
            if older:
                older.fail(ErrorCode.SESSION_REPLACED)


@mutant("SEC-006")
def token_in_the_error() -> None:
    """The error has the token that was shown."""

    @around(connection, "read_connect")
    def read(original: Any, message: Any, capabilities: Capabilities) -> Any:
        try:
            return original(message, capabilities)
        except WireError as error:
            if error.code is ErrorCode.UNAUTHORIZED:
                raise WireError(error.code, f"token {message['payload'].get('token')!r}", message) from None
            raise


@mutant("SEC-006/right")
def token_in_the_acknowledgement() -> None:
    """The acknowledgement has the token."""

    @around(Connection, "accept")
    def accept(original: Any, self: Connection, event: Any) -> None:
        object.__setattr__(
            self._capabilities, "acknowledged", {**self._capabilities.acknowledged, "token": self._capabilities.token}
        )
        original(self, event)


@mutant("SEC-007")
def plaintext_too() -> None:
    """Who does not begin with TLS is served without it."""

    @around(ReferenceServer, "_accept")
    def accept(_original: Any, self: ReferenceServer, running: Any) -> Any:
        assert self._tls
        return _Either(Session(running), self._tls, self.limits.handshake_timeout)


class _Either(TlsLayer):
    """TLS, if the first octet is that of a handshake."""

    _is_plain: bool | None = None

    def data_received(self, data: bytes) -> None:
        if self._is_plain is None:
            self._is_plain = data[:1] != b"\x16"
        if self._is_plain:
            self._end_deadline()
            session: Any = self._inner
            session._transport = self._transport
            session.data_received(data)
        else:
            super().data_received(data)


@mutant("SEC-008")
def old_tls() -> None:
    """TLS 1.1 is spoken."""

    @around(TlsLayer, "__init__")
    def init(original: Any, self: TlsLayer, inner: Any, context: ssl.SSLContext, seconds: float) -> None:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        original(self, inner, context, seconds)


@mutant("SEC-009")
def no_farewell() -> None:
    """The stream ends without close_notify."""

    @around(TlsLayer, "_end_stream")
    def end_stream(_original: Any, self: TlsLayer) -> None:
        self._ending = True


@mutant("SEC-009/error")
def no_farewell_behind_errors() -> None:
    """The stream ends without close_notify behind an error."""

    @around(TlsLayer, "write_eof")
    def write_eof(_original: Any, self: TlsLayer) -> None:
        self._ending = True
        self._transport.write_eof()


@mutant("SEC-010")
def cut_off_is_an_end() -> None:
    """The end of the stream of TCP is the end of the stream, close_notify or not."""

    @around(TlsLayer, "eof_received")
    def eof_received(_original: Any, self: TlsLayer) -> bool:
        if not self._client_ended:
            self._inner.eof_received()
        return True


@mutant("SEC-002/normal-form")
def normal_forms_are_equal() -> None:
    """Tokens are compared in a normal form of Unicode."""

    @around(Capabilities, "admits")
    def admits(original: Any, self: Capabilities, token: object) -> bool:
        return bool(original(self, unicodedata.normalize("NFKC", token) if isinstance(token, str) else token))


@mutant("SEC-002/ascii")
def ascii_only() -> None:
    """Characters beyond ASCII do not count."""

    @around(Capabilities, "admits")
    def admits(_original: Any, self: Capabilities, token: object) -> bool:
        shown = token if isinstance(token, str) else ""
        return shown.encode("ascii", "ignore") == (self.token or "").encode("ascii", "ignore")
