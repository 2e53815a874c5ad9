"""What is unsafe about how a server was started; the command line logs it, and serves all the same."""

from __future__ import annotations

import ipaddress
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path


def unsafe_files(secrets: dict[str, Path | None]) -> Iterator[str]:
    """Yield a sentence for each secret file that other users can read, where the system has users.

    Args:
        secrets: What the files hold, and the files; None where there is none.
    """
    for what, file in secrets.items():
        if file is not None and os.name == "posix" and file.stat().st_mode & stat.S_IROTH:
            yield f"other users can read the {what} file {file}; run: chmod 600 {file}"


def unsafe_transport(host: str, *, has_token: bool, has_tls: bool) -> Iterator[str]:
    """Yield a sentence if clients on other machines can connect, and what protects them is missing.

    Args:
        host: The name or address that the server listens on.
        has_token: Whether clients need a token.
        has_tls: Whether they need TLS.
    """
    if is_loopback(host):
        return
    if not has_token:
        yield f"everybody who reaches {host} can connect; add --token-file, or listen on localhost"
    elif not has_tls:
        yield f"tokens and messages to {host} can be read on their way; add --tls-cert and --tls-key"


def unsafe_user() -> Iterator[str]:
    """Yield a sentence if the process has all rights, as root on POSIX."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        yield "running as root, which no part of the server needs; use a user without privileges"


def is_loopback(host: str) -> bool:
    """Return true if only this machine reaches a host's addresses, or if it has none."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        return True
    return all(ipaddress.ip_address(address[0]).is_loopback for *_, address in found)
