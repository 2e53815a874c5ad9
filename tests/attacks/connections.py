"""Attacks with what a server holds for connections: buffers, slots, descriptors."""

from __future__ import annotations

import contextlib
import socket
import time

import frames
from attack import ARENAS_KEPT, MEMORY_BUDGET, Finding, attack
from scene import PATIENCE_SECONDS, Scene, scene
from victim import MIB, wait_until

BOUNDED = ("--max-frame-bytes", str(4 * MIB), "--max-memory", str(int(MEMORY_BUDGET) * MIB))
"""Options that keep the attacks small; the ratio of both is about that of the defaults."""
OTHER_HOST = "127.0.0.9"


@attack("100 connections after their handshake, each with 3 MiB of a frame of 4 MiB that never ends")
def unfinished_frames() -> Finding:
    with scene(*BOUNDED) as acting:
        part = (4 * MIB).to_bytes(4, "big") + b"x" * (3 * MIB)
        for number in range(100):
            link = acting.client(f"c{number}")
            link.setblocking(False)
            _send_what_is_taken(link, part)
        time.sleep(1)
    return acting.finding


@attack("50 subscribers that read nothing, and 200 published messages of 1 MiB")
def slow_consumers() -> Finding:
    with scene(*BOUNDED) as acting:
        for number in range(50):
            subscriber = acting.client(f"c{number}")
            subscriber.sendall(frames.subscribe(f"c{number}", "news"))
        acting.flood([acting.client("publisher")], frames.message("publish", "news", "x" * MIB), 3)
    return acting.finding


@attack("30 connections that each send 30 requests of 256 KiB in lists of lists to a silent handler", kept=ARENAS_KEPT)
def payloads_in_handlers() -> Finding:
    with scene(*BOUNDED, "--responder") as acting:
        lists: list[object] = [[[], [[], []]]] * (256 * 1024 // 14)
        request = frames.message("request", "conformance.silent", lists)
        for number in range(30):
            link = acting.client(f"c{number}")
            link.setblocking(False)
            for _ in range(30):
                if not _send_what_is_taken(link, request):
                    break
        time.sleep(1)
    return acting.finding


@attack("300 connections, one after the other, each with 1 MiB of an unfinished frame and a request in its handler")
def ended_connections() -> Finding:
    with scene(*BOUNDED, "--responder") as acting:
        part = (2 * MIB).to_bytes(4, "big") + b"x" * MIB
        for number in range(300):
            with contextlib.closing(acting.client(f"c{number}")) as link, contextlib.suppress(OSError):
                link.sendall(frames.message("request", "conformance.silent", None) + part)
    return acting.finding


@attack("1000 connections of one address that say nothing; meanwhile others connect")
def silent_connections() -> Finding:
    with scene(with_bystander=False) as acting:
        acting.links(1000)
        waits = [_seconds_to_connect(acting, OTHER_HOST) for _ in range(3)]
        acting.finding.facts["another address connects in, ms"] = max(waits) * 1000
        if max(waits) > 5:
            acting.finding.faults.append("clients of another address are not served")
    return acting.finding


@attack("1200 connections of one address that complete their handshake and stay; meanwhile others connect")
def crowded_address() -> Finding:
    with scene() as acting:
        for number in range(1200):
            with contextlib.suppress(OSError):
                acting.client(f"c{number}")
        waits = [_seconds_to_connect(acting, OTHER_HOST) for _ in range(3)]
        acting.finding.facts["another address connects in, ms"] = max(waits) * 1000
        if max(waits) > 5:
            acting.finding.faults.append("clients of another address are not served")
    return acting.finding


@attack("300 connections to a server with 128 descriptors, and none of them says anything")
def descriptors_run_out() -> Finding:
    with scene(with_bystander=False, descriptors=128) as acting:
        acting.links(300)
        time.sleep(2)
        lines = acting.victim.log.count(b"\n")
        acting.finding.facts["lines of log"] = lines
        if lines > 50:
            acting.finding.faults.append(f"{lines} lines of log")
        acting.leave()
        if not wait_until(lambda: _seconds_to_connect(acting, OTHER_HOST) < 2, 5):
            acting.finding.faults.append("the server does not accept connections afterwards")
    return acting.finding


def _seconds_to_connect(acting: Scene, host: str) -> float:
    """Return how long the handshake of a client takes, or the longest time that is waited for one."""
    began = time.monotonic()
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", acting.victim.port), PATIENCE_SECONDS, (host, 0)) as link,
    ):
        link.sendall(frames.connect(f"late{began}"))
        if b'"connected"' in link.recv(65536):
            return time.monotonic() - began
    return PATIENCE_SECONDS


def _send_what_is_taken(link: socket.socket, octets: bytes) -> bool:
    """Send octets to a server for at most a fifth of a second; return whether it took all of them."""
    deadline, rest = time.monotonic() + 0.2, memoryview(octets)
    while rest and time.monotonic() < deadline:
        try:
            rest = rest[link.send(rest) :]
        except BlockingIOError:
            time.sleep(0.01)
        except OSError:
            return False
    return not rest
