"""Run the reference server with one mistake: ``python tests/mutants/serve.py NAME [OPTIONS OF THE SERVER]``.

The name ``none`` starts the server without a mistake: the control of the experiment.
"""

from __future__ import annotations

import sys

from mutation import CONTROL, all_mutants

from reference_server.cli import main


def serve(arguments: list[str]) -> None:
    """Patch this process with the mutant that is named first, and run the server with the other arguments."""
    name, *options = arguments
    if name != CONTROL:
        all_mutants()[name].patch()
    main(options)


if __name__ == "__main__":
    serve(sys.argv[1:])
