"""The command ``ipc-conformance``."""

from __future__ import annotations

import sys

import click

from conformance import PROTOCOL_VERSION, __version__
from conformance.cli.bench import bench
from conformance.cli.gate import gate
from conformance.cli.list import list_cases
from conformance.cli.requirements import requirements
from conformance.cli.run import run
from conformance.cli.serve import serve
from conformance.cli.spec import spec


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message=f"ipc-conformance %(version)s, protocol {PROTOCOL_VERSION}")
def main() -> None:
    """Test servers and clients of the IPC Framework Wire Protocol.

    \b
    Test a running server:         ipc-conformance run --server localhost:8888
    Let the kit start the server:  ipc-conformance run --server-cmd 'python my_server.py --port {port}'
    List the cases:                ipc-conformance list
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


for command in (run, list_cases, serve, requirements, bench, spec, gate):
    main.add_command(command)
