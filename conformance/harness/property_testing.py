"""Property testing with Hypothesis on a server that may hang or die."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st

from conformance.core.trace import EXAMPLE, Entry
from conformance.core.verdicts import SERVER_ENDED, Violation
from conformance.harness.server_context import ServerContext

SHRINKING_SECONDS = 15.0
"""If every failing example of a server runs into its deadline, shrinking without this limit takes an hour."""


def for_all(context: ServerContext, strategy: st.SearchStrategy[Any], holds: Callable[[Any], None]) -> None:
    """Call ``holds`` with examples of ``strategy``, chosen by the run's seed.

    Raises:
        Violation: ``holds`` raised it for the smallest example found; the context then has the trace of that example.
    """
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
    seed(context.random.getrandbits(32))(profile(given(strategy)(tries.attempt)))()


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
            return
        try:
            with self._context.example():
                self._context.trace.event("*", f"{EXAMPLE}{example!r}")
                self._holds(example)
        except Violation as violation:
            self._deadline = min(self._deadline, time.monotonic() + SHRINKING_SECONDS * self._context.time_scale)
            found = self._with_loss(violation)
            self._failures[repr(example)] = found, self._context.trace.entries
            raise found from None

    def _with_loss(self, violation: Violation) -> Violation:
        """Replace a server that the example killed or hung; if the kit cannot restart it, stop trying."""
        target = self._context.target
        loss = target.recover()
        if loss and loss.has_ended:
            return Violation(SERVER_ENDED, received=loss.text)
        if loss:
            violation.received += f"\n{loss.text}"
        elif target.process is None and not target.is_serving():
            self._deadline = 0.0
        return violation
