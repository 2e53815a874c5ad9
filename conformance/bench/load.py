"""The loads: each defines its connections, and when it sends the next frame."""

from __future__ import annotations

import itertools
import random
import selectors
import time
from abc import ABC, abstractmethod
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Self

from conformance.bench.connection import PATIENCE_SECONDS, TEXT, LoadConnection
from conformance.core.verdicts import TargetError, Violation
from conformance.peers.base import READ_BYTES
from conformance.transport.address import Address

WARM_UP_SHARE = 0.2
"""Length of the warm-up, as a share of the measurement."""
MAX_FRAMES = 5_000_000
"""A measurement ends early after this many frames."""

_measurements = itertools.count(1)
_run = f"{random.getrandbits(32):08x}"


@dataclass(frozen=True)
class Measurement:
    """The result of one measurement.

    Attributes:
        rate: whole frames received per second.
        generator_cpu: processor time of this process divided by elapsed time; near 1, the generator was the bottleneck.
    """

    rate: float
    generator_cpu: float


class Load(ABC):
    """Connections under load; the context manager closes them.

    Args:
        address: where the server listens.
        names: a label for each connection.
    """

    def __init__(self, address: Address, names: list[str]) -> None:
        self.nonce = f"{_run}-{next(_measurements):04d}"
        self._received = 0
        self._draining = False
        self._inbox = bytearray(READ_BYTES)
        with ExitStack() as stack:
            self._selector = stack.enter_context(closing(selectors.DefaultSelector()))
            self.connections = [
                stack.enter_context(closing(LoadConnection(f"{self.nonce}-{name}", address))) for name in names
            ]
            self._resources = stack.pop_all()
        for connection in self.connections:
            self._selector.register(connection, selectors.EVENT_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    def measure(self, seconds: float) -> Measurement:
        """Prepare, warm up, and count the frames that arrive in ``seconds``.

        Raises:
            TargetError: the server stopped answering, ended a connection, or sent a wrong number of frames.
            Violation: an exchange before or after the load went wrong.
        """
        self.prepare()
        self.check()
        self.begin()
        self._run(seconds * WARM_UP_SHARE)
        measured = self._run(seconds)
        self._drain()
        self.check()
        return measured

    @property
    @abstractmethod
    def expected(self) -> int:
        """The total number of frames that the server must send for the frames so far."""

    @abstractmethod
    def prepare(self) -> None:
        """Complete the handshakes and all other steps before the load."""

    @abstractmethod
    def check(self) -> None:
        """Check one exchange on every connection in full."""

    @abstractmethod
    def begin(self) -> None:
        """Send the first window."""

    @abstractmethod
    def refill(self, connection: LoadConnection, frames: int) -> None:
        """Send the frames that are allowed after ``frames`` more have arrived on ``connection``."""

    def _run(self, seconds: float) -> Measurement:
        before, start, cpu = self._received, time.perf_counter(), time.process_time()
        while (now := time.perf_counter()) < start + seconds and self._received - before < MAX_FRAMES:
            self._turn()
        elapsed = max(now - start, 1e-9)
        return Measurement((self._received - before) / elapsed, (time.process_time() - cpu) / elapsed)

    def _turn(self) -> None:
        ready = self._selector.select(PATIENCE_SECONDS)
        if not ready:
            self._complain(f"nothing arrived for {PATIENCE_SECONDS:g} s")
        for key, _ in ready:
            connection: LoadConnection = key.fileobj  # type: ignore[assignment] # nothing else is registered
            frames = connection.count_arrived(self._inbox)
            self._received += frames
            self.refill(connection, 0 if self._draining else frames)

    def _drain(self) -> None:
        self._draining = True
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._received < self.expected:
            if time.monotonic() > deadline:
                self._complain(f"the last answers did not come within {PATIENCE_SECONDS:g} s")
            self._turn()
        if self._received > self.expected:
            self._complain("too many frames arrived")

    def _complain(self, what: str) -> None:
        raise TargetError(f"{what}; {self._received} of {self.expected} frames arrived")


class PipelinedLoad(Load):
    """Requests to the echo handler: every answer allows one more request on its connection.

    Args:
        address: where the server listens.
        connections: number of connections.
        window: requests in flight on each connection; 1 makes them sequential.
        raw: the server sends frames back unchanged, without a handshake.
    """

    def __init__(self, address: Address, *, connections: int, window: int, raw: bool = False) -> None:
        super().__init__(address, [f"{number:03d}" for number in range(connections)])
        self._window = window
        self._raw = raw
        self._sent = 0

    @property
    def expected(self) -> int:
        """One response for each request."""
        return self._sent

    def prepare(self) -> None:
        """Do the handshakes and make the requests."""
        if not self._raw:
            do_handshakes(self.connections)
        for connection in self.connections:
            connection.fill_from(connection.echo_message())

    def check(self) -> None:
        """Check one exchange on every connection in full."""
        for connection in self.connections:
            if self._raw:
                connection.check_raw_echo()
            else:
                connection.check_echo()

    def begin(self) -> None:
        """Fill the window of every connection."""
        for connection in self.connections:
            self.refill(connection, self._window)

    def refill(self, connection: LoadConnection, frames: int) -> None:
        """Send one request for each response."""
        self._sent += frames
        connection.allow(frames)


class EnqueueLoad(PipelinedLoad):
    """Jobs for one queue (chapter QUE): every acknowledgement allows one more job on its connection.

    Args:
        address: where the server listens.
        connections: number of connections.
        window: jobs in flight on each connection.
    """

    def __init__(self, address: Address, *, connections: int, window: int) -> None:
        super().__init__(address, connections=connections, window=window)
        self._queue = f"bench-{self.nonce}"

    def prepare(self) -> None:
        """Do the handshakes and make the requests."""
        do_handshakes(self.connections)
        for connection in self.connections:
            connection.fill_from(connection.enqueue_message(self._queue))

    def check(self) -> None:
        """Enqueue one job on every connection and check its answer in full."""
        for connection in self.connections:
            connection.check_enqueue(self._queue)


class FanOutLoad(Load):
    """One connection publishes to several subscribers: their deliveries, averaged, allow further publications.

    Args:
        address: where the server listens.
        subscribers: number of subscribers.
        window: publications in flight, on average over the subscribers.
    """

    def __init__(self, address: Address, *, subscribers: int, window: int) -> None:
        super().__init__(address, ["pub", *(f"{number:03d}" for number in range(subscribers))])
        self._publisher, *self._subscribers = self.connections
        self._channel = f"bench.{self.nonce}"
        self._window = window
        self._published = 0

    @property
    def expected(self) -> int:
        """One delivery of each publication to each subscriber."""
        return self._published * len(self._subscribers)

    def prepare(self) -> None:
        """Complete the handshakes, subscribe, and create the publications.

        A request after the subscribe shows that the subscription is in force (SUB-015); unlike a ping, it works on
        every server.
        """
        do_handshakes(self.connections)
        for each in self._subscribers:
            each.send(each.message("subscribe", self._channel, {"connection_id": each.connection_id}))
        for each in self._subscribers:
            each.check_echo()
        self._publisher.fill_from(self._publication())

    def check(self) -> None:
        """Check one publication at every subscriber in full (SUB-010, SUB-012)."""
        message = self._publication()
        self._publisher.send(message)
        for each in self._subscribers:
            delivered = each.receive()
            if delivered != message:
                raise Violation("a subscriber did not get what was published")

    def begin(self) -> None:
        """Publish the first window."""
        self._publish_up_to(self._window)

    def refill(self, connection: LoadConnection, frames: int) -> None:
        """Publish once for each publication that the subscribers received, on average."""
        if connection is self._publisher:
            self._complain("the server answered a publish")
        if frames:
            self._publish_up_to(self._received // len(self._subscribers) + self._window)

    def _publish_up_to(self, number: int) -> None:
        more = number - self._published
        self._published = number
        self._publisher.allow(more)

    def _publication(self) -> dict[str, object]:
        payload = {"connection_id": self._publisher.connection_id, "text": TEXT}
        return self._publisher.message("publish", self._channel, payload)


def do_handshakes(connections: list[LoadConnection]) -> None:
    """Complete the handshake of every connection, all at once (HSK-001, HSK-004).

    Raises:
        Violation: one of them failed.
    """
    for connection in connections:
        connection.send(connection.connect_message())
    for connection in connections:
        connection.acknowledge(connection.receive())
