"""A token, a certificate and its key, for servers that demand them."""

from __future__ import annotations

from pathlib import Path

import trustme


def write_secrets(folder: Path) -> None:
    """Write ``token``, ``server.pem`` with its ``server.key``, and ``client.pem``, which clients trust."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(folder / "client.pem")
    certificate.private_key_pem.write_to_path(folder / "server.key")
    for number, pem in enumerate(certificate.cert_chain_pems):
        pem.write_to_path(folder / "server.pem", append=number > 0)
    (folder / "token").write_text("an open secret\n", "utf-8")
