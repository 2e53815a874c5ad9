"""The program ``ipc-conformance``, which is also ``python -m conformance``."""

import signal
import sys
import traceback

from conformance.core.streams import UnwritableOutput, guard_streams
from conformance.core.verdicts import ExitCode


def main() -> None:
    """Run the command line, and exit with a status that fits however it ends.

    Ctrl-C ends it with one line and status 130, even while it is still loading. Output that cannot be written is one
    line and status 2; an error of the kit is status 5, because Python's own status 1 means *not conformant* here.
    """
    try:
        _end_like_ctrl_c()
        guard_streams()
        from conformance.cli.main import main as commands  # noqa: PLC0415 - loading takes most of a second

        commands()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(ExitCode.INTERRUPTED)
    except UnwritableOutput as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(ExitCode.USAGE)
    except Exception:  # noqa: BLE001 - whatever it is, it is not the target's fault
        sys.stderr.write(f"{traceback.format_exc()}the kit itself failed; please report this\n")
        sys.exit(ExitCode.KIT_ERROR)


def _end_like_ctrl_c() -> None:
    """Let SIGTERM and SIGHUP (a closed terminal) end a command as Ctrl-C does, unless they are ignored (nohup)."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


if __name__ == "__main__":
    main()
