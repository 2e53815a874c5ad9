"""One run of the benchmark: starts the subjects, measures them in turn, and keeps the results."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from conformance import PROTOCOL_VERSION, __version__
from conformance.bench.load import Measurement
from conformance.bench.workloads import BenchTarget, Workload
from conformance.core.verdicts import TargetError, Violation
from conformance.targets.process import ServerProcess, on_a_free_port

FORMAT = "ipc-conformance-bench/1"
SATURATED = 0.9
"""From this share of a processor on, the generator may be the bottleneck."""


@dataclass(frozen=True)
class Spread:
    """Median, minimum and maximum of some figures."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> Spread:
        """Return the spread of ``figures``, which must not be empty."""
        return cls(statistics.median(figures), min(figures), max(figures))

    @property
    def deviation(self) -> float:
        """Half the difference between maximum and minimum, as a share of the median."""
        return (self.greatest - self.least) / 2 / self.median if self.median else 0.0

    def as_json(self, digits: int) -> dict[str, float]:
        """Return the figures, rounded to this number of digits."""
        return {
            "median": round(self.median, digits),
            "min": round(self.least, digits),
            "max": round(self.greatest, digits),
        }


@dataclass
class BenchRun:
    """A plan, and the measurements made so far.

    Attributes:
        subjects: the servers to measure; names are unique.
        workloads: the workloads to measure them with.
        rounds: number of rounds.
        seconds: length of one measurement, without warm-up.
        relative_to: the name of the subject that ratios refer to.
    """

    subjects: Sequence[BenchTarget]
    workloads: Sequence[Workload]
    rounds: int
    seconds: float
    relative_to: str
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    _made: dict[tuple[str, str], list[Measurement]] = field(default_factory=dict)

    def execute(self, on_round: Callable[[int], None]) -> None:
        """Start all subjects, measure each of them in every round, and end them.

        Args:
            on_round: called before each round with its number.

        Raises:
            TargetError: a subject did not start, or a measurement failed; the message says which.
        """
        with ExitStack() as stack:
            processes = {}
            for subject in self.subjects:
                processes[subject.name] = on_a_free_port(partial(ServerProcess, subject.command))
                stack.callback(processes[subject.name].stop)
            for number in range(1, self.rounds + 1):
                on_round(number)
                for workload in self.workloads:
                    for subject in filter(workload.suits, self.subjects):
                        self.add(workload, subject, measure(workload, subject, processes[subject.name], self.seconds))

    def add(self, workload: Workload, subject: BenchTarget, measurement: Measurement) -> None:
        """Store a measurement."""
        self._made.setdefault((workload.name, subject.name), []).append(measurement)

    def measured(self, workload: Workload) -> list[str]:
        """Return the names of the subjects that have measurements of a workload."""
        return [subject.name for subject in self.subjects if (workload.name, subject.name) in self._made]

    def rates(self, workload: Workload, subject: str) -> list[float]:
        """Return the figures of each round, in units of the workload."""
        return [measurement.rate for measurement in self._made[workload.name, subject]]

    def generator_cpu(self, workload: Workload, subject: str) -> float:
        """Return the highest processor share of the generator itself."""
        return max(measurement.generator_cpu for measurement in self._made[workload.name, subject])

    def ratio(self, workload: Workload, subject: str) -> Spread | None:
        """Return how much faster the subject of ``relative_to`` is than another; None if there is nothing to compare.

        Only rates of the same round are compared, since other load on the machine differs between rounds.
        """
        names = self.measured(workload)
        if subject == self.relative_to or not {subject, self.relative_to} <= set(names):
            return None
        others = self.rates(workload, subject)
        if not all(others):
            return None
        return Spread.of(
            [own / other for own, other in zip(self.rates(workload, self.relative_to), others, strict=True)]
        )

    def as_json(self) -> dict[str, Any]:
        """Return the content of the benchmark's file (schema ``tools/bench``)."""
        return {
            "format": FORMAT,
            "kit": {"version": __version__, "protocol": PROTOCOL_VERSION},
            "machine": {
                "python": platform.python_version(),
                "system": platform.platform(),
                "processors": os.cpu_count() or 1,
            },
            "started": self.started.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "rounds": self.rounds,
            "seconds": self.seconds,
            "relative_to": self.relative_to,
            "subjects": [asdict(each) for each in self.subjects],
            "workloads": [self._workload_as_json(each) for each in self.workloads],
        }

    def _workload_as_json(self, workload: Workload) -> dict[str, Any]:
        return {
            "name": workload.name,
            "unit": workload.unit,
            "connections": workload.connections,
            "window": workload.window,
            "subscribers": workload.subscribers,
            "results": [self._result_as_json(workload, subject) for subject in self.measured(workload)],
        }

    def _result_as_json(self, workload: Workload, subject: str) -> dict[str, Any]:
        rates = self.rates(workload, subject)
        ratio = self.ratio(workload, subject)
        return {
            "subject": subject,
            "rates": [round(rate, 1) for rate in rates],
            **Spread.of(rates).as_json(digits=1),
            "ratio": ratio.as_json(digits=4) if ratio else None,
            "generator_cpu": round(self.generator_cpu(workload, subject), 3),
        }


def measure(workload: Workload, subject: BenchTarget, process: ServerProcess, seconds: float) -> Measurement:
    """Measure one subject once.

    Raises:
        TargetError: the measurement failed; the message names the subject, the reason, and how the process ended.
    """
    try:
        with workload.open(process.address, raw=subject.raw) as load:
            return load.measure(seconds)
    except (TargetError, Violation) as error:
        received = f" (received: {error.received})" if isinstance(error, Violation) and error.received else ""
        end = "" if process.is_alive else f"; {process.obituary()}"
        raise TargetError(f"{subject.name}, {workload.name}: {error}{received}{end}") from error
