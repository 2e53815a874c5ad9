"""``ipc-conformance list``: list the cases."""

from __future__ import annotations

import json
from typing import Any

import click

from conformance.cli.options import chosen_cases, draft_options, table_options
from conformance.core.options import from_options
from conformance.core.roles import Role
from conformance.core.settings import Selection
from conformance.core.terminal import fitted, is_narrow
from conformance.protocol.requirements import section_link


@click.command("list")
@table_options(Selection)
@draft_options
@click.option(
    "--role",
    type=click.Choice(["server", "client"]),
    default="server",
    show_default=True,
    help="List the cases for this role.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, including the text of the requirements.")
def list_cases(*, role: Role, as_json: bool, **values: Any) -> None:
    """List the cases: id, level, requirements."""
    chosen = sorted(chosen_cases(from_options(Selection, values), role), key=lambda each: each.id)
    if as_json:
        entries = [
            {
                "case": each.id,
                "level": each.level,
                "profile": each.profile,
                "needs": list(each.needs),
                "summary": each.summary,
                "requirements": [
                    {"id": rule.id, "text": rule.text, "link": section_link(rule)} for rule in each.checked
                ],
            }
            for each in chosen
        ]
        click.echo(json.dumps(entries, indent=1))
        return
    for each in chosen:
        about = f"{each.level:6} {' '.join(each.requirements)}"
        click.echo(fitted(f"{each.id}  {about}") if is_narrow() else f"{each.id:56} {about}")
    click.echo(f"{len(chosen)} cases")
