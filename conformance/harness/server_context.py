"""The context of a server case: its connections, names and trace."""

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
"""More than a garbage collector may keep, and less than the connections of a case send."""


class ServerContext(CaseContext):
    """The argument of a server's case function.

    Args:
        target: the server under test.
        seed: seed of :attr:`random`, so that cases with randomness can be repeated.
    """

    def __init__(self, target: ServerTarget, *, seed: int) -> None:
        super().__init__(target, seed=seed)
        self.target = target
        self._connections: list[ClientPeer] = []

    def open(
        self, *, app: str = RESPONDER_APP, connection_id: str | None = None, credentials: Credentials | None = None
    ) -> ClientPeer:
        """Open a connection without the protocol's handshake.

        Args:
            app: its application.
            connection_id: its name.
            credentials: its token and TLS settings; those of the target by default.

        Raises:
            Violation: the server no longer accepts connections.
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
            Violation: the server does not accept it, or sends a wrong answer.
        """
        connection = self.open(app=app, connection_id=connection_id)
        connection.handshake()
        return connection

    def usage(self) -> ResourceUsage:
        """Return the current resource usage of the server's process.

        Raises:
            Unsupported: the kit did not start the process, or the system does not report it.
        """
        found = ResourceUsage.of(self.target.process.pids()) if self.target.process else None
        if found is None:
            raise Unsupported("what a process uses can be watched on Linux only, and of a server that the kit starts")
        return found

    def check_leftovers(self, before: ResourceUsage) -> None:
        """Show that ended connections hold no resources any more (LIM-017).

        Args:
            before: the usage of the server with the same number of connections.

        Raises:
            Violation: the server permanently uses more descriptors, or clearly more memory.
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
        """Begin one of many attempts: with a new trace, and connections that end with the attempt."""
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
        """Give this context its own server process, for a case that ends it.

        Args:
            state: the path of the server's state, from :meth:`own_state`.

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
        """Provide the path of a state file for several servers of the case, one after another.

        Raises:
            Unsupported: the server's command has no placeholder for such a path.
        """
        if STATE not in (self.target.options.command or ""):
            raise Unsupported(f"needs a server command with {STATE}, the file that keeps what has to survive")
        with tempfile.TemporaryDirectory(prefix="ipc-conformance-") as folder:
            yield Path(folder) / "state"

    def close(self) -> None:
        """Close all connections of the context."""
        super().close()
        for connection in self._connections:
            connection.discard()
