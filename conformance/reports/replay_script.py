"""A failing example as a script that needs only the standard library: it sends the same octets, without the kit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from conformance.core.trace import CONNECTED, ENDS_SENDING, RESETS, SHOWN_OCTETS

HEAD = """\
# Save as replay.py and run: python replay.py HOST PORT, or python replay.py PATH for a unix socket
import socket, struct, sys

def connect():
    if len(sys.argv) > 2:
        return socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
    end = socket.socket(socket.AF_UNIX)
    end.settimeout(5)
    end.connect(sys.argv[1])
    return end

def show(name, end):
    head = end.recv(4, socket.MSG_WAITALL)
    print(name, "<-", end.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL) if head else "the end of the stream")

def reset(end):
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()
"""
COMMENT = 120
"""Enough of a message to recognize it; the script has all its octets."""


def as_script(trace: Sequence[dict[str, Any]]) -> list[str]:
    """Return the lines of a script that repeats the kit's actions in a trace, and prints what arrives.

    Args:
        trace: entries as :meth:`conformance.core.trace.Trace.as_json` returns them.

    Returns:
        no lines if the trace does not have every octet that was sent.
    """
    if any(entry["direction"] == "sent" and entry["octets"] > SHOWN_OCTETS for entry in trace):
        return []
    return [*HEAD.splitlines(), "", *(_line(entry) for entry in trace)]


def _line(entry: dict[str, Any]) -> str:
    peer, text = entry["peer"], ascii(entry["text"])[1:-1]
    short = text if len(text) <= COMMENT else text[:COMMENT] + "..."
    if entry["direction"] == "sent":
        return f'{peer}.sendall(bytes.fromhex("{entry["hex"]}"))  # {short}'
    if entry["direction"] == "received":
        return f'show("{peer}", {peer})  # {short}'
    deeds = {
        CONNECTED: f"{peer} = connect()",
        ENDS_SENDING: f"{peer}.shutdown(socket.SHUT_WR)",
        RESETS: f"reset({peer})",
    }
    return deeds.get(entry["text"], f"# {peer}: {short}")
