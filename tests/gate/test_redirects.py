"""Redirects of a hosted release: which are followed, and which are refused in a line."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from conformance.gate.inputs import redirects
from conformance.gate.inputs.against import resolve
from conformance.gate.inputs.redirects import refusal
from conformance.gate.model.release import ReleaseError

PUBLIC, LOCAL = "93.184.216.34", "127.0.0.1"
NAMES = {"public.example": [PUBLIC], "inner.example": [PUBLIC, "10.1.2.3"], "nowhere.example": []}


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolve names without a network."""
    monkeypatch.setattr(redirects, "_addresses", lambda host: NAMES.get(host, [host]))


@pytest.mark.parametrize(
    ("named", "target", "why"),
    [
        ("https://public.example/a", "https://public.example/b", None),
        ("https://public.example/a", f"https://{PUBLIC}:8443/b", None),
        ("http://public.example/a", "https://public.example/a", None),
        ("https://public.example/a", "http://public.example/a", "which is not https"),
        ("https://public.example/a", "ftp://public.example/a", "which is not https"),
        ("http://public.example/a", "file:///etc/passwd", "which is not http"),
        ("https://public.example/a", f"https://{LOCAL}/a", "which is a private address"),
        ("https://public.example/a", "https://[::1]/a", "which is a private address"),
        ("https://public.example/a", "https://[::ffff:10.0.0.1]/a", "which is a private address"),
        ("https://public.example/a", "https://169.254.169.254/a", "which is a private address"),
        ("http://public.example/a", "http://inner.example/a", "which is a private address"),
        (f"http://{LOCAL}/a", "http://inner.example/a", None),
        ("https://public.example/a", "https://nowhere.example/a", None),
    ],
)
def test_redirect_stays_safe(named: str, target: str, why: str | None) -> None:
    assert refusal(named, target) == why


@contextmanager
def redirecting_to(target: str) -> Iterator[str]:
    class Redirecting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", target)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer((LOCAL, 0), Redirecting) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://{LOCAL}:{server.server_port}/1.0.json"
        server.shutdown()


def test_refused_redirect_is_a_line(tmp_path: Any) -> None:
    with redirecting_to("ftp://public.example/1.0.json") as address, pytest.raises(ReleaseError) as caught:
        resolve(address, tmp_path)
    assert str(caught.value).startswith(f"{address}: redirected to ftp://public.example/1.0.json, which is not http;")
