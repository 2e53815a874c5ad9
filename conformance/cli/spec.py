"""``ipc-conformance spec``: turn the spec's text into its list of requirements, and check both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from conformance.specification.checks import Problem, text_problems
from conformance.specification.lockfile import Lock
from conformance.specification.markdown import SpecError
from conformance.specification.statements import Spec

_folder = click.argument("folder", metavar="[DIR]", default="spec", type=click.Path(path_type=Path))


@click.group()
def spec() -> None:
    """Work on the text of the specification."""


@spec.command()
@_folder
def extract(folder: Path) -> None:
    """Write DIR/requirements.json (DIR is "spec" when not given).

    Exits with 1, and writes nothing, when the text has problems; with 2 when it cannot be read.
    """
    with _unreadable_is_status_2():
        fresh, lock = Spec.read(folder), Lock.read(folder)
        _stop_at(text_problems(fresh))
        requirements = fresh.requirements()
        _stop_at(lock.history_problems(requirements))
        lock.write(requirements)
    click.echo(f"{lock.path}: {len(requirements)} requirements")


@spec.command()
@_folder
def check(folder: Path) -> None:
    """Check the text in DIR ("spec" when not given) and that its requirements.json is up to date.

    Exits with 1 after one line for each problem; with 2 when the folder cannot be read.
    """
    with _unreadable_is_status_2():
        fresh, lock = Spec.read(folder), Lock.read(folder)
        _stop_at(text_problems(fresh))
        requirements = fresh.requirements()
        _stop_at(lock.history_problems(requirements) or lock.staleness_problems(requirements))
    click.echo(f"{folder}: {len(requirements)} requirements, no problem")


def _stop_at(problems: Iterable[Problem]) -> None:
    lines = [str(problem) for problem in problems]
    if lines:
        click.echo("\n".join(lines))
        raise click.exceptions.Exit(1)


@contextmanager
def _unreadable_is_status_2() -> Iterator[None]:
    try:
        yield
    except SpecError as error:
        click.echo(str(error), err=True)
        raise click.exceptions.Exit(2) from error
