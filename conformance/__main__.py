"""The program ``ipc-conformance``, which is also ``python -m conformance``."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C ends it in a line, with status 130, while it is still loading too."""
    try:
        from conformance.cli.main import main as commands  # noqa: PLC0415 - loading takes most of a second

        commands()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
