"""The command ``ipc-conformance``."""

from __future__ import annotations

from importlib import import_module

import click

from conformance import PROTOCOL_VERSION, __version__
from conformance.cli import help as help_text
from conformance.cli.help import WIDEST, Group

help_text.use()
COMMANDS = {
    "run": "run",
    "list": "list_cases",
    "serve": "serve",
    "report": "report",
    "show": "show",
    "requirements": "requirements",
    "bench": "bench",
    "interop": "interop",
    "spec": "spec",
    "gate": "gate",
}
"""The function of each command, in the module of ``conformance.cli`` with the command's name."""


class Commands(Group):
    """A group that imports the module of a command when the command is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted({*COMMANDS, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, or None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module = import_module(f"conformance.cli.{cmd_name}")
        found: click.Command = getattr(module, COMMANDS[cmd_name])
        return found


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDEST})
@click.version_option(__version__, message=f"ipc-conformance %(version)s, protocol {PROTOCOL_VERSION}")
def main() -> None:
    """Test servers and clients of the IPC Framework Wire Protocol.

    \b
    Test a running server:         ipc-conformance run --server localhost:8888
    Let the kit start the server:  ipc-conformance run --server-cmd 'python my_server.py --port {port}'
    List the cases:                ipc-conformance list
    """
