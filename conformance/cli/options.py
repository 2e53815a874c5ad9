"""The options with which a run tries a draft, or a released version, of the protocol."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from conformance.cases.catalogue import all_cases
from conformance.specification import drafts
from conformance.specification.drafts import OverlayError


def overlay_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--draft`` and ``--release`` to a command."""
    folder, file = click.Path(exists=True, file_okay=False), click.Path(exists=True, dir_okay=False)
    options = (
        (
            "--draft",
            drafts.DRAFT,
            folder,
            "DIR",
            "Try the requirements, schemas, vectors and cases of this draft too.",
        ),
        ("--release", drafts.RELEASE, file, "FILE", "Try the golden vectors of this release instead of today's."),
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
        except OverlayError as error:
            raise click.UsageError(str(error)) from None

    return choose
