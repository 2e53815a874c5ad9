"""The limits a server works under."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

MIB: Final = 1024 * 1024

# option -> the smallest and the largest value that makes sense, both allowed
RANGES: Final[dict[str, tuple[float, float]]] = {
    "max_frame_bytes": (MIB, 1 << 30),  # FRM-008
    "max_depth": (64, 500),  # ENC-009; the upper end stays clear of the decoder's own recursion limit
    "max_outbound_bytes": (MIB, 1 << 40),
    "max_connections": (100, 1_000_000),  # LIM-008
    "handshake_timeout": (1, 30),  # HSK-017
    "max_batch_items": (1000, 1_000_000),  # BAT-008
    "max_in_flight_bytes": (64 * 1024, 1 << 40),
    "handler_threads": (1, 1000),
    "drain_timeout": (0, 3600),
    "linger": (1, 60),  # ERR-009
    "flush_timeout": (1, 3600),
    "shutdown_grace": (0, 3600),
}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a server allows; sizes in octets, times in seconds.

    The first five are announced in the acknowledgement (HSK-007).

    Raises:
        ValueError: A value lies outside its range, or `max_outbound_bytes` is below `max_frame_bytes`; the text names
            option, value and range.
    """

    # Customary (FRM-008): as long as a message gets when somebody sends a file in one piece.
    max_frame_bytes: int = 16 * MIB
    # Twice what the specification asks for; no message written by a person comes near.
    max_depth: int = 128
    # Customary (LIM-004): a subscriber may be four of the longest messages behind.
    max_outbound_bytes: int = 64 * MIB
    # Fits the customary limit of 1024 open files, with room for what else is open.
    max_connections: int = 1000
    # Customary (HSK-017).
    handshake_timeout: float = 10.0
    # Ten times what the specification asks for. An item is answered in about 10 us, so the longest batch takes a tenth
    # of a second of the event loop, in slices. A client that has more items sends several batches.
    max_batch_items: int = 10_000
    # Requests and notifications that one connection may have in handlers before reading from it pauses: two of the
    # longest messages, or about 8000 short ones (each is counted with the cost of its task).
    max_in_flight_bytes: int = 32 * MIB
    # Plain handlers mostly wait for something; 32 of them hide that without filling memory with stacks.
    handler_threads: int = 32
    # A client that ended its sending side is owed its answers (LIM-011), but a handler that never ends must not keep
    # the connection for ever.
    drain_timeout: float = 30.0
    # Twice the second that ERR-009 asks for.
    linger: float = 2.0
    # 64 MiB pass a slow line of 20 Mbit/s in this time; whoever takes longer is not reading.
    flush_timeout: float = 30.0
    # Shorter than the ten seconds after which container runtimes kill.
    shutdown_grace: float = 5.0

    def __post_init__(self) -> None:
        for field in fields(self):
            check_limit(field.name, getattr(self, field.name))
        if self.max_outbound_bytes < self.max_frame_bytes:  # LIM-004
            allowed = f"max_frame_bytes, {self.max_frame_bytes}, or more"
            raise ValueError(f"max_outbound_bytes is {self.max_outbound_bytes}, allowed is {allowed}")

    def announced(self) -> dict[str, int]:
        """Return the object `limits` of the acknowledgement (HSK-007)."""
        return {
            "max_frame_bytes": self.max_frame_bytes,
            "max_depth": self.max_depth,
            "max_outbound_bytes": self.max_outbound_bytes,
            "max_connections": self.max_connections,
            "handshake_timeout_ms": round(self.handshake_timeout * 1000),
        }


def check_limit(name: str, value: Any) -> None:
    """Raise `ValueError` when the limit `name` must not have this value."""
    low, high = RANGES[name]
    # Written so that NaN fails too.
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}, allowed is {low} to {high}")
