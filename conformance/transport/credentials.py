"""The credentials for a server with the profile security: a token, TLS, or both (spec, chapter SEC)."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from conformance.protocol.files import MEBIBYTE, read_octets, read_text

MOST_TOKEN_OCTETS, MOST_CERTIFICATES_OCTETS = 65_536, 4 * MEBIBYTE


@dataclass(frozen=True)
class Credentials:
    """How the kit connects.

    Attributes:
        token: the token in its connect messages.
        tls: the TLS context with the trusted certificates; None for connections without TLS.
    """

    token: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None

    @classmethod
    def from_files(cls, token_file: Path | None, tls_ca: Path | None) -> Self:
        """Read a token and a certificate.

        Args:
            token_file: a text file whose only line is the token.
            tls_ca: a PEM file with the trusted certificates.

        Raises:
            ValueError: a file cannot be read, or does not have the right form.
        """
        return cls(_read_token(token_file) if token_file else None, trusting(tls_ca) if tls_ca else None)


OPEN = Credentials()


def trusting(file: Path) -> ssl.SSLContext:
    """Return a context that trusts the certificates in a PEM file, for any host name.

    The kit connects to servers at addresses that their certificates rarely name.

    Raises:
        ValueError: the file cannot be read, or has no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    try:
        read_octets(file, MOST_CERTIFICATES_OCTETS)
        context.load_verify_locations(file)
    except ssl.SSLError:
        raise ValueError(f"{file} has no certificate in PEM format") from None
    except OSError as error:
        raise ValueError(f"cannot read {file}: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"cannot read {file}: {error}") from None
    return context


def _read_token(file: Path) -> str:
    try:
        lines = read_text(file, MOST_TOKEN_OCTETS).splitlines()
    except OSError as error:
        raise ValueError(f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{file} is not UTF-8 text") from None
    except ValueError as error:
        raise ValueError(f"cannot read {file}: {error}") from None
    if len(lines) != 1:
        raise ValueError(f"{file} must have one line, the token, but has {len(lines)}")
    return lines[0]
