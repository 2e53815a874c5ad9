"""Addresses of servers that the kit starts."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from conformance.transport import address
from conformance.transport.address import SERVER_PORTS, TcpAddress


def test_free_ports_lie_below_those_of_outgoing_connections(tmp_path: Path) -> None:
    """A port of the system's own choice may be the local port of a connection before the server listens."""
    local_ports = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first_local = int(local_ports.read_text().split()[0]) if local_ports.exists() else 32768
    ports = {TcpAddress.free(tmp_path).port for _ in range(20)}
    assert len(ports) > 10
    assert all(port in SERVER_PORTS and port < first_local for port in ports)


def test_no_port_is_given_again_soon_or_to_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ports = [TcpAddress.free(tmp_path).port for _ in range(50)]
    assert len(set(ports)) == len(ports)
    another = os.getpid() + 1
    monkeypatch.setattr("os.getpid", lambda: another)
    assert not set(ports) & {TcpAddress.free(tmp_path).port for _ in range(50)}


def test_a_taken_port_is_not_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(address, "SERVER_PORTS", range(port, port + 1))
        monkeypatch.setattr(address, "PORT_ATTEMPTS", 1)
        with pytest.raises(OSError, match=rf"\d ports from {port} to {port} are taken") as failure:
            TcpAddress.free(tmp_path)
    assert failure.value.errno == errno.EADDRINUSE
