"""The options of a run as click options, with those that add a draft or test a release."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from conformance.cases.catalogue import all_cases, select
from conformance.cli.outputs import FILE
from conformance.core.options import Option, options_of
from conformance.core.roles import Role
from conformance.core.settings import Selection
from conformance.harness.case import Case
from conformance.reports.files import FORMATS
from conformance.specification import drafts
from conformance.specification.drafts import DraftError

Command = Callable[..., Any]


class ParsedType(click.ParamType[Any]):
    """A click type that parses text with the option's own function."""

    def __init__(self, stated: Option) -> None:
        self.name = stated.name
        self._stated = stated

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value of a text, or fail with the reason."""
        try:
            return self._stated.checked(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)


def table_options(*tables: type[Any]) -> Callable[[Command], Command]:
    """Return a decorator that adds the options of dataclasses to a command; each parameter is named like its field."""

    def decorate(command: Command) -> Command:
        for table in reversed(tables):
            for field, stated in reversed(options_of(table).items()):
                command = stated_option(stated, field)(command)
        return command

    return decorate


def stated_option(stated: Option, parameter: str) -> Callable[[Command], Command]:
    """Return a decorator that adds one option to a command."""
    if stated.is_flag:
        return click.option(stated.name, parameter, is_flag=True, help=stated.help)
    details: dict[str, Any] = {"help": stated.help, "metavar": stated.metavar, "multiple": stated.is_repeatable}
    if stated.bare is not None:
        details |= {"is_flag": False, "flag_value": stated.bare}
    if not stated.is_drawn:
        details |= {"default": stated.default, "show_default": bool(stated.default)}
    return click.option(stated.name, parameter, type=_click_type(stated), **details)


def _click_type(stated: Option) -> Any:
    if stated.choices:
        return click.Choice(stated.choices)
    if stated.parse is Path:
        return FILE
    is_bounded = (stated.minimum, stated.maximum) != (None, None)
    if is_bounded and stated.parse in (int, float):
        numbers: Any = click.IntRange if stated.parse is int else click.FloatRange
        return numbers(stated.minimum, stated.maximum)
    return stated.parse if stated.parse in (int, float, str) else ParsedType(stated)


def chosen_cases(selection: Selection, role: Role) -> list[Case]:
    """Return the selected cases; a results file that cannot be read is wrong usage."""
    try:
        return select(selection, role=role)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def report_options(command: Command) -> Command:
    """Add an option for each report that goes to a file."""
    for name, format_ in reversed(FORMATS.items()):
        command = click.option(f"--{name}", f"{name}_file", type=FILE, metavar="FILE", help=format_.help)(command)
    return command


def draft_options(command: Command) -> Command:
    """Add ``--draft`` and ``--release`` to a command."""
    folder, file = click.Path(exists=True, file_okay=False), click.Path(exists=True, dir_okay=False)
    options = (
        (
            "--draft",
            drafts.DRAFT,
            folder,
            "DIR",
            "Include the requirements, schemas, vectors and cases of this draft.",
        ),
        (
            "--release",
            drafts.RELEASE,
            file,
            "FILE",
            "Use the golden vectors of this release instead of the current ones.",
        ),
    )
    for name, chosen, kind, metavar, text in options:
        command = click.option(
            name, type=kind, metavar=metavar, help=text, expose_value=False, is_eager=True, callback=_chooser(chosen)
        )(command)
    return command


def _chooser(name: str) -> Callable[[click.Context, click.Parameter, str | None], None]:
    def choose(_: click.Context, __: click.Parameter, value: str | None) -> None:
        if value is None:
            return
        drafts.choose(name, Path(value))
        try:
            all_cases()
        except DraftError as error:
            raise click.UsageError(str(error)) from None

    return choose
