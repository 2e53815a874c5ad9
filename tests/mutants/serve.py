"""Run the reference server with one mistake: ``python tests/mutants/serve.py NAME [OPTIONS OF THE SERVER]``.

The name ``none`` starts the server without a mistake: the control of the experiment.
"""

from __future__ import annotations

import sys

from mutation import CONTROL, all_mutants

from reference_server.cli import main

if __name__ == "__main__":
    name = sys.argv.pop(1)
    if name != CONTROL:
        all_mutants()[name].patch()
    main()
