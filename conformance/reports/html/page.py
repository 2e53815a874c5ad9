"""The page: the template with its style sheet, its script and the data of the runs."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from conformance import PROTOCOL_VERSION, __version__
from conformance.core.files import write_whole
from conformance.core.text import printable
from conformance.reports.failure import WIDTH, describe
from conformance.reports.html.details import packed
from conformance.reports.html.marks import MARKS
from conformance.reports.html.views import changes_of, columns_of, groups_of, link_to, plain
from conformance.reports.reporter import Reporter
from conformance.results.causes import Cause
from conformance.results.run import Run

EXAMPLE_LINES = 12
"""Lines of the wire trace in the example of a cause; the case has the whole trace."""


class HtmlFile(Reporter):
    """Writes the report of one run.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def done(self, run: Run) -> None:
        """Write it."""
        write_whole(self._path, page([run]))


def page(runs: Iterable[Run], spec_url: str = "") -> str:
    """Return the report of some runs as an HTML document that needs no other file.

    Args:
        runs: the runs, in any order. Runs of one target are compared.
        spec_url: where the rendered specification is; without it, ids lead to the sentences in the report.
    """
    columns = columns_of(runs)
    environment = Environment(
        loader=PackageLoader("conformance.reports.html", "."),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["sentence"] = _sentence
    script = _source(environment, "report.js")
    return environment.get_template("report.html.j2").render(
        columns=columns,
        groups=groups_of(columns),
        changes=changes_of(columns),
        preselected=max(columns, key=lambda each: len(each.causes)),
        marks=MARKS,
        made=datetime.now(UTC),
        kit=__version__,
        protocol=PROTOCOL_VERSION,
        link=lambda requirement: link_to(requirement, spec_url),
        explained=explained,
        style=Markup(_source(environment, "report.css")),  # noqa: S704 - a file of this package
        script=Markup(script),  # noqa: S704 - likewise
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=Markup(packed(columns, spec_url)),  # noqa: S704 - base64
    )


def _finalized(value: object) -> object:
    """Return what the template puts into the page: texts have no control characters, as on a terminal."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def explained(cause: Cause) -> str:
    """Return the explained example of a cause: the same text whatever the width of the terminal."""
    lines = describe(cause.example, trace_lines=EXAMPLE_LINES, width=WIDTH, rest="the page of the case")
    return "\n".join(lines)


def _sentence(markdown: str) -> Markup:
    """Return a sentence of the specification as HTML: code is code, a link is its text."""
    code = Markup("<code>{}</code>")
    parts = (
        code.format(part) if number % 2 else escape(part) for number, part in enumerate(plain(markdown).split("`"))
    )
    return Markup("").join(parts)


def _source(environment: Environment, name: str) -> str:
    loader: Any = environment.loader
    return str(loader.get_source(environment, name)[0])
