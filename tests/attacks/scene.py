"""A server, a client that others attack the server beside, and attackers."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import frames
from attack import Finding
from bystander import Bystander
from victim import Victim, wait_until

SECONDS = 2.0
"""How long a flood lasts."""
PATIENCE_SECONDS = 10.0
"""How long an attacker waits for the server."""
SETTLING_SECONDS = 6.0
"""How long a server may take to forget connections that have ended."""


class Scene:
    """One attack's server, attackers and measurements.

    Args:
        victim: the server.
        finding: is filled with what is measured.
    """

    def __init__(self, victim: Victim, finding: Finding) -> None:
        self.victim = victim
        self.finding = finding
        self._links = ExitStack()
        self._open = list[socket.socket]()

    def link(self) -> socket.socket:
        """Return a new connection of an attacker.

        Raises:
            OSError: the server's system does not take it.
        """
        address = ("127.0.0.1", self.victim.port)
        self._open.append(self._links.enter_context(socket.create_connection(address, PATIENCE_SECONDS)))
        return self._open[-1]

    def links(self, number: int) -> list[socket.socket]:
        """Return new connections, as many as the server's system takes, and `number` at most."""
        found = list[socket.socket]()
        with contextlib.suppress(OSError):
            while len(found) < number:
                found.append(self.link())
        return found

    def client(self, name: str) -> socket.socket:
        """Return a new connection of an attacker after its handshake."""
        link = self.link()
        link.sendall(frames.connect(name))
        link.recv(65536)
        return link

    def ask(self, link: socket.socket, request: bytes, wanted: bytes) -> None:
        """Send a request; an answer without the wanted octets is a fault: the attack would not be what it seems."""
        link.sendall(request)
        answer = b""
        while len(answer) < 4 or len(answer) < 4 + int.from_bytes(answer[:4], "big"):
            octets = link.recv(1 << 20)
            if not octets:
                break
            answer += octets
        if wanted not in answer:
            self.finding.faults.append(f"the answer has no {wanted!r} but begins with {answer[:300]!r}")

    def leave(self) -> None:
        """Reset every connection of the attackers; after an orderly end, a server would owe answers (LIM-011)."""
        for link in self._open:
            if link.fileno() >= 0:
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._links.close()
        self._open.clear()

    def flood(self, links: list[socket.socket], octets: bytes, seconds: float = SECONDS) -> int:
        """Send octets over and over on every connection, and read all answers; return how often they were sent."""
        deadline = time.monotonic() + seconds
        counts = list[int]()

        def send(link: socket.socket) -> None:
            count = 0
            with contextlib.suppress(OSError):
                while time.monotonic() < deadline:
                    link.sendall(octets)
                    count += 1
            counts.append(count)

        senders = [threading.Thread(target=send, args=(link,)) for link in links]
        readers = [threading.Thread(target=_drain, args=(link,), daemon=True) for link in links]
        for thread in (*readers, *senders):
            thread.start()
        for thread in senders:
            thread.join()
        return sum(counts)


@contextlib.contextmanager
def scene(
    *options: str,
    with_bystander: bool = True,
    token: str | None = None,
    descriptors: int | None = None,
    reads_log: bool = True,
) -> Iterator[Scene]:
    """Start a server and, beside it, a client that pings; measure both until the attackers have left."""
    finding = Finding()
    with Victim(*options, descriptors=descriptors, reads_log=reads_log) as victim:
        acting = Scene(victim, finding)
        beside = Bystander(victim.port, token=token) if with_bystander else None
        began, logged = time.monotonic(), len(victim.log)
        with beside or contextlib.nullcontext():
            yield acting
            seconds = time.monotonic() - began
            finding.log = (len(victim.log) - logged) / max(seconds, 1)
            acting.leave()
        if beside:
            finding.pings = beside.milliseconds
        wait_until(lambda: victim.kept < 4, SETTLING_SECONDS)
        if victim.is_alive:
            finding.peak, finding.kept = victim.peak, victim.kept
        else:
            finding.faults.append("the server ended")


def at_once(number: int, act: Callable[[int], object]) -> None:
    """Call a function in as many threads with their numbers, and wait for them."""
    threads = [threading.Thread(target=act, args=(each,)) for each in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _drain(link: socket.socket) -> None:
    with contextlib.suppress(OSError):
        link.settimeout(None)
        while link.recv(1 << 20):
            pass
