"""One case's view of the target: its connections, its names, its trace."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conformance.core.verdicts import TargetError, Unsupported, Violation
from conformance.harness.context import CaseContext, letters
from conformance.peers.client import ClientPeer
from conformance.protocol.responder import RESPONDER_APP
from conformance.targets.process import STATE, ServerProcess
from conformance.targets.resource_usage import MEBIBYTE, ResourceUsage
from conformance.targets.server import ServerTarget
from conformance.transport.credentials import Credentials

LOOK_SECONDS = 0.02
GROWTH_BYTES = 16 * MEBIBYTE
"""More than a garbage collector leaves lying about, and less than what the connections of a case sent."""


class ServerContext(CaseContext):
    """What the case function of a server is given.

    Args:
        target: the server under test.
        seed: seeds :attr:`random`, so that a case with chance in it can be repeated.
    """

    def __init__(self, target: ServerTarget, *, seed: int) -> None:
        super().__init__(target, seed=seed)
        self.target = target
        self._connections: list[ClientPeer] = []

    def open(
        self, *, app: str = RESPONDER_APP, connection_id: str | None = None, credentials: Credentials | None = None
    ) -> ClientPeer:
        """Open a connection without a handshake of the protocol.

        Args:
            app: its application.
            connection_id: its name.
            credentials: what it takes to be let in, if not that of the target.

        Raises:
            Violation: the server does not accept connections any more.
        """
        label = letters(len(self._connections))
        try:
            connection = ClientPeer(
                label,
                self.target.address,
                self.trace,
                self.target.patience,
                self._segmenter,
                credentials or self.target.credentials,
            )
        except TargetError as error:
            raise Violation("the server does not accept a connection", received=str(error)) from None
        connection.app_id = app
        connection.connection_id = connection_id or self.name(label)
        self._connections.append(connection)
        return connection

    def connect(self, *, app: str = RESPONDER_APP, connection_id: str | None = None) -> ClientPeer:
        """Open a connection and complete the handshake.

        Raises:
            Violation: the server does not accept it, or answers wrongly.
        """
        connection = self.open(app=app, connection_id=connection_id)
        connection.handshake()
        return connection

    def usage(self) -> ResourceUsage:
        """Return what the server's process uses of its system now.

        Raises:
            Unsupported: the process is not the kit's, or the system does not tell.
        """
        found = ResourceUsage.of(self.target.process.pids()) if self.target.process else None
        if found is None:
            raise Unsupported("what a process uses can be watched on Linux only, and of a server that the kit starts")
        return found

    def check_leftovers(self, before: ResourceUsage) -> None:
        """Show that connections which have ended hold nothing any more (LIM-017).

        Args:
            before: what the server used while it had as many connections as now.

        Raises:
            Violation: it uses more descriptors, or clearly more memory, and keeps doing so.
        """
        deadline = time.monotonic() + self.target.patience
        while (now := self.usage()).descriptors > before.descriptors and time.monotonic() < deadline:
            self.wait(LOOK_SECONDS)
        if now.descriptors > before.descriptors:
            raise Violation(
                "connections that have ended still hold descriptors",
                expected=f"{before.descriptors} open, as before",
                received=f"{now.descriptors}",
            )
        if now.resident - before.resident > GROWTH_BYTES:
            raise Violation(
                "connections that have ended still hold memory",
                expected=f"at most {GROWTH_BYTES} octets more than before",
                received=f"{now.resident - before.resident} octets more",
            )

    def check_alive(self) -> None:
        """Show that the server still serves a new connection (ISO-006).

        Raises:
            Violation: it does not.
        """
        self.trace.event("*", "is the server still serving?")
        self.connect().expect_silence()

    @contextmanager
    def example(self) -> Iterator[None]:
        """Make one of many tries: the trace begins anew, and connections that are opened meanwhile end with it."""
        self.trace.restart()
        before = len(self._connections)
        try:
            yield
        finally:
            for connection in self._connections[before:]:
                connection.discard()
            del self._connections[before:]

    @contextmanager
    def own_server(self, state: Path | None = None) -> Iterator[ServerProcess]:
        """Point this context at a server process of its own, for a case that ends it.

        Args:
            state: what the server keeps its state in, from :meth:`own_state`.

        Raises:
            Unsupported: the kit was given an address, not a command.
        """
        if not self.target.options.command:
            raise Unsupported("needs a server that the kit starts itself (--server-cmd)")
        process = self.target.spawn(state)
        shared, self.target.address = self.target.address, process.address
        try:
            yield process
        finally:
            self.close()
            self.target.address = shared
            process.stop()

    @contextmanager
    def own_state(self) -> Iterator[Path]:
        """Provide the path of a file for several servers of the case, one after the other.

        Raises:
            Unsupported: the server's command does not say where such a path belongs.
        """
        if STATE not in (self.target.options.command or ""):
            raise Unsupported(f"needs a server command with {STATE}, the file that keeps what has to survive")
        with tempfile.TemporaryDirectory(prefix="ipc-conformance-") as folder:
            yield Path(folder) / "state"

    def close(self) -> None:
        """Close every connection of the context."""
        super().close()
        for connection in self._connections:
            connection.discard()
