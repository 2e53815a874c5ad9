"""The files that commands write at their end: what prevents it is said at the beginning, if it can be known."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from conformance.core.files import why_unwritable, write_whole
from conformance.core.verdicts import ExitCode

FILE = click.Path(dir_okay=False, path_type=Path)
"""The type of an option or argument that names a file to read or write."""


def refuse_unwritable(*paths: Path | None) -> None:
    """Raise click.UsageError if one of the files cannot be written, as far as this can be known now."""
    for path in filter(None, paths):
        if why := why_unwritable(path):
            raise click.UsageError(f"cannot write {path}: {why}")


def write(path: Path | None, text: str) -> None:
    """Write a file, if there is a path; exit with the status of wrong use if it cannot be written."""
    if path is None:
        return
    try:
        write_whole(path, text)
    except OSError as error:
        click.echo(f"cannot write {path}: {error.strerror}", err=True)
        sys.exit(ExitCode.USAGE)
