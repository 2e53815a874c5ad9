"""How commands that start processes end if they cannot go on: one line, and the status for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from conformance.core.text import printable
from conformance.core.verdicts import ExitCode, TargetError

STOPPED = "interrupted; all started processes have been stopped"


@contextmanager
def ended_in_a_line() -> Iterator[None]:
    """Exit with one line and the matching status if a target cannot be started or reached, and on Ctrl-C."""
    try:
        yield
    except TargetError as error:
        click.echo(printable(str(error)), err=True)
        sys.exit(ExitCode.UNREACHABLE)
    except KeyboardInterrupt:
        click.echo(STOPPED, err=True)
        sys.exit(ExitCode.INTERRUPTED)
