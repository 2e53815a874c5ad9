"""A client under test: each case starts a new driver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from conformance.core.trace import Trace
from conformance.core.verdicts import TargetError
from conformance.targets.base import Target
from conformance.targets.driver import Driver
from conformance.targets.process import SupervisedProcess, filled_in


class ClientTarget(Target):
    """The client under test during a run. Use as a context manager: entering checks that its driver works."""

    def __enter__(self) -> Self:
        self.drive(Trace(), lambda: None).stop()
        return self

    def __exit__(self, *_: object) -> None:
        """Every driver has ended with its case."""

    def drive(self, trace: Trace, before: Callable[[], None]) -> Driver:
        """Start a driver; the caller stops it.

        Args:
            trace: records every line.
            before: called before every command.

        Raises:
            TargetError: the driver does not answer.
        """
        options = self.options
        command = filled_in(options.client or "", {})
        process = SupervisedProcess(command, folder=options.folder, environment=options.environment, talks=True)
        try:
            return Driver(process, trace, self.patience, before=before)
        except TargetError as error:
            raise TargetError(f"{options.client}: {error}") from None
