"""``ipc-conformance spec``: show requirements, extract their list from the spec's text, and check both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from importlib.resources import files
from itertools import takewhile
from pathlib import Path

import click

from conformance.cases.catalogue import all_cases
from conformance.cli.help import Group
from conformance.core.terminal import fitted
from conformance.protocol.requirements import Requirement, load, section_link
from conformance.specification.checks import Problem, text_problems
from conformance.specification.lockfile import Lock
from conformance.specification.markdown import Block, Kind, SpecError, read_chapter
from conformance.specification.statements import Spec

_folder = click.argument("folder", metavar="[DIR]", default="spec", type=click.Path(path_type=Path))


@click.group(cls=Group)
def spec() -> None:
    """Show requirements of the specification, check it, and extract them."""


@spec.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
def show(ids: tuple[str, ...]) -> None:
    """Print a requirement, the section that it is in, and the cases that check it.

    ID is that of a requirement, such as SUB-003; capitals do not matter.
    """
    known = load()
    wanted = [each.upper() for each in ids]
    for identity in wanted:
        if identity not in known:
            near = get_close_matches(identity, known, 3, 0.5)
            hint = f"; there are {', '.join(near)}" if near else "; ipc-conformance list names those that cases check"
            raise click.UsageError(f"there is no requirement {identity!r}{hint}")
    with _unreadable_is_status_2():
        click.echo(fitted("\n\n".join(_shown(known[each]) for each in wanted)))


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


def _shown(rule: Requirement) -> str:
    """Return a requirement as text: what it is, its section, and its cases."""
    facts = [rule.level.upper(), f"binds {rule.target if rule.target != 'both' else 'servers and clients'}"]
    facts += [f"since {rule.since}", rule.status]
    head = f"{rule.id}  {', '.join(facts)}  ({section_link(rule)})"
    cases = [each.id for each in all_cases().values() if rule.id in each.requirements]
    checked = (
        "\n".join(f"  {each}" for each in sorted(cases)) or f"  none: {rule.reason or 'schemas or vectors check it'}"
    )
    return f"{head}\n\n{_section(rule)}\n\ncases\n{checked}"


def _section(rule: Requirement) -> str:
    """Return the text of the section of a requirement."""
    chapter, _, anchor = rule.section.partition("#")
    blocks = iter(read_chapter(Path(str(files("ipc_spec")), f"{chapter}.md")).blocks)
    heading = next(each for each in blocks if each.kind is Kind.HEADING and each.anchor == anchor)
    shown = [heading, *takewhile(_is_no_heading, blocks)]
    return "\n\n".join(each.text for each in shown if not each.text.startswith("<!--"))


def _is_no_heading(block: Block) -> bool:
    return block.kind is not Kind.HEADING


def _stop_at(problems: Iterable[Problem]) -> None:
    lines = [str(problem) for problem in problems]
    if lines:
        click.echo(fitted("\n".join(lines)))
        raise click.exceptions.Exit(1)


@contextmanager
def _unreadable_is_status_2() -> Iterator[None]:
    try:
        yield
    except SpecError as error:
        click.echo(str(error), err=True)
        raise click.exceptions.Exit(2) from error
