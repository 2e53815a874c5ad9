"""TLS between a transport and a session (chapter SEC).

asyncio's own TLS knows no connection whose one side has ended: it could neither answer a client that sends no more
(LIM-011) nor say goodbye and listen on (ERR-009). This layer can, and does nothing else; the cryptography is OpenSSL's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from pathlib import Path
from typing import Any, Final

_CHUNK: Final = 65536

_log = logging.getLogger("reference_server")


class CertificateError(Exception):
    """A certificate or its key cannot be used; the text says why."""


def load_certificate(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return a context for servers with a certificate chain and its private key, both PEM files.

    Raises:
        CertificateError: A file cannot be read, is none of that kind, is encrypted, or they do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # SEC-008
    for file, what in ((certificate, "certificate"), (key, "key")):
        try:
            file.open("rb").close()
        except OSError as error:
            raise CertificateError(f"cannot read {what} {file}: {error.strerror}") from None
    try:
        context.load_cert_chain(certificate, key, password=_refuse_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise CertificateError(f"key {key} does not belong to certificate {certificate}") from None
        raise CertificateError(f"{certificate} and {key} are no certificate and key in PEM format") from None
    except ValueError:
        raise CertificateError(f"key {key} is encrypted; give one without a password") from None
    return context


def _refuse_password() -> str:
    raise ValueError


class TlsLayer(asyncio.Protocol):
    """The server's side of TLS on one connection.

    Args:
        inner: Who speaks the protocol inside of TLS. It is given a transport as if there were no TLS, from the moment
            the connection was accepted; what it writes before the handshake is done is sent after it.
        context: The certificate.
        seconds: How long the client has for the handshake.
    """

    def __init__(self, inner: asyncio.Protocol, context: ssl.SSLContext, seconds: float) -> None:
        self._inner = inner
        self._seconds = seconds
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._transport: asyncio.Transport
        self._deadline: asyncio.TimerHandle | None = None
        self._early = bytearray()  # written before the handshake was done
        self._secured = False
        self._ending = False
        self._farewell = False  # close_notify was sent
        self._client_ended = False

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; the client speaks first."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker; servers make no others
        self._transport = transport
        self._deadline = asyncio.get_running_loop().call_later(self._seconds, transport.abort)
        self._inner.connection_made(_InnerTransport(transport, self))

    def data_received(self, data: bytes) -> None:
        """Decrypt, and hand over what was inside."""
        if self._ending and self._secured:
            return  # and nothing is expected any more but the end
        self._incoming.write(data)
        try:
            if not self._secured:
                self._shake_hands()
            self._read()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            _log.debug("TLS failed: %s", error.reason or error)
            self._flush()  # the alert that says so
            self._transport.close()
            return
        self._flush()

    def eof_received(self) -> bool:
        """Take an end of the stream for what it is: one that was announced, or a loss (SEC-010)."""
        if self._ending:
            self._inner.eof_received()
        elif not self._client_ended:
            self._transport.abort()
        return True

    def pause_writing(self) -> None:
        """Pass on that the client does not read."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that it does."""
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on that the connection is no more."""
        self._end_deadline()
        self._inner.connection_lost(exc)
        self._inner = asyncio.Protocol()  # which refers back to this object through its transport

    # What the inner transport calls

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send."""
        if not self._secured:
            self._early += data
            return
        view = memoryview(data)
        while view:
            view = view[self._tls.write(view) :]
        self._flush()

    def write_eof(self) -> None:
        """End the stream: `close_notify`, then the end of the stream of TCP (SEC-009)."""
        self._end_stream()
        if self._secured:
            self._transport.write_eof()

    def close(self) -> None:
        """End the stream and close the connection, once everything was sent."""
        self._end_stream()
        self._transport.close()

    @property
    def waiting(self) -> int:
        """How many octets wait for the handshake."""
        return len(self._early)

    # Inside

    def _end_stream(self) -> None:
        self._ending = True
        if self._secured and not self._farewell:
            self._farewell = True
            with contextlib.suppress(ssl.SSLError):  # the client's close_notify has yet to come, or data comes instead
                self._tls.unwrap()
            self._flush()

    def _shake_hands(self) -> None:
        self._tls.do_handshake()
        self._secured = True
        self._end_deadline()
        early, self._early = bytes(self._early), bytearray()
        self.write(early)
        if self._ending:
            self.write_eof()

    def _read(self) -> None:
        while not self._ending and not self._client_ended:
            try:
                data = self._tls.read(_CHUNK)
            except ssl.SSLZeroReturnError:
                data = b""
            if not data:
                self._client_ended = True
                self._inner.eof_received()
                return
            self._inner.data_received(data)

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data and not self._transport.is_closing():
            self._transport.write(data)

    def _end_deadline(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None


class _InnerTransport(asyncio.Transport):
    """The transport that the protocol inside of TLS sees."""

    def __init__(self, outer: asyncio.Transport, layer: TlsLayer) -> None:
        super().__init__()
        self._outer = outer
        self._layer = layer

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._layer.write(data)

    def write_eof(self) -> None:
        self._layer.write_eof()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._outer.get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        return self._outer.get_write_buffer_size() + self._layer.waiting

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._outer.set_write_buffer_limits(high, low)

    def pause_reading(self) -> None:
        self._outer.pause_reading()

    def resume_reading(self) -> None:
        self._outer.resume_reading()

    def is_closing(self) -> bool:
        return self._outer.is_closing()

    def close(self) -> None:
        self._layer.close()

    def abort(self) -> None:
        self._outer.abort()
