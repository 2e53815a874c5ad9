"""Warnings about how a server was started."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from reference_server import precautions


@pytest.mark.parametrize(("mode", "warned"), [(0o644, True), (0o604, True), (0o640, False), (0o600, False)])
@pytest.mark.skipif(os.name != "posix", reason="files have no such modes")
def test_secrets_that_others_can_read(tmp_path: Path, mode: int, warned: bool) -> None:
    secret = tmp_path / "token"
    secret.write_text("t")
    secret.chmod(mode)
    expected = [f"other users can read the token file {secret}; run: chmod 600 {secret}"] if warned else []
    assert list(precautions.unsafe_files({"token": secret, "key": None})) == expected


@pytest.mark.parametrize(
    ("host", "has_token", "has_tls", "said"),
    [
        ("localhost", False, False, ""),
        ("127.0.0.2", False, False, ""),
        ("::1", False, False, ""),
        ("0.0.0.0", False, True, "everybody who reaches 0.0.0.0 can connect"),  # noqa: S104
        ("::", True, False, "tokens and messages to :: can be read on their way"),
        ("203.0.113.7", True, True, ""),
        ("no-such-host.invalid", False, False, ""),
    ],
)
def test_transports_without_protection(host: str, has_token: bool, has_tls: bool, said: str) -> None:
    found = list(precautions.unsafe_transport(host, has_token=has_token, has_tls=has_tls))
    assert len(found) == bool(said)
    assert "".join(found).startswith(said)


@pytest.mark.parametrize(("user", "warned"), [(0, True), (1000, False)])
def test_root_is_warned(monkeypatch: pytest.MonkeyPatch, user: int, warned: bool) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user, raising=False)
    assert bool(list(precautions.unsafe_user())) is warned


def test_the_command_logs_its_warnings_behind_the_address(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    token.chmod(0o644)
    command = [sys.executable, "-m", "reference_server", "--port", "0", "--token-file", str(token)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr
        assert "INFO listening on" in server.stderr.readline()
        assert re.search(r"WARNING other users can read the token file .*; run: chmod 600", server.stderr.readline())
        server.terminate()
