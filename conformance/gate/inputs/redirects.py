"""Redirects of a download: they neither leave https nor reach private addresses unless the user named one."""

from __future__ import annotations

import ipaddress
import socket
import urllib.parse
import urllib.request
from http.client import HTTPMessage
from typing import IO

from conformance.gate.model.release import ReleaseError


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows the redirects of one download.

    Args:
        address: the address that the user named.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    def redirect_request(  # noqa: PLR0917 - urllib's signature
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        """Return the request that follows a redirect.

        Raises:
            ReleaseError: the redirect is refused.
        """
        why = refusal(self._address, newurl)
        if why:
            fp.close()
            raise ReleaseError(f"{self._address}: redirected to {newurl}, {why}; name that address if you trust it")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def refusal(named: str, target: str) -> str | None:
    """Return why a redirect from the address ``named`` to ``target`` is refused, or None."""
    old, new = urllib.parse.urlsplit(named), urllib.parse.urlsplit(target)
    if new.scheme not in ("https", old.scheme):
        return f"which is not {old.scheme}"
    if _is_private(new.hostname) and not _is_private(old.hostname):
        return "which is a private address"
    return None


def _is_private(host: str | None) -> bool:
    """Return true if a host has an address that is not public; a name that has none is left to the download."""
    return any(not ipaddress.ip_address(each.partition("%")[0]).is_global for each in _addresses(host))


def _addresses(host: str | None) -> list[str]:
    try:
        return [str(each[4][0]) for each in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        return []
