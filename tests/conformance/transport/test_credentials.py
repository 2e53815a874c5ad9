"""Servers that demand a token and TLS: how the kit is told, and what it says when that is wrong."""

from __future__ import annotations

import json
import re
from contextlib import nullcontext
from pathlib import Path

import pytest
import trustme
from kit_commands import REFERENCE, run_kit
from kit_scripted import Link, error, serving

from conformance.core.verdicts import TargetError
from conformance.targets.config import TargetConfig
from conformance.targets.server import ServerTarget
from conformance.transport.credentials import Credentials
from conformance.transport.dial import speaks_tls

TOKEN = "öpen sesame"  # noqa: S105 - of servers that live for a second


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("secrets")
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(place / "ca.pem")
    trustme.CA().cert_pem.write_to_path(place / "stranger.pem")
    issued.private_key_pem.write_to_path(place / "key.pem")
    issued.cert_chain_pems[0].write_to_path(place / "cert.pem")
    (place / "token").write_text(f"{TOKEN}\n", "utf-8")
    (place / "wrong").write_text("open barley\n", "utf-8")
    return place


def command(folder: Path) -> str:
    return f"{REFERENCE} --tls-cert {folder}/cert.pem --tls-key {folder}/key.pem --token-file {folder}/token"


def test_options_let_the_kit_in(folder: Path) -> None:
    access = ("--token-file", str(folder / "token"), "--tls-ca", str(folder / "ca.pem"))
    done = run_kit("run", "--server-cmd", command(folder), *access, "--case", "security/r*", "--case", "system/ping")
    assert done.returncode == 0, done.stdout + done.stderr
    assert TOKEN not in done.stdout + done.stderr


def test_target_file_lets_the_kit_in(folder: Path) -> None:
    file = folder / "target.toml"
    file.write_text(f'command = "{command(folder)}"\ntoken_file = "token"\ntls_ca = "ca.pem"\n', "utf-8")
    done = run_kit("run", "--target", str(file), "--case", "security/r*", "--format", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {result["verdict"] for result in json.loads(done.stdout)["results"]} == {"pass"}


def test_reproduce_says_how_to_get_in(folder: Path) -> None:
    options = TargetConfig("h:1", token_file=folder / "token", tls_ca=folder / "ca.pem")
    assert options.reproduce == f"--server h:1 --token-file {folder}/token --tls-ca {folder}/ca.pem"


@pytest.mark.parametrize(
    ("access", "reason"),
    [
        (("--token-file", "token", "--tls-ca", "stranger.pem"), "the handshake of TLS .* failed: .*certificate verify"),
        (("--token-file", "token"), r"requires TLS; pass the certificates to trust with --tls-ca FILE"),
        (("--tls-ca", "ca.pem"), r"requires a token.*; pass the token with --token-file FILE"),
    ],
)
def test_run_that_is_not_let_in_says_so(folder: Path, access: tuple[str, ...], reason: str) -> None:
    options = [word if word.startswith("--") else str(folder / word) for word in access]
    done = run_kit("run", "--server-cmd", command(folder), *options, "--case", "system/ping")
    assert done.returncode == 3, done.stdout + done.stderr
    assert re.search(reason, done.stdout + done.stderr)


TALKS_PLAIN = {
    "says nothing": lambda _: None,
    "says something else": lambda link: link.octets(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "refuses a frame that is too large": lambda link: link.send(error({"app_id": "system", "channel_id": "system",
        "message_id": "x"}, "frame_too_large", reply_to=None)),
    "resets": Link.reset,
}  # fmt: skip


@pytest.mark.parametrize("name", TALKS_PLAIN)
def test_server_without_tls_is_not_taken_for_one_with_tls(name: str) -> None:
    with serving(TALKS_PLAIN[name]) as address:
        assert not speaks_tls(address, 1.0)
    assert not speaks_tls(address, 1.0)


def test_server_that_refuses_this_tls_is_taken_for_one_with_tls() -> None:
    with serving(lambda link: link.octets(b"\x15\x03\x03\x00\x02\x02\x28")) as address:  # fatal, handshake_failure
        assert speaks_tls(address, 1.0)


@pytest.mark.parametrize(("code", "is_stopped"), [("unauthorized", True), ("unsupported_protocol", False)])
def test_only_the_error_of_the_specification_is_the_wish_for_a_token(code: str, is_stopped: bool) -> None:
    def refuse(link: Link) -> None:
        link.send(error(link.receive(), code, app_id="system", channel_id="system"))

    with serving(refuse) as address:
        target = ServerTarget(TargetConfig(server=str(address)))
        with pytest.raises(TargetError, match="--token-file") if is_stopped else nullcontext():
            target.__enter__()


def test_wrong_token_fails_every_case(folder: Path) -> None:
    options = TargetConfig(command=command(folder), token_file=folder / "wrong", tls_ca=folder / "ca.pem")
    with ServerTarget(options) as target:
        assert target.acknowledgement == {}


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("token_file", b"", "must have one line, the token, but has 0"),
        ("token_file", b"a\nb\n", "must have one line, the token, but has 2"),
        ("token_file", b"\xff", "is not UTF-8 text"),
        ("token_file", None, "cannot read .*: No such file"),
        ("tls_ca", b"no certificate", "has no certificate in PEM format"),
        ("tls_ca", None, "cannot read .*: No such file"),
    ],
)
def test_file_that_cannot_be_used_is_refused(tmp_path: Path, file: str, content: bytes | None, reason: str) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        TargetConfig("h:1", **{file: path})  # type: ignore[arg-type]
    done = run_kit("run", "--server", "h:1", f"--{file.replace('_', '-')}", str(path))
    assert done.returncode == 2
    assert str(path) in done.stderr


def test_client_under_test_has_no_token(folder: Path) -> None:
    with pytest.raises(ValueError, match="for servers under test"):
        TargetConfig(client="driver", token_file=folder / "token")


def test_token_is_not_in_what_is_printed_of_an_access(folder: Path) -> None:
    assert TOKEN not in repr(Credentials.from_files(folder / "token", None))


def test_server_without_tls_is_named_when_tls_is_wanted(folder: Path) -> None:
    with (
        pytest.raises(TargetError, match="TLS"),
        ServerTarget(TargetConfig(command=REFERENCE, tls_ca=folder / "ca.pem")),
    ):
        pass
