"""A server under test: reached at an address, or started by the kit; and its known properties."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

from conformance.core.settings import Settings
from conformance.core.trace import Trace
from conformance.core.verdicts import TargetError, Violation
from conformance.peers.client import ClientPeer
from conformance.peers.expectations import Expectations, between
from conformance.protocol import schemas
from conformance.protocol.codec import Message
from conformance.protocol.responder import RESPONDER_APP
from conformance.results.survey import Survey
from conformance.targets.base import Target
from conformance.targets.config import START_SECONDS, TargetConfig
from conformance.targets.process import ServerProcess, on_a_free_port
from conformance.targets.responder_probe import find_responder
from conformance.transport.address import Address, TcpAddress, parse_address
from conformance.transport.credentials import Credentials
from conformance.transport.dial import speaks_tls

LEAST_PATIENCE, PATIENT_ANSWERS, MOST_PATIENCE = 1.5, 20, 10.0
"""A case waits for as long as this many quick answers or slow acknowledgements take, in these bounds of seconds."""
SERVING_AGAIN_SECONDS, DOUBTED_SECONDS, SERVING_LOOK_SECONDS = 10.0, 3.0, 0.25
"""How long a server may serve nobody that the kit cannot restart, or that never stopped serving; how often it looks."""
REAPING_SECONDS = 0.5
"""A dying process closes its connections first; the kit may learn of its end this much later."""


@dataclass(frozen=True)
class Loss:
    """Why a server has to be replaced: it has ended, or it serves nobody any more."""

    has_ended: bool
    text: str
    is_final: bool = False
    """Whether it could not be replaced, because the kit did not start it."""


class BadGreeting(Violation):
    """The server did not answer a connect message with a valid acknowledgement.

    Args:
        violation: what is wrong with the answer.
        answer: the answer, if it is a message.
    """

    def __init__(self, violation: Violation, answer: Message | None) -> None:
        super().__init__(violation.message, received=violation.received)
        self.answer = answer

    @property
    def wants_token(self) -> bool:
        """True if the answer is the error of a server that requires a token (SEC-002)."""
        return not schemas.problem("error-message", self.answer) and (
            (self.answer or {})["payload"]["error"]["code"] == "unauthorized"
        )


class ServerTarget(Target):
    """The server under test during a run.

    Use as a context manager: entering starts or reaches the server, leaving ends a server that the kit started.

    Args:
        options: how to start or reach it.
        settings: those of the run.
        nonce: makes the names of this target's cases unique.
        handlers: the handlers of the responder that it has, if they are known; otherwise it is asked.
    """

    PROBE_PATIENCE_SECONDS = 1.0
    PROCESS: ClassVar[type[ServerProcess]] = ServerProcess
    """How the target starts its servers."""

    def __init__(
        self,
        options: TargetConfig,
        settings: Settings | None = None,
        *,
        nonce: str = "",
        handlers: frozenset[str] | None = None,
    ) -> None:
        super().__init__(options, settings, nonce=nonce)
        self._known_handlers = handlers
        self.address: Address = parse_address(options.server) if options.server else TcpAddress("", 0)
        self.acknowledgement: dict[str, Any] = {}
        self.expectations = Expectations()
        self._is_surveyed = False
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
    def patience(self) -> float:
        """Seconds to wait for any action of the server: by how long it takes to answer, if that is known."""
        if not self._is_surveyed:
            return super().patience
        return between(LEAST_PATIENCE, PATIENT_ANSWERS * self.survey.slowest_seconds, MOST_PATIENCE) * self.time_scale

    @property
    def survey(self) -> Survey:
        """What the server can do, as far as it is known."""
        return self.expectations.survey

    def adopt(self, survey: Survey, *, is_patient: bool = False) -> None:
        """Test the server according to what it can do.

        Args:
            survey: what it can do.
            is_patient: whether to wait as long as usual even for what it was seen not to do.
        """
        self.expectations = Expectations.of(survey, self.time_scale, is_patient=is_patient)
        self._is_surveyed = True

    @property
    def stated_protocol(self) -> str:
        """The version that the acknowledgement states (HSK-007)."""
        return str(self.acknowledgement.get("protocol", ""))

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
        start = partial(
            self.PROCESS,
            self.options.command,
            folder=self.options.folder,
            environment=self.options.environment,
            start_seconds=(self.options.start_seconds or START_SECONDS) * max(1.0, self.time_scale),
            state=state,
        )
        return on_a_free_port(start)

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
            why it was replaced, or why it has to be if the kit did not start it; None if it serves.

        Raises:
            TargetError: it does not start again.
        """
        if self.process is None:
            if not is_suspect or self._serves_within(SERVING_AGAIN_SECONDS * self.time_scale):
                return None
            return Loss(has_ended=False, text=f"Afterwards {self.address} served nobody.", is_final=True)
        is_gone = is_suspect and not self.is_serving()
        if is_gone:
            self.process.wait(REAPING_SECONDS)
        if is_gone and self.process.is_alive:  # the machine may be busy
            is_gone = not self._serves_within(DOUBTED_SECONDS * self.time_scale)
        if not self.process.is_alive:
            loss = Loss(has_ended=True, text=self.process.obituary())
        elif is_gone:
            said = self.process.tail()
            loss = Loss(False, f"Afterwards the server served nobody and was restarted; its last output:\n{said}")
        else:
            return None
        self.restart()
        return loss

    def _serves_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not self.is_serving():
            if time.monotonic() > deadline:
                return False
            time.sleep(SERVING_LOOK_SECONDS)
        return True

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
        """Return a new connection, outside any case, after its handshake, for which the server has as long as in cases.

        Raises:
            TargetError: the server does not accept connections.
            BadGreeting: the server answered the connect message, but not with a valid acknowledgement.
            Violation: the server did not answer.
        """
        label = self.fresh("probe")
        patience = max(self.PROBE_PATIENCE_SECONDS * self.time_scale, self.patience if self._is_surveyed else 0.0)
        probe = ClientPeer(
            label, self.address, Trace(), patience, credentials=self.credentials, expectations=self.expectations
        )
        probe.app_id, probe.connection_id = RESPONDER_APP, label
        try:
            probe.handshake()
        except Violation as violation:
            answered = probe.has_answered
            probe.discard()
            if answered:
                raise BadGreeting(violation, probe.greeting) from None
            raise
        return probe

    def _explore(self) -> None:
        """Find out what the server announces, and its handlers if they are not known; restart it if it hangs then.

        Raises:
            TargetError: no server answers a connect message, or the server requires a token or TLS that was not given.
        """
        try:
            probe = self.probe()
        except BadGreeting as greeting:
            if self.credentials.token is None and greeting.wants_token:
                raise TargetError(
                    f"{self.options.title}: the server requires a token: it refused a connect message without one with "
                    "the error unauthorized; pass the token with --token-file FILE"
                ) from None
            return  # the cases about the handshake will report it
        except Violation as violation:
            if self.credentials.tls is None and speaks_tls(self.address, self.PROBE_PATIENCE_SECONDS * self.time_scale):
                raise TargetError(
                    f"{self.options.title}: the server at {self.address} requires TLS; pass the certificates to trust "
                    "with --tls-ca FILE"
                ) from None
            raise TargetError(
                f"{self.options.title}: a program listens on {self.address}, but it did not "
                f"answer a connect message of the IPC Framework protocol: {violation} {violation.received}".rstrip()
            ) from None
        self.acknowledgement = probe.acknowledgement["payload"] if probe.acknowledgement else {}
        probe.discard()
        if self._known_handlers is not None:
            self.responder = self._known_handlers
            return
        try:
            self.responder = find_responder(self.probe, self.PROBE_PATIENCE_SECONDS * self.time_scale)
        except Violation as violation:
            cause = self.process.obituary() if self.process and not self.process.is_alive else violation
            raise TargetError(
                f"{self.options.title}: the search for the responder's handlers failed: {cause}"
            ) from None
        if self.process and not self.is_serving():
            self.restart()  # find_responder called the handler that never finishes, and it blocks the whole server
