"""Property testing with Hypothesis on a server that may hang or die.

Hypothesis is loaded when a property runs: it would take a quarter of the time to start a run of other cases.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from conformance.core.trace import EXAMPLE, Entry
from conformance.core.verdicts import Late, ServerEnded, Violation
from conformance.harness.server_context import ServerContext

if TYPE_CHECKING:
    from hypothesis import strategies as st

SHRINKING_SECONDS = 15.0
WAITING_SECONDS = 4.0
"""The same if failing examples run into their deadlines; without a limit, shrinking would take an hour then."""


def for_all(context: ServerContext, strategy: st.SearchStrategy[Any], holds: Callable[[Any], None]) -> None:
    """Call ``holds`` with examples of ``strategy``, chosen by the run's seed.

    Raises:
        Violation: ``holds`` raised it for the smallest example found; the context then has the trace of that example.
    """
    from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings  # noqa: PLC0415 - takes long to load
    from hypothesis.errors import Flaky  # noqa: PLC0415

    profile = settings(
        max_examples=context.settings.examples,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    tries = ExampleRunner(context, holds)
    try:
        seed(context.random.getrandbits(32))(profile(given(strategy)(tries.attempt)))()
    except OutOfTime:
        tries.raise_last()
    except Flaky:
        if tries.has_failed:  # and then it did not, like a server that ends now and then
            tries.raise_last()
        raise


class OutOfTime(BaseException):
    """The time for finding a smaller failing example is over; no error, which Hypothesis would take for a failure."""


class ExampleRunner:
    """Runs examples; failed examples are not run again, and after a failure the time is limited.

    So Hypothesis treats a flaky failure as a failure, the trace ends with the smallest failing example, and a server
    that hangs cannot delay the kit for long.

    Args:
        context: the context of the case.
        holds: raises :class:`Violation` for an example that shows a fault.
    """

    def __init__(self, context: ServerContext, holds: Callable[[Any], None]) -> None:
        self._context = context
        self._holds = holds
        self._failures: dict[str, tuple[Violation, list[Entry]]] = {}
        self._deadline = float("inf")

    def attempt(self, example: Any) -> None:
        """Run one example.

        Raises:
            Violation: it shows a fault.
        """
        known = self._failures.get(repr(example))
        if known:
            violation, self._context.trace.entries = known
            raise violation
        if time.monotonic() > self._deadline:
            raise OutOfTime
        try:
            with self._context.example():
                self._context.trace.event("*", f"{EXAMPLE}{example!r}")
                self._holds(example)
        except Violation as violation:
            seconds = WAITING_SECONDS if isinstance(violation, Late) else SHRINKING_SECONDS
            self._deadline = min(self._deadline, time.monotonic() + seconds * self._context.time_scale)
            found = self._with_loss(violation)
            self._failures[repr(example)] = found, self._context.trace.entries
            raise found from None

    @property
    def has_failed(self) -> bool:
        """True if an example showed a fault."""
        return bool(self._failures)

    def raise_last(self) -> NoReturn:
        """Raise the violation that was found last: each example that is tried after a failure is a smaller one.

        Raises:
            Violation: always.
        """
        violation, self._context.trace.entries = list(self._failures.values())[-1]
        raise violation

    def _with_loss(self, violation: Violation) -> Violation:
        """Replace a server that the example killed or hung; if the kit cannot restart it, stop trying."""
        target = self._context.target
        loss = target.recover()
        if loss and loss.has_ended:
            return ServerEnded(loss.text)
        if loss:
            violation.received += f"\n{loss.text}"
            violation.stopped = True
        elif target.process is None and not target.is_serving():
            self._deadline = 0.0
        return violation
