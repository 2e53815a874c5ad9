"""The program ``ipc-conformance``, which is also ``python -m conformance``."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C ends it with one line and status 130, even while it is still loading."""
    try:
        from conformance.cli.main import main as commands  # noqa: PLC0415 - loading takes most of a second

        commands()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
