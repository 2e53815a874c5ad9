"""The servers and workloads of the benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from conformance.bench.load import EnqueueLoad, FanOutLoad, Load, PipelinedLoad
from conformance.transport.address import Address


@dataclass(frozen=True)
class BenchTarget:
    """A server to measure.

    Attributes:
        name: its name in reports.
        command: the command line that starts it, with ``{port}``.
        raw: it sends frames back unchanged, without a handshake.
        queue: it has the profile queue.
    """

    name: str
    command: str
    raw: bool = False
    queue: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``NAME=COMMAND``.

        Raises:
            ValueError: the text has another form.
        """
        name, equals, command = text.partition("=")
        if not name.strip() or not equals or "{port}" not in command:
            raise ValueError(f"{text!r} is not NAME=COMMAND with {{port}} where the port number belongs")
        return cls(name.strip(), command.strip())


@dataclass(frozen=True)
class Workload:
    """One kind of load.

    Attributes:
        name: its name in reports and options.
        unit: the unit of its rate.
        window: requests in flight on each connection, or publications in flight.
        connections: number of connections that send requests.
        subscribers: number of subscribers to one more connection; 0 for a load of requests.
        jobs: whether the requests enqueue jobs; otherwise they call the echo handler.
    """

    name: str
    unit: str
    window: int
    connections: int = 1
    subscribers: int = 0
    jobs: bool = False

    def suits(self, subject: BenchTarget) -> bool:
        """Return true if the subject supports this workload: raw subjects cannot publish, and few have jobs."""
        if self.jobs:
            return subject.queue
        return not (self.subscribers and subject.raw)

    def open(self, address: Address, *, raw: bool = False) -> Load:
        """Return the load with open connections.

        Raises:
            TargetError: no server accepts connections at ``address``.
        """
        if self.subscribers:
            return FanOutLoad(address, subscribers=self.subscribers, window=self.window)
        if self.jobs:
            return EnqueueLoad(address, connections=self.connections, window=self.window)
        return PipelinedLoad(address, connections=self.connections, window=self.window, raw=raw)


WORKLOADS = (
    Workload("pipelined-1x64", "requests/s", window=64),
    Workload("pipelined-16x16", "requests/s", window=16, connections=16),
    Workload("sequential", "round trips/s", window=1),
    Workload("fanout-50", "deliveries/s", window=64, subscribers=50),
    Workload("fanout-200", "deliveries/s", window=64, subscribers=200),
    Workload("enqueue-64", "jobs/s", window=1, connections=64, jobs=True),
)
