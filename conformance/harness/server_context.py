"""The context of a server case: its connections, names and trace."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conformance.core.files import temporary_folder
from conformance.core.verdicts import Late, ServerEnded, TargetError, Unsupported, Violation
from conformance.harness.context import CaseContext, letters
from conformance.peers.client import ClientPeer
from conformance.protocol.responder import RESPONDER_APP
from conformance.results.survey import SEVERAL
from conformance.targets.process import STATE, ServerProcess
from conformance.targets.resource_usage import MEBIBYTE, ResourceUsage
from conformance.targets.server import REAPING_SECONDS, ServerTarget
from conformance.transport.credentials import Credentials

LOOK_SECONDS = 0.02
SPARE_DESCRIPTORS = 8
"""What a runtime may open once and keep, for a thread or a log; fewer than a case has connections."""
RELEASE_SECONDS = 0.5
"""For an allocator, or for handlers that still run, to give memory back."""
BRIEF_SECONDS = 0.1
"""To wait for what once did not come in the same case."""
MOST_OCTETS = 64 * MEBIBYTE
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
        self._unended: set[str] = set()

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
                self.target.expectations,
            )
        except TargetError as error:
            kind = Late if isinstance(error.__cause__, TimeoutError) else Violation
            raise kind("the server does not accept a connection", received=str(error)) from None
        connection.app_id = app
        connection.connection_id = connection_id or self.name(label)
        connection.is_beside = any(not each.is_over for each in self._connections)
        self._connections.append(connection)
        return connection

    def connect(self, *, app: str = RESPONDER_APP, connection_id: str | None = None) -> ClientPeer:
        """Open a connection and complete the handshake.

        Raises:
            Violation: the server does not accept it, or sends a wrong answer.
        """
        connection = self.open(app=app, connection_id=connection_id)
        try:
            connection.handshake()
        except Violation as violation:
            if any(each.acknowledgement and not each.is_over for each in self._connections):
                violation.ability = SEVERAL
            raise
        return connection

    def output(self) -> str:
        """Return the end of the server's own output, if the kit started it."""
        return self.target.process.tail() if self.target.process else ""

    @property
    def has_watched(self) -> bool:
        """True if only a time of silence showed that something did not come."""
        return any(each.has_watched for each in self._connections)

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
            Violation: the server permanently uses clearly more descriptors or memory.
        """
        start, most = time.monotonic(), before.descriptors + SPARE_DESCRIPTORS
        while (now := self.usage()).descriptors > most and time.monotonic() < start + self.target.patience:
            self.wait(LOOK_SECONDS)
        end = time.monotonic() + RELEASE_SECONDS * self.time_scale
        while now.resident - before.resident > GROWTH_BYTES and time.monotonic() < end:
            self.wait(LOOK_SECONDS)
            now = self.usage()
        if now.descriptors > most:
            raise Violation(
                "connections that have ended still hold descriptors",
                expected=f"at most {most} open, with {before.descriptors} before",
                received=f"{now.descriptors}",
            )
        if now.resident - before.resident > GROWTH_BYTES:
            raise Violation(
                "connections that have ended still hold memory",
                expected=f"at most {GROWTH_BYTES} octets more than before",
                received=f"{now.resident - before.resident} octets more",
            )

    def let_end(self, peer: ClientPeer, how: str) -> None:
        """Wait until the server ends a connection, as it must; whether it does is for other cases.

        Args:
            peer: the connection.
            how: why it ends. If the server once did not end a connection for this reason, the wait is short.
        """
        if how in self._unended:
            peer.patience = min(peer.patience, BRIEF_SECONDS * self.time_scale)
        try:
            peer.receive_octets_until_end(MOST_OCTETS)
        except Late:
            self._unended.add(how)
        except Violation:
            pass

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
            ServerEnded: the process ended although the case did not end it.
        """
        if not self.target.options.command:
            raise Unsupported("needs a server that the kit starts itself (--server-cmd)")
        process = self.target.spawn(state)
        shared, self.target.address = self.target.address, process.address
        try:
            yield process
        except Violation:
            lost = any(each.is_over for each in self._connections)
            if process.has_died(REAPING_SECONDS if lost else 0.0):
                raise ServerEnded(process.obituary()) from None
            raise
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
        with temporary_folder() as folder:
            yield Path(folder) / "state"

    def close(self) -> None:
        """Close all connections of the context."""
        super().close()
        for connection in self._connections:
            connection.discard()
