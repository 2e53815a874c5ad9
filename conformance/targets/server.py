"""A server under test: reached at an address, or started by the kit; and its known properties."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from conformance.core.settings import Settings
from conformance.core.trace import Trace
from conformance.core.verdicts import TargetError, Violation
from conformance.peers.client import ClientPeer
from conformance.protocol.responder import RESPONDER_APP
from conformance.targets.base import Target
from conformance.targets.config import TargetConfig
from conformance.targets.process import ServerProcess
from conformance.targets.responder_probe import find_responder
from conformance.transport.address import Address, TcpAddress, parse_address
from conformance.transport.credentials import Credentials

REAPING_SECONDS = 0.5
"""A dying process closes its connections first; the kit may learn of its end this much later."""


@dataclass(frozen=True)
class Loss:
    """Why the kit replaced a server: it had ended, or it stopped serving."""

    has_ended: bool
    text: str


class BadGreeting(Violation):
    """The server did not answer a connect message with a valid acknowledgement."""


class ServerTarget(Target):
    """The server under test during a run.

    Use as a context manager: entering starts or reaches the server, leaving ends a server that the kit started.
    """

    PROBE_PATIENCE_SECONDS = 1.0

    def __init__(self, options: TargetConfig, settings: Settings | None = None, *, nonce: str = "") -> None:
        super().__init__(options, settings, nonce=nonce)
        self.address: Address = parse_address(options.server) if options.server else TcpAddress("", 0)
        self.acknowledgement: dict[str, Any] = {}
        self.credentials = Credentials.from_files(options.token_file, options.tls_ca)

    def __enter__(self) -> Self:
        self.start()
        try:
            self._explore()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def profiles(self) -> tuple[str, ...]:
        """The profiles that the server announces or the options name."""
        announced = self.acknowledgement.get("profiles", ())
        return tuple(dict.fromkeys((*announced, *self.options.profiles)))

    def start(self) -> None:
        """Start the server, if the target has a command.

        Raises:
            TargetError: it did not start.
        """
        if self.options.command:
            self.process = self.spawn()
            self.address = self.process.address

    def spawn(self, state: Path | None = None) -> ServerProcess:
        """Start one more server process of the same command, for a case that ends it; the caller stops it.

        Args:
            state: the path for the command's ``{state}``; by default a temporary one.

        Raises:
            TargetError: it did not start.
        """
        assert self.options.command, "only a target with a command can be spawned"  # noqa: S101
        return ServerProcess(
            self.options.command,
            folder=self.options.folder,
            environment=self.options.environment,
            start_seconds=self.options.start_seconds * self.time_scale,
            state=state,
        )

    def stop(self) -> None:
        """End the server if the kit started it; safe to call again."""
        if self.process:
            self.process.stop()
            self.process = None

    def restart(self) -> None:
        """Replace a server that the kit started by a fresh one."""
        self.stop()
        self.start()

    def recover(self, *, is_suspect: bool = True) -> Loss | None:
        """Replace a server that the kit started if it has ended or stopped serving.

        Args:
            is_suspect: whether to test that it still serves.

        Returns:
            why it was replaced; None if it serves, or if the kit did not start it.

        Raises:
            TargetError: it does not start again.
        """
        if self.process is None:
            return None
        is_gone = is_suspect and not self.is_serving()
        if is_gone:
            self.process.wait(REAPING_SECONDS)
        if not self.process.is_alive:
            loss = Loss(has_ended=True, text=self.process.obituary())
        elif is_gone:
            said = self.process.tail()
            loss = Loss(False, f"Afterwards the server served nobody and was restarted; its last output:\n{said}")
        else:
            return None
        self.restart()
        return loss

    def is_serving(self) -> bool:
        """Return true if the server answers a connect message, correctly or not."""
        try:
            self.probe().discard()
        except BadGreeting:
            return True
        except (TargetError, Violation):
            return False
        return True

    def probe(self) -> ClientPeer:
        """Return a new connection, outside any case, after its handshake.

        Raises:
            TargetError: the server does not accept connections.
            BadGreeting: the server answered the connect message, but not with a valid acknowledgement.
            Violation: the server did not answer.
        """
        label = self.fresh("probe")
        probe = ClientPeer(
            label, self.address, Trace(), self.PROBE_PATIENCE_SECONDS * self.time_scale, credentials=self.credentials
        )
        probe.app_id, probe.connection_id = RESPONDER_APP, label
        try:
            probe.handshake()
        except Violation as violation:
            answered = probe.has_answered
            probe.discard()
            if answered:
                raise BadGreeting(violation.message, received=violation.received) from None
            raise
        return probe

    def _explore(self) -> None:
        """Find out what the server announces and which responder channels it has; restart it if it hangs after that.

        Raises:
            TargetError: no server answers a connect message.
        """
        try:
            probe = self.probe()
        except BadGreeting:
            return  # the cases about the handshake will report it
        except Violation as violation:
            raise TargetError(
                f"{self.options.title}: a program listens on {self.address}, but it did not "
                f"answer a connect message of the IPC Framework protocol: {violation} {violation.received}".rstrip()
            ) from None
        self.acknowledgement = probe.acknowledgement["payload"] if probe.acknowledgement else {}
        probe.discard()
        try:
            self.responder = find_responder(self.probe, self.PROBE_PATIENCE_SECONDS * self.time_scale)
        except Violation as violation:
            cause = self.process.obituary() if self.process and not self.process.is_alive else violation
            raise TargetError(
                f"{self.options.title}: the search for the responder's handlers failed: {cause}"
            ) from None
        if self.process and not self.is_serving():
            self.restart()  # find_responder called the handler that never finishes, and it blocks the whole server
