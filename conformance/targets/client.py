"""A client under test: each case starts a new driver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from conformance.core.trace import Trace
from conformance.core.verdicts import TargetError
from conformance.targets.base import Target
from conformance.targets.config import START_SECONDS
from conformance.targets.driver import Driver
from conformance.targets.process import SupervisedProcess, filled_in


class ClientTarget(Target):
    """The client under test during a run. Use as a context manager: entering checks that its driver works."""

    _stated = ""

    def __enter__(self) -> Self:
        driver = self.drive(Trace(), lambda: None, lambda: None)
        self._stated = str(driver.capabilities.get("protocol", ""))
        driver.stop()
        return self

    def __exit__(self, *_: object) -> None:
        """Every driver has ended with its case."""

    @property
    def stated_protocol(self) -> str:
        """The version that the driver names among the client's capabilities."""
        return self._stated

    def drive(self, trace: Trace, before: Callable[[], None], meanwhile: Callable[[], None]) -> Driver:
        """Start a driver; the caller stops it.

        Args:
            trace: records every line.
            before: called before every command.
            meanwhile: called again and again while the kit waits for the driver.

        Raises:
            TargetError: the driver does not answer.
        """
        options = self.options
        command = filled_in(options.client or "", {})
        process = SupervisedProcess(command, folder=options.folder, environment=options.environment, talks=True)
        try:
            start_seconds = (options.start_seconds or START_SECONDS) * max(1.0, self.time_scale)
            return Driver(
                process, trace, self.patience, before=before, meanwhile=meanwhile, start_seconds=start_seconds
            )
        except TargetError as error:
            raise TargetError(f"{options.client}: {error}") from None
