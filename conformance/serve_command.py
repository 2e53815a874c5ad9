"""``ipc-conformance serve``: a server to develop a client against."""

from __future__ import annotations

import click


@click.command()
def serve() -> None:
    """Placeholder while the relay is written."""
