"""``ipc-conformance spec``: extract the list of requirements from the spec's text, and check both."""

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
    """Check the specification and extract its requirements."""


@spec.command()
@_folder
def extract(folder: Path) -> None:
    """Write DIR/requirements.json from the text of the spec.

    DIR, the folder of the spec, is "spec" by default. The exit status is 1, and nothing is written, if the text has
    problems. It is 2 if the text cannot be read.
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
    """Check the text of the spec and its requirements.json.

    DIR, the folder of the spec, is "spec" by default. The exit status is 1 if there are problems, each printed on one
    line. It is 2 if the folder cannot be read.
    """
    with _unreadable_is_status_2():
        fresh, lock = Spec.read(folder), Lock.read(folder)
        _stop_at(text_problems(fresh))
        requirements = fresh.requirements()
        _stop_at(lock.history_problems(requirements) or lock.staleness_problems(requirements))
    click.echo(f"{folder}: {len(requirements)} requirements, no problems")


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
