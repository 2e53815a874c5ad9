"""Runs the suite with pytest, in this process or on several workers, and collects the results."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

from conformance.core.files import SCRATCH, temporary_folder
from conformance.reports.reporter import Reporter
from conformance.results.run import Run
from conformance.results.survey import Survey
from conformance.runner import suite
from conformance.runner.pytest_plugin import UNREACHABLE, result_of

IDLE_PLUGINS = (
    *("cacheprovider", "terminalreporter", "logging", "warnings", "unraisableexception", "threadexception"),
    *("faulthandler", "doctest", "stepwise", "pastebin", "setuponly", "setupplan", "junitxml"),
)
"""Plugins of pytest that the suite does not need; their hooks would slow down each of many short cases."""


HYPOTHESIS = "HYPOTHESIS_STORAGE_DIRECTORY"
"""Hypothesis writes files there, by default in the user's folder."""


@dataclass(frozen=True)
class Bounds:
    """When a run stops although selected cases are left.

    Attributes:
        max_failures: after this many unexpected outcomes; None for any number.
        seconds: when this much time has passed since the run began; None for any time.
    """

    max_failures: int | None = None
    seconds: float | None = None

    def reached(self, run: Run) -> str:
        """Return which bound a run has reached; nothing if none."""
        if self.max_failures and run.unexpected >= self.max_failures:
            return f"{self.max_failures} unexpected outcomes (--max-failures)"
        if self.seconds is not None and run.duration_s >= self.seconds:
            return f"{self.seconds:g} seconds (--budget)"
        return ""


class Collector:
    """A pytest plugin of the controlling process: fills a :class:`Run` and tells reporters.

    Args:
        run: the run to fill.
        reporters: are called when a case begins or ends.
        bounds: when to stop the run early.
    """

    def __init__(self, run: Run, reporters: Sequence[Reporter], bounds: Bounds) -> None:
        self._run = run
        self._reporters = reporters
        self._bounds = bounds
        self.has_stopped = False
        self._workers: dict[Any, int] = {}

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:
        """Record a worker and the number of its cases."""
        self._workers[node] = len(ids)

    def pytest_keyboard_interrupt(self) -> None:
        """Remove the waiting cases from the workers, which would otherwise run all of them before they end."""
        for worker, cases in self._workers.items():
            with contextlib.suppress(OSError):
                for index in range(cases):
                    worker.send_steal(
                        [index]
                    )  # one by one: if a worker lacks one of several cases, it returns none of them

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Tell the reporters that a case begins."""
        for reporter in self._reporters:
            reporter.started(nodeid.partition("[")[2].rstrip("]"))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect one report of a test phase."""
        carried = result_of(report)
        if carried:
            result, target = carried
            self._run.results.append(result)
            self._run.target_name, self._run.profiles = target["name"], tuple(target["profiles"])
            self._run.protocol = target["protocol"]
            if "survey" in target and not self._run.survey:
                self._run.survey = Survey.from_json(target["survey"])
            for reporter in self._reporters:
                reporter.finished(result)
            reached = self._bounds.reached(self._run)
            if result.ends_run:
                reached = f"{result.case}: the server served nobody any more, and the kit cannot restart it"
            if reached and len(self._run.results) < self._run.selected:
                self._run.cut_short = reached
                self._stop()
        elif report.failed:
            self._take_failure(str(report.longrepr))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Record a failed collection, which is always the kit's fault."""
        if report.failed:
            self._run.kit_errors.append(str(report.longrepr))

    def pytest_internalerror(self, excrepr: object) -> None:
        """Record a crash of pytest or of a plugin."""
        self._run.kit_errors.append(str(excrepr))

    def _take_failure(self, text: str) -> None:
        _, marker, reason = text.partition(UNREACHABLE)
        if marker:
            self._run.unreachable = reason.strip()
            self._stop()
        elif text not in self._run.kit_errors:
            self._run.kit_errors.append(text)

    def _stop(self) -> NoReturn:
        """End pytest as Ctrl-C does: ``shouldstop`` would let workers run the cases that they already have.

        Raises:
            pytest.Session.Interrupted: always.
        """
        self.has_stopped = True
        raise pytest.Session.Interrupted("stopped")


@dataclass(frozen=True)
class PytestPlan:
    """The arguments of a pytest run.

    Attributes:
        options: those of the pytest plugin.
        workers: the number of workers.
        in_order: whether the workers take the cases one by one in their order, which takes longer in all.
    """

    options: Sequence[str]
    workers: int
    in_order: bool = False

    def arguments(self, scratch: str) -> list[str]:
        """Return pytest's arguments; they exclude the caller's own pytest configuration."""
        dist = ("load", "--maxschedchunk", "1") if self.in_order else ("worksteal",)
        parallel = ["-n", str(self.workers), "--dist", *dist, "-p", "xdist"] if self.workers > 1 else []
        return [
            str(Path(suite.__file__)),
            *("-c", os.devnull, "--rootdir", scratch, "--import-mode=importlib"),
            *(
                "-p",
                "conformance.runner.pytest_plugin",
                *(word for name in IDLE_PLUGINS for word in ("-p", f"no:{name}")),
            ),
            *("--capture=no", "--basetemp", str(Path(scratch) / "pytest")),
            *parallel,
            *self.options,
        ]


def execute(plan: PytestPlan, run: Run, reporters: Sequence[Reporter] = (), bounds: Bounds | None = None) -> None:
    """Run the plan, fill ``run``, and tell reporters of each case.

    A target that cannot be reached ends the run at once, and so do the bounds.

    Raises:
        KeyboardInterrupt: the user interrupted the run; all started processes have been stopped.
    """
    collector = Collector(run, reporters, bounds or Bounds())
    own = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "", "PYTEST_PLUGINS": ""}
    own |= {SCRATCH: "", HYPOTHESIS: ""}
    before = {name: os.environ.get(name) for name in own}
    os.environ |= own
    try:
        with temporary_folder() as scratch:
            os.environ |= {SCRATCH: scratch, HYPOTHESIS: str(Path(scratch) / "hypothesis")}
            status = pytest.main(plan.arguments(scratch), plugins=[collector])
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
    if status == pytest.ExitCode.INTERRUPTED and not (collector.has_stopped or run.unreachable):
        raise KeyboardInterrupt
    if status in (pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR) and not run.kit_errors:
        run.kit_errors.append(f"pytest ended with status {int(status)}")
